"""What the plainest classifier sees of a picture, and how a model that does not beat it is told."""

from __future__ import annotations

import numpy as np
import pytest

from automl.nets.baselines import colours, unbeaten
from automl.types import Against, BaselineName, Interval


@pytest.mark.parametrize("size_px", [8, 16, 27, 160])
def test_colours_are_the_means_of_the_fields_and_the_shares_of_the_channels_eighths(size_px: int) -> None:
    pixels = np.random.default_rng(size_px).integers(0, 256, (70, size_px, size_px, 3), dtype=np.uint8)
    rows = np.array([69, 0, 33])
    found = colours(pixels, rows)
    assert found.shape == (3, 8 * 8 * 3 + 3 * 8)
    edges = [step * size_px // 8 for step in range(9)]
    field = pixels[33, edges[2] : edges[3], edges[7] : edges[8]].mean(axis=(0, 1)) / 255
    np.testing.assert_allclose(found[2, :192].reshape(8, 8, 3)[2, 7], field, rtol=1e-5)
    wanted = [np.histogram(pixels[33, :, :, channel], bins=8, range=(0, 256))[0] for channel in range(3)]
    np.testing.assert_allclose(found[2, 192:], np.concatenate(wanted) / size_px**2, rtol=1e-5)


def test_each_row_is_seen_alone_however_many_are_asked_for() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (150, 9, 9, 3), dtype=np.uint8)
    whole = colours(pixels, np.arange(150))
    np.testing.assert_array_equal(whole[77:78], colours(pixels, np.array([77])))


def against(name: BaselineName, low: float, high: float) -> Against:
    one = Interval(value=0.5, low=0.4, high=0.6)
    return Against(baseline=name, accuracy=one, gain=Interval(value=(low + high) / 2, low=low, high=high))


def test_a_model_that_beats_every_baseline_is_not_remarked_on() -> None:
    assert unbeaten([against("majority class", 0.2, 0.4), against("kNN on features", 0.01, 0.09)], 105, "fp32") == ""


def test_within_the_interval_a_baseline_is_not_beaten_and_the_plainest_says_what_that_means() -> None:
    text = unbeaten([against("colour thumbnail", -0.01, 0.05), against("linear probe", -0.03, 0.03)], 1_105, "int8")
    assert text == (
        "on 1,105 test images int8 is not better beyond noise than colour thumbnail (+2.0 points, 95 % interval -1.0 "
        "to +5.0), linear probe (+0.0 points, 95 % interval -3.0 to +3.0): colours and coarse shapes alone may say "
        "as much"
    )


def test_a_model_that_is_worse_is_called_worse() -> None:
    assert unbeaten([against("kNN on features", -0.09, -0.01)], 105, "fp32").endswith(
        ": it is worse than kNN on features"
    )
