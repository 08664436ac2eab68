"""The probe by the number of training images, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from automl.nets.learning_curve import answers_by_size, curve_points, more_data
from automl.nets.probe import Floats, Ints, Probe, fit_at
from tests.nets.test_probe import clouds


def right(share: float, n: int = 1000) -> np.ndarray:
    return np.arange(n) < round(share * n)


def refitted(features: Floats, labels: Ints, n_classes: int) -> Callable[[Ints], Probe]:
    return lambda some: fit_at(features[some], labels[some], n_classes, c=0.01)


def test_the_probe_is_fitted_on_a_quarter_half_and_all_and_judged_on_the_held_out_images() -> None:
    features, labels = clouds(400, 20, 4, apart=0.5)
    held = (features[200:], labels[200:])
    probe = fit_at(features[:200], labels[:200], 4, c=0.01)
    refit = refitted(features, labels[:200], 4)
    sizes, answers = answers_by_size(labels[:200], held, probe, refit, seed=1)
    assert sizes == [50, 100, 200]
    np.testing.assert_array_equal(answers[-1], probe.predict(held[0]).argmax(axis=1) == held[1])
    assert 0.3 < answers[0].mean() < answers[-1].mean()
    points = curve_points(sizes, answers, seed=1)
    assert [point.images for point in points] == sizes
    assert points[0].gain is None
    assert points[2].gain is not None
    assert points[2].gain.value == pytest.approx(answers[2].mean() - answers[1].mean())


def test_shares_with_fewer_than_two_images_a_class_are_left_out() -> None:
    features, labels = clouds(60, 8, 6)
    held = (features[20:], labels[20:])
    for n, wanted in ((24, [12, 24]), (20, [20])):
        probe = fit_at(features[:n], labels[:n], 6, c=0.01)
        sizes, answers = answers_by_size(labels[:n], held, probe, refitted(features, labels[:n], 6), seed=1)
        assert sizes == wanted
        assert (more_data(sizes, answers, seed=1) == "") == (n == 20)


def test_a_last_doubling_that_gained_beyond_noise_is_carried_on_by_a_power_law() -> None:
    text = more_data([250, 500, 1000], [right(0.6), right(0.8), right(0.9)], seed=1)
    assert text.startswith("from 500 to 1,000 training images the probe gained +10.0 points (95 % interval ")
    # The error halves at each doubling: .4, .2, .1, and next .05.
    assert text.endswith(": more images should help, twice as many by about 5.0 points, if it goes on so")


def test_a_last_doubling_within_noise_after_one_that_gained_says_may() -> None:
    mixed = np.roll(right(0.805), 100)  # others are right now, about as many
    text = more_data([250, 500, 1000], [right(0.6), right(0.8), mixed], seed=1)
    assert "which is within noise, and from 250 on +20.5 points" in text
    assert "more images may help" in text


def test_a_flat_curve_seen_by_many_images_says_little_and_one_seen_by_few_that_they_are_too_few() -> None:
    assert more_data([250, 500, 1000], [right(0.9)] * 3, seed=1).endswith(": more images like these would help little")
    few = [np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 1, 0], bool)]
    assert "5 validation images are too few to say" in more_data([10, 20], few, seed=1)


def test_a_probe_that_is_right_throughout_leaves_nothing_to_gain() -> None:
    assert "right throughout" in more_data([10, 20], [right(0.5, 40), right(1.0, 40)], seed=1)


def test_a_class_that_was_missing_from_the_smaller_share_and_a_worse_whole_are_endured() -> None:
    assert more_data([10, 20, 40], [right(1.0), right(0.9), right(0.8)], seed=1).endswith("would help little")


def test_a_dozen_images_that_are_answered_alike_do_not_show_that_more_would_help_little() -> None:
    told = more_data([10, 20, 40], [right(0.5, 12)] * 3, seed=1)
    assert told.endswith("12 validation images are too few to say whether more training images would help")
