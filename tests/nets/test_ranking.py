"""Which backbone leads, and why."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from automl.nets.ranking import rank, shortlist
from tests.nets.rankings import answers, ranked_one


def test_a_clearly_better_backbone_wins_though_it_is_slower() -> None:
    ranking, reason = rank(
        [
            ranked_one("quick", answers(150), images_s=400, params_m=1),
            ranked_one("good", answers(180), images_s=100, params_m=6),
        ],
        seed=1,
    )
    assert [score.backbone for score in ranking] == ["good", "quick"]
    assert reason == (
        "good has the most accurate probe: 90.0% of the training images right out of fold; none is within a point and "
        "noise of it"
    )


def test_within_noise_the_faster_backbone_wins_and_the_reason_says_so() -> None:
    ranking, reason = rank(
        [
            ranked_one("quick", answers(178), images_s=400, params_m=1),
            ranked_one("good", answers(180), images_s=100, params_m=6),
        ],
        seed=1,
    )
    assert [score.backbone for score in ranking] == ["quick", "good"]
    assert "within a point and noise of good 90.0%" in reason
    assert reason.endswith("it is the fastest")


def test_more_than_a_point_is_no_tie_though_few_images_cannot_tell_it_from_noise() -> None:
    right = answers(45, 50)
    other = right.copy()
    other[[0, 1, 48]] = ~other[[0, 1, 48]]  # 2 points behind, and 0 lies within their interval
    ranking, _ = rank(
        [
            ranked_one("good", right, images_s=100, params_m=6),
            ranked_one("quick", other, images_s=400, params_m=1),
        ],
        seed=1,
    )
    assert [score.backbone for score in ranking] == ["good", "quick"]


def test_less_than_a_point_is_no_tie_where_many_images_tell_it_from_noise() -> None:
    ranking, _ = rank(
        [
            ranked_one("good", answers(18_100, 20_000), images_s=100, params_m=6),
            ranked_one("quick", answers(18_000, 20_000), images_s=400, params_m=1),
        ],
        seed=1,
    )
    assert ranking[0].backbone == "good"


def test_of_tied_backbones_of_about_one_speed_the_smallest_wins() -> None:
    ranking, reason = rank(
        [
            ranked_one("large", answers(180), images_s=110, params_m=6),
            ranked_one("small", answers(179), images_s=100, params_m=2),
        ],
        seed=1,
    )
    assert ranking[0].backbone == "small"
    assert reason.endswith("about as fast as any, and the smallest")


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(100, 200), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_ranking_holds_every_backbone_once_whatever_the_order(n_right: list[int], random: object) -> None:
    field = [ranked_one(f"b{n}", answers(hits), images_s=100.0 * 2**n, params_m=n) for n, hits in enumerate(n_right)]
    shuffled = list(field)
    random.shuffle(shuffled)
    ranking, _ = rank(field, seed=1)
    assert sorted(score.backbone for score in ranking) == sorted(one.score.backbone for one in field)
    assert rank(shuffled, seed=1)[0] == ranking


def test_the_shortlist_has_the_first_choice_the_two_best_probes_and_the_best_published_one() -> None:
    field = [
        ranked_one("quick", answers(178), images_s=400, params_m=1, top1=0.60),
        ranked_one("good", answers(180), images_s=100, params_m=6, top1=0.70),
        ranked_one("next", answers(179), images_s=90, params_m=7, top1=0.65),
        ranked_one("famous", answers(120), images_s=10, params_m=90, top1=0.86),
        ranked_one("unknown", answers(100), images_s=10, params_m=90),
    ]
    ranking, _ = rank(field, seed=1)
    assert [(one.backbone, one.reason) for one in shortlist(ranking)] == [
        ("quick", "the first choice of the ranking"),
        ("good", "the most accurate probe, 90.0% out of fold"),
        ("next", "the second most accurate probe, 89.5% out of fold"),
        ("famous", "the best published accuracy of the candidates, 86.0% on ImageNet"),
    ]


def test_a_backbone_that_is_first_in_every_way_is_listed_once() -> None:
    ranking, _ = rank([ranked_one("only", answers(180), images_s=100, params_m=6, top1=0.7)], seed=1)
    assert [one.backbone for one in shortlist(ranking)] == ["only"]
