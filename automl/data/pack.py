"""The arrays that training reads: which rows of the store each part has, their labels, and what they look like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from automl.data.images import Assigned
from automl.runs.atomic import write_with
from automl.types import Part, PixelRows

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]
Channels = tuple[float, float, float]

SHEET_CLASSES: Final = 12  # rows of the contact sheet at most
SHEET_IMAGES: Final = 8  # pictures in a row
SHEET_GAP_PX: Final = 4
CHUNK_BYTES: Final = 8 * 2**20  # of pixels, looked at together


def rows_and_labels(assigned: Sequence[Assigned], part: Part, classes: Sequence[str]) -> tuple[Indices, Indices]:
    """One part's rows in the store, ascending, and their labels: int64 (n,) each; a label is the place in `classes`."""
    index = {label: at for at, label in enumerate(classes)}
    pairs = sorted((image.row, index[image.label]) for image in assigned if image.part == part)
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def write_index(folder: Path, part: Part, rows: Indices, labels: Indices) -> None:
    """Write PART-rows.npy and PART-labels.npy, durably."""
    for name, values in (("rows", rows), ("labels", labels)):
        write_with(folder / f"{part}-{name}.npy", partial(np.save, arr=values))


def read_index(folder: Path, part: Part) -> tuple[Indices, Indices]:
    """What `write_index` wrote: rows and labels, int64 (n,) each."""
    rows, labels = (np.load(folder / f"{part}-{name}.npy", allow_pickle=False) for name in ("rows", "labels"))
    return rows, labels


def mean_and_std(pixels: PixelRows, rows: Indices) -> tuple[Channels, Channels]:
    """Mean and standard deviation of each channel, 0..255, over all pixels of these rows (at least one)."""
    sums, squares = np.zeros(3), np.zeros(3)
    step = max(1, CHUNK_BYTES // math.prod(pixels.shape[1:]))
    for start in range(0, len(rows), step):
        values = pixels[rows[start : start + step]]
        # Integers, so that the sums are exact and the same however the rows are chunked: 255 * 255 fits 16 bits,
        # and the squares of a chunk's at most 11,000 images (16 px) fit 32. Summed over images first: that is fast.
        sums += values.sum(axis=0, dtype=np.uint32).sum(axis=(0, 1), dtype=np.uint64)
        squares += np.square(values, dtype=np.uint16).sum(axis=0, dtype=np.uint32).sum(axis=(0, 1), dtype=np.uint64)
    n = len(rows) * pixels.shape[1] * pixels.shape[2]
    mean = sums / n
    std = np.sqrt(np.maximum(squares / n - mean**2, 0))
    return _channels(mean), _channels(std)


def contact_sheet(pixels: PixelRows, rows: Indices, labels: Indices, n_classes: int, seed: int) -> Pixels:
    """A few pictures of each class, a class a line, drawn by the seed; white where a class has fewer.

    Args:
        pixels: uint8 (n, s, s, 3).
        rows, labels: int64 (m,) of the part to show.
        n_classes: the first SHEET_CLASSES of them are shown, in the order of their labels.
    Returns: uint8 (height, width, 3): lines of SHEET_IMAGES pictures, s px each, SHEET_GAP_PX apart.
    """
    size = pixels.shape[1]
    lines = min(n_classes, SHEET_CLASSES)
    cell = size + SHEET_GAP_PX
    sheet = np.full((lines * cell - SHEET_GAP_PX, SHEET_IMAGES * cell - SHEET_GAP_PX, 3), 255, np.uint8)
    for line in range(lines):
        own = rows[labels == line]
        chosen = np.random.default_rng([seed, line]).permutation(own)[:SHEET_IMAGES]
        for column, picture in enumerate(pixels[chosen]):
            top, left = line * cell, column * cell
            sheet[top : top + size, left : left + size] = picture
    return sheet


def write_png(path: Path, pixels: Pixels) -> None:
    """Write uint8 (height, width, 3) as a PNG, durably."""
    write_with(path, lambda file: PillowImage.fromarray(pixels).save(file, format="PNG"))


def _channels(values: NDArray[np.float64]) -> Channels:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
