"""Intervals: they hold their value, shrink with n, cover the truth, and stay honest at the ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.metrics.bootstrap import accuracy_interval, is_tie, paired_difference, wilson_interval
from automl.types import Interval

outcomes = st.lists(st.booleans(), min_size=1, max_size=60).map(lambda values: np.array(values, dtype=bool))
pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60).map(
    lambda values: np.array(values, dtype=bool).T
)
seeds = st.integers(1, 2**31 - 1)


@settings(deadline=None, max_examples=60)
@given(correct=outcomes, seed=seeds)
def test_an_accuracy_lies_within_its_interval_and_both_within_0_and_1(correct, seed):
    found = accuracy_interval(correct, resamples=200, seed=seed)
    assert found.value == pytest.approx(correct.mean())
    assert 0 <= found.low <= found.value <= found.high <= 1


@settings(deadline=None, max_examples=40)
@given(correct=outcomes, seed=seeds)
def test_the_order_of_the_images_does_not_matter_and_the_seed_decides(correct, seed):
    found = accuracy_interval(correct, resamples=200, seed=seed)
    assert found == accuracy_interval(correct[::-1], resamples=200, seed=seed)


def test_the_binomial_draw_agrees_with_resampling_the_images_one_by_one():
    rng = np.random.default_rng(3)
    correct = rng.random(150) < 0.83
    by_hand = np.percentile(correct[rng.integers(0, 150, (20_000, 150))].mean(axis=1), [2.5, 97.5])
    found = accuracy_interval(correct, resamples=20_000, seed=1)
    assert (found.low, found.high) == pytest.approx(tuple(by_hand), abs=1 / 150 + 1e-9)


@pytest.mark.parametrize("n", [5, 100])
def test_all_right_or_all_wrong_is_not_called_certain(n):
    right = accuracy_interval(np.ones(n, dtype=bool), resamples=200, seed=1)
    wrong = accuracy_interval(np.zeros(n, dtype=bool), resamples=200, seed=1)
    assert (right.value, right.high, wrong.value, wrong.low) == (1, 1, 0, 0)
    assert right.low == pytest.approx(n / (n + 1.96**2), abs=1e-4)
    assert wrong.high == pytest.approx(1 - right.low)


def test_wilson_gives_the_published_figures():
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3: 81 of 263, and 15 of 148.
    assert (wilson_interval(81, 263).low, wilson_interval(81, 263).high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (wilson_interval(15, 148).low, wilson_interval(15, 148).high) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_an_interval_covers_the_true_accuracy_about_95_times_in_100():
    rng = np.random.default_rng(11)
    covered = 0
    for trial in range(400):
        found = accuracy_interval(rng.random(200) < 0.8, resamples=400, seed=trial + 1)
        covered += found.low <= 0.8 <= found.high
    assert 0.91 <= covered / 400 <= 0.98


@settings(deadline=None, max_examples=60)
@given(pair=pairs, seed=seeds)
def test_a_paired_difference_is_that_of_the_means_and_turns_its_sign_with_the_sides(pair, seed):
    a, b = pair
    there = paired_difference(a, b, resamples=300, seed=seed)
    back = paired_difference(b, a, resamples=300, seed=seed)
    assert there.value == pytest.approx(a.mean() - b.mean())
    assert there.value == pytest.approx(-back.value)
    assert -1 <= there.low <= there.value <= there.high <= 1


def test_pairing_tells_apart_what_two_separate_intervals_cannot():
    a = np.arange(400) < 320
    b = np.arange(400) < 310  # wrong wherever a is, and ten times more
    assert not is_tie(paired_difference(a, b, resamples=2000, seed=1))
    assert is_tie(paired_difference(a, np.roll(b, 60), resamples=2000, seed=1))


def test_equal_answers_are_a_tie_of_no_width():
    a = np.arange(50) < 30
    assert paired_difference(a, a, resamples=200, seed=1) == Interval(value=0, low=0, high=0)
    assert is_tie(paired_difference(a, a, resamples=200, seed=1))


def test_no_images_and_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        accuracy_interval(np.zeros(0, dtype=bool), resamples=200, seed=1)
    with pytest.raises(ValueError, match="3 and 4 images"):
        paired_difference(np.ones(3, dtype=bool), np.ones(4, dtype=bool), resamples=200, seed=1)
