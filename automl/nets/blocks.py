"""Features of many images on the disk, block by block: a pass that is cut goes on after its last whole block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from typing import IO

import keras
import numpy as np
from numpy.typing import NDArray

from automl.nets.features import extract_features
from automl.nets.rounds import BLOCK
from automl.nets.views import See, as_they_are
from automl.runs.atomic import write_with
from automl.types import PixelRows

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Progress = Callable[[int, int], object]


def n_written(folder: Path, stem: str, n: int) -> int:
    """How many of the first n images of a pass lie in whole blocks; blocks are written in order."""
    for at in range(ceil(n / BLOCK)):
        if not block_path(folder, stem, at, n).exists():
            return at * BLOCK
    return n


def write_blocks(
    folder: Path,
    stem: str,
    extractor: keras.Model,
    pixels: PixelRows,
    rows: Ints,
    *,
    batch_size: int,
    see: See = as_they_are,
    progress: Progress = lambda done, total: None,
) -> None:
    """Write the missing blocks of the features of these rows, in their order.

    Args:
        extractor: image to features, see build.build_extractor.
        pixels: uint8 (n, size, size, 3). rows: into them, int64 (m,).
        see: what is shown of them, see views.py.
        progress: told (images done, all) after each batch.
    Writes: STEM-START-STOP.npz: features float32 (512 or fewer, d), seconds of the passes alone.
    """
    for start in range(n_written(folder, stem, len(rows)), len(rows), BLOCK):
        found = extract_features(
            extractor,
            pixels,
            rows=rows[start : start + BLOCK],
            batch_size=batch_size,
            see=see,
            progress=lambda done, _, start=start: progress(start + done, len(rows)),  # type: ignore[misc]  # a default
        )
        block = partial(np.savez, features=found.features, seconds=found.seconds)
        write_with(block_path(folder, stem, start // BLOCK, len(rows)), block)


def read_blocks(folder: Path, stem: str, n: int) -> tuple[Floats, float]:
    """Features of the n images of a pass, float32 (n, d), and the seconds that they took."""
    parts, seconds = [], 0.0
    for at in range(ceil(n / BLOCK)):
        with np.load(block_path(folder, stem, at, n), allow_pickle=False) as block:
            parts.append(block["features"])
            seconds += float(block["seconds"])
    return np.concatenate(parts), seconds


def join_blocks(target: Path, passes: Sequence[tuple[Path, str, Ints]]) -> None:
    """Write the features of all images as one .npy file by row, float32 (n, d), holding no more than a block of them.

    Args: passes: folder, stem and rows of each; together they have every row from 0 on once.
    """
    n = sum(len(rows) for _, _, rows in passes)

    def write(file: IO[bytes]) -> None:
        begun = 0
        for folder, stem, rows in passes:
            for at in range(ceil(len(rows) / BLOCK)):
                with np.load(block_path(folder, stem, at, len(rows)), allow_pickle=False) as block:
                    features = block["features"].astype("<f4")
                if not begun:
                    facts = {"descr": "<f4", "fortran_order": False, "shape": (n, features.shape[1])}
                    np.lib.format.write_array_header_1_0(file, facts)
                    begun = file.tell()
                for row, values in zip(rows[at * BLOCK : (at + 1) * BLOCK], features, strict=True):
                    file.seek(begun + int(row) * values.nbytes)
                    file.write(values.tobytes())

    write_with(target, write)


def block_path(folder: Path, stem: str, at: int, n: int) -> Path:
    """The file of the images from at * BLOCK on, of a pass over n: its name says which images it holds."""
    return folder / f"{stem}-{at * BLOCK}-{min((at + 1) * BLOCK, n)}.npz"
