"""Which candidates are judged on how many images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.nets.rounds import BLOCK, FEWEST, Cost, go_on, plan_rounds

QUICK = Cost(start_s=5.0, image_s=0.01)


def test_where_all_fit_the_budget_there_is_one_round_of_the_whole_sample() -> None:
    assert plan_rounds([QUICK] * 4, 4000, 4 * 45.0) == (4000,)


def test_where_time_is_short_rounds_begin_with_a_quarter_in_whole_blocks() -> None:
    assert plan_rounds([QUICK] * 4, 4000, 4 * 45.0 - 1) == (1024, 2048, 4000)
    assert plan_rounds([QUICK] * 4, 600, 1.0) == (512, 600)


def test_two_candidates_need_no_rounds() -> None:
    assert plan_rounds([QUICK] * 2, 4000, 1.0) == (4000,)


@given(
    st.lists(st.builds(Cost, start_s=st.floats(0, 30), image_s=st.floats(0, 1)), max_size=60),
    st.integers(1, 20_000),
    st.floats(-10, 1e4),
)
def test_rounds_grow_and_end_with_the_whole_sample(costs: list[Cost], images: int, budget_s: float) -> None:
    rounds = plan_rounds(costs, images, budget_s)
    assert rounds[-1] == images
    assert list(rounds) == sorted(set(rounds))
    assert all(size % BLOCK == 0 for size in rounds[:-1])


def test_what_was_done_before_costs_nothing() -> None:
    assert QUICK.of(1000, done=400) == pytest.approx(5 + 6)


def test_the_better_half_goes_on_and_the_best_published_one_whatever_its_score() -> None:
    scores = [("a", 0.5), ("b", 0.9), ("c", 0.8), ("d", 0.7), ("e", 0.6), ("f", 0.95), ("g", 0.1), ("h", 0.2)]
    assert go_on(scores, always="g") == ("b", "c", "d", "f", "g")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_at_least_three_go_on_where_there_are_three(accuracies: list[float]) -> None:
    scores = [(f"b{number}", value) for number, value in enumerate(accuracies)]
    left = go_on(scores, always="b0")
    assert min(FEWEST, len(scores)) <= len(left) <= max(FEWEST + 1, len(scores) // 2 + 2)
    assert max(scores, key=lambda one: one[1])[1] == max(dict(scores)[name] for name in left)
