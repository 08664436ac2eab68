"""Packed pictures by row: one way to read them, wherever they lie (docs/design.md, decision 4).

check/pixels-SIZE/ is the store of one input size. Its store.json says of which kind it is: "raw", uint8 maps in shards
00000.u8, 00001.u8 ... of whole rows without a header; or "files", nothing of its own: each picture is decoded from the
dataset's file whenever it is read, with check's own resize. Both give the same pixels, so that who reads need not know.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from automl.bundle.resize import ImageFault, load_pixels
from automl.data.images import read_images
from automl.errors import AutomlError, StageFailed
from automl.runs.atomic import sync_folder, write_json
from automl.types import PixelRows

Pixels = NDArray[np.uint8]
Kind = Literal["raw", "files"]

SHARD_BYTES: Final = 256 * 2**20  # of one raw map's file, at most; a row is never cut
MAX_THREADS: Final = 16  # that decode; each may hold one picture of check.max_megapixels
NAME: Final = "store.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """store.json: written last, once all rows are there."""

    kind: Kind
    n_images: int
    size_px: int
    rows_per_shard: int = 0  # raw
    root: str = ""  # files: the folder that the images' paths begin at
    max_megapixels: float = 0.0  # files


_FACTS: Final = TypeAdapter(StoreFacts)


def store_name(size_px: int) -> str:
    """The folder of the store of one size, in check's."""
    return f"pixels-{size_px}"


def rows_per_shard(size_px: int) -> int:
    """How many pictures a raw map's file holds."""
    return max(1, SHARD_BYTES // (3 * size_px * size_px))


def write_facts(folder: Path, facts: StoreFacts) -> None:
    """Write store.json, durably."""
    write_json(folder / NAME, asdict(facts))


def open_pixels(folder: Path) -> RawPixels | FilePixels:
    """The store in check/pixels-SIZE, read-only.

    Raises: StageFailed: a file of it is not there, or not as check left it.
    """
    try:
        facts = _FACTS.validate_json((folder / NAME).read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(folder / NAME, "is missing or cannot be understood") from error
    if facts.kind == "raw":
        return RawPixels(folder, facts)
    images = read_images(folder.parent / "images.csv")
    if len(images) != facts.n_images:
        raise _damaged(folder.parent / "images.csv", f"has {len(images)} images, and {facts.n_images} were packed")
    return FilePixels(
        Path(facts.root), [(image.path, image.sha256) for image in images], facts.size_px, facts.max_megapixels
    )


class RawPixels:
    """Rows of memory-mapped shards."""

    def __init__(self, folder: Path, facts: StoreFacts) -> None:
        """Raises: StageFailed: a shard is missing, or is not as long as its rows."""
        size, per_shard = facts.size_px, facts.rows_per_shard
        self.shape = (facts.n_images, size, size, 3)
        self.nbytes = facts.n_images * size * size * 3  # on the disk
        self._per_shard = per_shard
        self._shards = []
        for number, first in enumerate(range(0, facts.n_images, per_shard)):
            path, rows = shard(folder, number), min(per_shard, facts.n_images - first)
            wanted, found = rows * size * size * 3, path.stat().st_size if path.exists() else None
            if found != wanted:
                state = "is missing" if found is None else f"has {found} bytes"
                raise _damaged(path, f"{state}, and {rows} images of {size} x {size} take {wanted}")
            self._shards.append(np.memmap(path, dtype=np.uint8, mode="r", shape=(rows, size, size, 3)))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Pixels:
        """uint8 (n, size, size, 3) of n rows, a copy; (size, size, 3) of a single one. Raises: IndexError."""
        wanted = _as_rows(rows, len(self))
        if wanted.ndim == 0:
            return np.asarray(self._shards[int(wanted) // self._per_shard][int(wanted) % self._per_shard])
        if len(self._shards) == 1:
            return np.asarray(self._shards[0][wanted])
        out = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        owners, places = np.divmod(wanted, self._per_shard)
        for owner in np.unique(owners):
            own = owners == owner
            out[own] = self._shards[owner][places[own]]
        return out


class FilePixels:
    """Pictures that are decoded from the dataset's files, in threads, each time they are read."""

    nbytes = 0  # on the disk

    def __init__(self, root: Path, files: Sequence[tuple[str, str]], size_px: int, max_megapixels: float) -> None:
        """Args: files: path below the root and sha256 of the bytes, by row."""
        self.shape = (len(files), size_px, size_px, 3)
        self.fault: AutomlError | None = None
        self._root, self._files, self._max_megapixels = root, tuple(files), max_megapixels

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Pixels:
        """As RawPixels. Raises: IndexError; StageFailed: a file is gone, or is not the one that check read."""
        wanted = _as_rows(rows, len(self))
        if wanted.ndim == 0:
            return self._read(int(wanted))
        out = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        for at, picture in enumerate(self._pool.map(self._read, wanted.tolist())):
            out[at] = picture
        return out

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Begun by the first reading, for a process that is forked has no threads of its parent's."""
        return ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), MAX_THREADS))

    def _read(self, row: int) -> Pixels:
        path, sha256 = self._files[row]
        try:
            data = (self._root / path).read_bytes()
            if hashlib.sha256(data).hexdigest() != sha256:
                raise self._other_file(path, "its bytes are others")
            return load_pixels(data, self.shape[1], self._max_megapixels)
        except OSError as error:
            raise self._other_file(path, error.strerror or str(error)) from error
        except ImageFault as error:
            raise self._other_file(path, str(error)) from error

    def _other_file(self, path: str, what: str) -> StageFailed:
        self.fault = StageFailed(
            f"{self._root / path} is no longer the file that check read: {what}. Wanted: the dataset as it was, "
            "for its pictures are decoded whenever they are needed (pack.store: files). Put the file back, "
            "or run again with --redo check."
        )
        return self.fault


@contextlib.contextmanager
def own_words(pixels: PixelRows) -> Iterator[None]:
    """Have the store's own fault come out of what reads it, for TensorFlow wraps what a feed raises in its own error.

    Use as a context, or round a function: `own_words(pixels)(fit)(...)`.
    """
    try:
        yield
    except Exception as error:  # TensorFlow, pruning or numpy: each wraps it in a class of its own
        if isinstance(fault := getattr(pixels, "fault", None), AutomlError):
            raise fault from error
        raise


class RawWriter:
    """Appends pictures to the shards of one size.

    Plain writes, not a mapping: a full disk is then an error of the write, and not a signal that ends the process.
    """

    def __init__(self, folder: Path, size_px: int, n_rows: int) -> None:
        """Cut what was written after the first `n_rows` pictures, at least so many of which are there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._n_rows, self._per_shard = folder, n_rows, rows_per_shard(size_px)
        self._file: Any = None
        row_bytes = 3 * size_px * size_px
        for number, path in enumerate(shards(folder)):
            rows = min(max(0, n_rows - number * self._per_shard), self._per_shard)
            if rows:
                os.truncate(path, rows * row_bytes)
            else:
                path.unlink()

    def write(self, pixels: Pixels) -> None:
        """Append one picture, uint8 (size, size, 3)."""
        if self._n_rows % self._per_shard == 0:
            self.close()
        if self._file is None:
            self._file = shard(self._folder, self._n_rows // self._per_shard).open("ab")
            sync_folder(self._folder)
        self._file.write(pixels.tobytes())
        self._n_rows += 1

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync, and close the shard; the next picture opens one."""
        try:
            self.sync()
        finally:
            if self._file is not None:
                self._file.close()
            self._file = None


def whole_rows(folder: Path, size_px: int) -> int:
    """How many pictures the raw shards hold from the first one on."""
    row_bytes, per_shard, n = 3 * size_px * size_px, rows_per_shard(size_px), 0
    for path in shards(folder):
        rows = path.stat().st_size // row_bytes
        n += min(rows, per_shard)
        if rows < per_shard:
            break
    return n


def shard(folder: Path, number: int) -> Path:
    """The file of one shard."""
    return folder / f"{number:05}.u8"


def shards(folder: Path) -> list[Path]:
    """The files of the shards that are there, without a gap, in order."""
    found: list[Path] = []
    while (path := shard(folder, len(found))).exists():
        found.append(path)
    return found


def _as_rows(rows: Any, n: int) -> NDArray[np.int64]:
    """Rows as int64, 0 or 1 dimensions. Raises: IndexError: one is none of the store's."""
    wanted = np.arange(n)[rows] if isinstance(rows, slice) else np.asarray(rows, dtype=np.int64)
    if wanted.ndim > 1 or (wanted.size and not (int(wanted.min()) >= 0 and int(wanted.max()) < n)):
        raise IndexError(f"rows {wanted.min()} to {wanted.max()} of a store of {n} pictures")
    return wanted


def _damaged(path: Path, state: str) -> StageFailed:
    return StageFailed(f"{path} {state}. It was removed or damaged: run again with --redo check.")
