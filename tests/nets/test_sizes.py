"""Which of two packed sizes the backbones see."""

from __future__ import annotations

import numpy as np
import pytest

from automl.nets.catalogue import SMALLNET, backbone_named
from automl.nets.sizes import choose_size, sizes_of
from automl.types import Interval, SizeScore
from tests.nets.rankings import answers


def score(size_px: int, right: np.ndarray) -> tuple[SizeScore, np.ndarray]:
    value = float(right.mean())
    return SizeScore(size_px=size_px, backbone="mobilenetv3small", accuracy=Interval(value=value, low=0, high=1)), right


def test_a_larger_size_that_gains_less_than_a_point_for_sure_is_left() -> None:
    size, reason = choose_size(score(128, answers(3600, 4000)), score(160, answers(3602, 4000)), seed=1)
    assert size == 128
    assert reason.startswith("mobilenetv3small's probe gains +0.1 points at 160 px over 128 px (95 % interval")
    assert reason.endswith("less than a point for sure: the images are seen at 128 px")


def test_one_that_gains_more_is_taken() -> None:
    size, reason = choose_size(score(128, answers(3200, 4000)), score(160, answers(3300, 4000)), seed=1)
    assert size == 160
    assert reason.endswith("the images are seen at 160 px")


def test_too_few_images_to_tell_leave_it_at_the_larger_size() -> None:
    right = answers(80, 100)
    other = right.copy()
    other[[0, 90]] = ~other[[0, 90]]  # equal accuracies, and two images that differ
    size, reason = choose_size(score(128, right), score(160, other), seed=1)
    assert size == 160
    assert reason.endswith("which 100 images cannot tell from none: the images are seen at 160 px")
    size, _ = choose_size(score(128, answers(12, 16)), score(160, answers(12, 16)), seed=1)  # all of them alike
    assert size == 160


@pytest.mark.parametrize(
    ("name", "packed", "seen"),
    [
        ("mobilenetv2", (128, 160), (128, 160)),
        ("mobilenetv2", (32, 160), (160,)),
        ("mobilenetv2", (32,), (32,)),
        ("xception", (64, 160), (160,)),
        ("inceptionv3", (224,), (224,)),
    ],
)
def test_a_pretrained_backbone_sees_sizes_that_its_halvings_leave_something_of(
    name: str, packed: tuple[int, ...], seen: tuple[int, ...]
) -> None:
    assert sizes_of(backbone_named(name), packed) == seen


def test_the_small_net_sees_the_smallest_size() -> None:
    assert sizes_of(SMALLNET, (32, 160)) == (32,)
