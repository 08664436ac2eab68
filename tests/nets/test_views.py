"""What a backbone is shown in an image's place."""

from __future__ import annotations

import numpy as np

from automl.nets.views import SIDES, as_they_are, cropped, mirrored


def ramp(n: int, size: int) -> np.ndarray:
    """Images whose red is the column and whose green is the row."""
    across = np.tile(np.arange(size), (size, 1))
    image = np.stack([across, across.T, np.zeros_like(across)], axis=2)
    return np.tile(image, (n, 1, 1, 1)).astype(np.uint8)


def test_a_crop_is_a_square_part_of_the_image_at_its_full_size() -> None:
    images, rows = ramp(20, 100), np.arange(20)
    crops = cropped(images, rows, number=0, seed=1)
    assert crops.shape == images.shape
    assert crops.dtype == np.uint8
    sides = []
    for crop in crops.astype(float):
        width, height = crop[50, -1, 0] - crop[50, 0, 0], crop[-1, 50, 1] - crop[0, 50, 1]
        assert abs(width - height) <= 2
        sides.append(width / 99)
    assert SIDES[0] - 0.03 < min(sides) < max(sides) < SIDES[1] + 0.03
    assert max(sides) - min(sides) > 0.05
    assert len({int(crop[50, 0, 0]) for crop in crops}) > 3  # they lie in many places


def test_a_crop_is_the_same_for_its_row_whatever_the_batch_and_another_by_number_and_seed() -> None:
    images, rows = ramp(4, 50), np.array([7, 3, 9, 5])
    whole = cropped(images, rows, number=0, seed=1)
    np.testing.assert_array_equal(whole[2:], cropped(images[2:], rows[2:], number=0, seed=1))
    assert (whole != cropped(images, rows, number=1, seed=1)).any()
    assert (whole != cropped(images, rows, number=0, seed=2)).any()


def test_mirrored_and_as_they_are() -> None:
    images, rows = ramp(2, 10), np.arange(2)
    np.testing.assert_array_equal(as_they_are(images, rows), images)
    np.testing.assert_array_equal(mirrored(images, rows)[0, 0, :, 0], np.arange(10)[::-1])
