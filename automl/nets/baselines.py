"""What a model must beat to be worth its size: the commonest class, colours alone, and frozen features. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.types import Against, BaselineName, PixelRows

MEANING: Final[dict[BaselineName, str]] = {
    "majority class": "it may know no more than which class is the commonest",
    "colour thumbnail": "colours and coarse shapes alone may say as much",
    "kNN on features": "the nearest training images may say as much",
    "linear probe": "what training added to it cannot be told from chance",
}
"""Of the plainest baseline that the model does not beat."""
THUMBNAIL_PX: Final = 8
BINS: Final = 8  # of the histogram of each channel
CHUNK: Final = 64  # images looked at together


def colours(pixels: PixelRows, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The picture at 8 x 8 px, and how often each eighth of each channel's range occurs in it.

    Args:
        pixels: uint8 (n, size, size, 3), size >= 8; read a few rows at a time.
    Returns: float32 (m, 8 * 8 * 3 + 3 * 8): means 0..1, then shares of the pixels 0..1.
    """
    starts = range(0, len(rows), CHUNK)
    return np.concatenate([_colours_of(pixels[rows[start : start + CHUNK]]) for start in starts])


def _colours_of(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    m, size = images.shape[:2]
    edges = np.arange(THUMBNAIL_PX) * size // THUMBNAIL_PX
    tall = np.diff(np.append(edges, size)).astype(np.float32)
    sums = np.add.reduceat(np.add.reduceat(images, edges, axis=1, dtype=np.uint32), edges, axis=2, dtype=np.uint32)
    means = sums / (255 * tall[:, None, None] * tall[None, :, None])
    # One bin a channel and eighth of each image, counted all at once.
    bins = (images >> 5).reshape(m, -1, 3).astype(np.int32) + np.arange(3, dtype=np.int32) * BINS
    bins += np.arange(m, dtype=np.int32)[:, None, None] * (3 * BINS)
    counts = np.bincount(bins.ravel(), minlength=m * 3 * BINS).reshape(m, -1)
    return np.concatenate([means.reshape(m, -1), counts / size**2], axis=1, dtype=np.float32, casting="same_kind")


def unbeaten(against: Sequence[Against], n: int, chosen: str) -> str:
    """In words, which baselines the model does not beat by more than the paired interval; "": it beats them all.

    Args:
        against: those that are not the model itself, the plainest first. n: test images. chosen: the model's name.
    """
    left = [one for one in against if one.gain.low <= 0]
    if not left:
        return ""
    told = ", ".join(
        f"{one.baseline} ({100 * one.gain.value:+.1f} points, 95 % interval {100 * one.gain.low:+.1f} to "
        f"{100 * one.gain.high:+.1f})"
        for one in left
    )
    worse = [one.baseline for one in left if one.gain.high < 0]
    meaning = f"it is worse than {' and '.join(worse)}" if worse else MEANING[left[0].baseline]
    return f"on {n:,} test images {chosen} is not better beyond noise than {told}: {meaning}"
