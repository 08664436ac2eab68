"""May another trial start, how long may it take, and which was best."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.search.budget import (
    TAIL_EXPORTS,
    TAIL_PASSES,
    TAIL_S,
    UNKNOWN_EXPORT_S,
    Allowed,
    Budget,
    Over,
    Pace,
    best_trial,
    failures_at_the_end,
    next_trial,
)  # fmt: skip
from automl.types import Epoch, Trial

BUDGET = Budget(trials=5, search_s=100, trial_s=30)
INFINITE = float("inf")


def trial(number: int, *, accuracy: float | None = 0.9, loss: float = 0.3, seconds: float = 20) -> Trial:
    """A finished trial; without accuracy a failed one."""
    state: Literal["finished", "failed"] = "failed" if accuracy is None else "finished"
    return Trial(number=number, values={}, state=state, accuracy=accuracy, loss=None if accuracy is None else loss,
                 seconds=seconds, epochs=(), error="killed" if accuracy is None else "")  # fmt: skip


FAILED = trial(1, accuracy=None, seconds=500)


@pytest.mark.parametrize(
    ("trials", "searched_s", "left_s", "limit_s"),
    [
        ((), 0, INFINITE, 30),  # the trial's own limit
        ((), 0, 36, 30),  # three fit, as guessed
        ((trial(1, seconds=17),), 0, 18, 18),  # begun, it goes on
        ((trial(1),), 75, INFINITE, 25),  # what is left of the search
        ((trial(1),), 0, 21, 21),  # what is left before the deadline
        ((trial(1, seconds=90), trial(2, seconds=5)), 50, INFINITE, 30),  # the median, not the longest, must fit
        ((FAILED,), 50, INFINITE, 30),  # a failed trial's seconds say nothing of the others
        ((FAILED, FAILED, trial(3), FAILED), 20, INFINITE, 30),
    ],
)
def test_a_trial_may_start_and_take_the_smallest_of_three_limits(
    trials: tuple[Trial, ...], searched_s: float, left_s: float, limit_s: float
) -> None:
    allowed = next_trial(BUDGET, trials, n_started=len(trials), searched_s=searched_s, left_s=left_s, guess_s=12)
    assert allowed == Allowed(limit_s=limit_s)


@pytest.mark.parametrize(
    ("trials", "n_started", "searched_s", "left_s", "reason"),
    [
        ((), 5, 0, INFINITE, "all 5 trials were run"),
        ((FAILED,) * 3, 3, 0, INFINITE, "3 trials in a row failed, the last one: killed"),
        ((), 0, 101, INFINITE, "tune.minutes leave 0 s, and a trial takes 12 s"),
        ((trial(1),), 1, 81, INFINITE, "tune.minutes leave 19 s, and a trial takes 20 s"),
        ((trial(1),), 1, 0, 10, "the deadline leaves 10 s, and a trial takes 20 s"),
        ((), 0, 0, -5, "the deadline leaves 0 s, and a trial takes 12 s"),
        ((), 0, 0, 11, "the deadline leaves 11 s, and a trial takes 12 s"),
        (
            (),
            0,
            0,
            35,
            "the deadline leaves 35 s, and a trial takes 12 s: fewer than 3, the first of the defaults, would decide "
            "next to nothing",
        ),
        (
            (),
            0,
            65,
            INFINITE,
            "tune.minutes leave 35 s, and a trial takes 12 s: fewer than 3, the first of the defaults, would decide "
            "next to nothing",
        ),
    ],
)
def test_no_trial_starts_without_the_means_for_it_and_the_reason_is_told(
    trials: tuple[Trial, ...], n_started: int, searched_s: float, left_s: float, reason: str
) -> None:
    assert next_trial(BUDGET, trials, n_started=n_started, searched_s=searched_s, left_s=left_s, guess_s=12) == Over(
        reason=reason
    )


@pytest.mark.parametrize(("wanted", "left_s"), [(1, 13), (2, 25)])
def test_a_search_of_one_or_two_trials_runs_them_where_the_recipe_wants_no_more(wanted: int, left_s: float) -> None:
    few = replace(BUDGET, trials=wanted)
    assert next_trial(few, (), n_started=0, searched_s=0, left_s=left_s, guess_s=12) == Allowed(limit_s=left_s)


def test_failures_count_only_while_nothing_succeeds_after_them() -> None:
    assert failures_at_the_end((FAILED, FAILED, trial(3))) == 0
    assert failures_at_the_end((trial(1), FAILED, FAILED)) == 2


@given(
    scores=st.lists(st.tuples(st.sampled_from([None, 0.5, 0.9]), st.sampled_from([0.1, 0.2])), max_size=8),
    order=st.randoms(),
)
def test_the_best_is_the_most_accurate_then_the_surer_then_the_earlier_in_any_order(
    scores: list[tuple[float | None, float]], order: st.random.Random
) -> None:
    trials = [trial(number, accuracy=accuracy, loss=loss) for number, (accuracy, loss) in enumerate(scores, start=1)]
    order.shuffle(trials)
    best = best_trial(trials)
    rivals = [rival for rival in trials if rival.accuracy is not None]
    if best is None:
        assert not rivals
        return
    for rival in rivals:
        assert best.accuracy is not None and rival.accuracy is not None and best.loss is not None  # noqa: PT018
        assert rival.accuracy < best.accuracy or (
            rival.accuracy == best.accuracy
            and ((rival.loss == best.loss and rival.number >= best.number) or (rival.loss or 0) > best.loss)
        )


PACE = Pace(n_train=500, n_held_out=100, images_s=50.0, export_s=8.0)


def test_the_training_is_reckoned_by_the_trials_and_before_the_first_by_the_forward_pass() -> None:
    assert PACE.training_s((), epochs=20, at_most_s=1000) == pytest.approx(8 + 20 * 3 * 500 / 50.0)
    epochs = tuple(
        Epoch(number=n, loss=0, accuracy=0, validation_loss=0, validation_accuracy=0, seconds=s)
        for n, s in ((1, 90.0), (2, 4.0), (3, 4.0))
    )
    measured = replace(trial(1), epochs=epochs)
    assert PACE.training_s((measured,), epochs=20, at_most_s=1000) == pytest.approx(8 + 20 * 4)


def test_the_training_is_never_given_more_than_it_may_take() -> None:
    assert PACE.training_s((), epochs=10_000, at_most_s=60) == 8 + 60


def test_the_tail_grows_with_the_rehearsal_and_with_the_images() -> None:
    assert PACE.tail_s == pytest.approx(TAIL_S + TAIL_EXPORTS * 8 + TAIL_PASSES * 100 / 50.0)
    untried = replace(PACE, export_s=None)
    assert untried.tail_s - PACE.tail_s == pytest.approx(TAIL_EXPORTS * (UNKNOWN_EXPORT_S - 8))
