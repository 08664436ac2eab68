"""Augmentation: what it leaves alone, what it may do to a picture, and that only the seed decides."""

from __future__ import annotations

from math import cos, radians, sin
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from automl.training import augment as module
from automl.training.augment import Ranges, augment

seeds = st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
STILL = Ranges(shift=0.0, zoom_in=0.0, zoom_out=0.0, turn=0.0, brightness=0.0, contrast=0.0)


def photos(n: int = 6, size_px: int = 24) -> NDArray[np.uint8]:
    """Smooth pictures, so that resampling them is nearly exact; no two alike, none symmetric."""
    y, x = np.mgrid[:size_px, :size_px] / size_px
    pictures = [128 + 100 * np.sin(3 * x + 2 * y + number + np.arange(3)[:, None, None]) for number in range(n)]
    return np.stack(pictures).transpose(0, 2, 3, 1).astype(np.uint8)


def varied(pixels: NDArray[np.uint8], seed: tuple[int, int] = (1, 2), **how: Any) -> NDArray[np.float32]:
    return augment(pixels, tf.constant(seed, tf.int32), **{"strength": 1.0, "flip": True, **how}).numpy()


@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_strength_zero_without_flip_changes_nothing(seed):
    pixels = photos()
    np.testing.assert_array_equal(varied(pixels, seed, strength=0.0, flip=False), pixels.astype(np.float32))


@settings(deadline=None, max_examples=20)
@given(seed=seeds, strength=st.floats(0, 1), flip=st.booleans())
def test_pixels_keep_their_shape_and_range(seed, strength, flip):
    out = varied(photos(), seed, strength=strength, flip=flip)
    assert out.shape == (6, 24, 24, 3)
    assert out.dtype == np.float32
    assert 0 <= out.min() <= out.max() <= 255


@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_only_the_seed_decides(seed):
    pixels = photos()
    np.testing.assert_array_equal(varied(pixels, seed), varied(pixels, seed))
    assert not np.array_equal(varied(pixels, seed), varied(pixels, (seed[0] ^ 1, seed[1])))


def test_flip_alone_mirrors_about_half_of_the_images_exactly():
    pixels = photos(200, 8)
    out = varied(pixels, strength=0.0)
    same = (out == pixels).all(axis=(1, 2, 3))
    mirrored = (out == pixels[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_images_of_a_batch_are_varied_each_in_its_own_way():
    one = np.repeat(photos(1), 8, axis=0)
    out = varied(one)
    assert len({image.tobytes() for image in out}) == 8


def test_a_stronger_setting_moves_pictures_further():
    pixels = photos(64)
    away = [np.abs(varied(pixels, strength=strength, flip=False) - pixels).mean() for strength in (0.1, 0.3, 0.6, 1.0)]
    assert away == sorted(away)
    assert away[0] > 0


@pytest.mark.parametrize(
    ("zoom", "degrees", "shift_x", "shift_y", "side"),
    [(1.0, 0.0, 3.0, -2.0, 1.0), (0.7, 0.0, 0.0, 0.0, 1.0), (1.0, 15.0, 0.0, 0.0, 1.0), (0.8, -10.0, 1.5, 2.0, -1.0)],
    ids=["shift", "zoom", "turn", "all with mirror"],
)
def test_the_transform_shows_the_point_that_the_docstring_names(zoom, degrees, shift_x, shift_y, side):
    size_px, turn = 32, radians(degrees)
    y, x = np.mgrid[:size_px, :size_px].astype(np.float32)
    image = np.stack([x, y, np.zeros_like(x)], axis=-1)[None]  # red says the column, green the row
    numbers = (np.full(1, value, np.float32) for value in (zoom, turn, shift_x, shift_y, side))
    out = module._move(tf.constant(image), *numbers).numpy()[0]
    centre = (size_px - 1) / 2
    dx, dy = x - centre, y - centre
    column = centre + side * zoom * (cos(turn) * dx - sin(turn) * dy) + shift_x
    row = centre + zoom * (sin(turn) * dx + cos(turn) * dy) + shift_y
    inside = (column >= 0) & (column <= size_px - 1) & (row >= 0) & (row <= size_px - 1)
    assert inside.mean() > 0.7
    np.testing.assert_allclose(out[inside][:, 0], column[inside], atol=1e-3)
    np.testing.assert_allclose(out[inside][:, 1], row[inside], atol=1e-3)


def test_light_changes_keep_the_picture_in_its_place(monkeypatch):
    monkeypatch.setattr(module, "FULL", Ranges(**{**_fields(STILL), "brightness": 20.0, "contrast": 0.2}))
    pixels = photos()
    for before, after in zip(pixels, varied(pixels, flip=False), strict=True):
        inside = (after > 0) & (after < 255)
        slope, offset = np.polyfit(before[inside].astype(float), after[inside], 1)
        assert 0.8 <= slope <= 1.2
        np.testing.assert_allclose(after[inside], slope * before[inside] + offset, atol=0.01)


def _fields(ranges: Ranges) -> dict[str, float]:
    return {name: getattr(ranges, name) for name in ranges.__slots__}
