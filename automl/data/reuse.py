"""What an earlier check of the same run has decoded already: files that have not changed since are taken over from it.

A file is the same by its path, size and time, as everywhere in a run; the pixels, facts and looks taken over are those
that decoding it again would give, for the earlier scan must have been made by the same version of the stage and of
Pillow, for the same sizes. Of a finished check every file is compared with its checksum first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.bundle.resize import Header
from automl.data.looks import LOOKS, RAW_NAME
from automl.data.scan import Decoded
from automl.data.scan_journal import JOURNAL, Scan, read_journal
from automl.data.store import RawPixels, RawWriter, StoreFacts, rows_per_shard, shards, store_name, whole_rows
from automl.types import Finding, Image, ListedFile

SAME: Final = ("version", "sizes_px", "max_megapixels")  # of a scan's inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """One image of the earlier scan."""

    image: Image
    mtime_ns: int
    turned: bool
    transparent: bool
    animated: bool


class Earlier:
    """The images of an earlier scan, by path."""

    def __init__(self, scan: Scan, stores: tuple[RawPixels, ...], looks: NDArray[np.void]) -> None:
        """Args: stores: of each size; none where nothing is to be packed. looks: LOOKS; its length is that of all."""
        turned, transparent, animated = (frozenset(paths) for paths in (scan.turned, scan.transparent, scan.animated))
        self._stores, self._looks = stores, looks
        self._kept = {
            image.path: _Kept(
                image=image,
                mtime_ns=mtime_ns,
                turned=image.path in turned,
                transparent=image.path in transparent,
                animated=image.path in animated,
            )
            for image, mtime_ns in zip(scan.images, scan.mtimes_ns, strict=True)
            if image.row < len(looks)
        }

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, file: ListedFile) -> Decoded | None:
        """What decoding the file would give; None: it is new, or has changed. Safe from several threads."""
        kept = self._kept.get(file.path)
        if kept is None or (kept.image.size_bytes, kept.mtime_ns) != (file.size_bytes, file.mtime_ns):
            return None
        image = kept.image
        header = Header(image.width_px, image.height_px, image.mode, image.format, kept.turned, kept.transparent)
        return Decoded(
            sha256=image.sha256,
            header=header,
            animated=kept.animated,
            pixels=tuple(store[image.row] for store in self._stores),
            looks=self._looks[image.row],
            reused=True,
        )


def open_earlier(
    folder: Path, inputs: Mapping[str, object], packed: Sequence[int], checksums: Mapping[str, str] | None
) -> Earlier | None:
    """The scan in a folder of check, finished or killed; None: nothing of it can be taken over.

    Args:
        inputs: of the scan that is to come, see `scan.inputs_of`.
        packed: edges of the raw maps that are to come; none: nothing will be packed.
        checksums: sha256 by file, relative to the folder, where the check was finished; a file that differs is of no
            use, nor what comes after it. None: it was not, and its journal vouches for what was committed.
    """
    if not _is_whole(folder, JOURNAL, checksums):
        return None
    head, scan = read_journal(folder / JOURNAL)
    if scan is None or any(head.get(name) != inputs[name] for name in SAME):
        return None
    store = head.get("store")
    had = isinstance(store, dict) and store.get("kind") == "raw"
    if (packed and not had) or not _is_whole(folder, RAW_NAME, checksums):
        return None
    n = min([len(scan.images), (folder / RAW_NAME).stat().st_size // LOOKS.itemsize]
            + [_rows_to_trust(folder, size, checksums) for size in packed])  # fmt: skip
    if n == 0:
        return None
    for size in packed:  # a kill may have left half a row behind the committed ones
        RawWriter(folder / store_name(size), size, n).close()
    stores = tuple(
        RawPixels(
            folder / store_name(size),
            StoreFacts(kind="raw", n_images=n, size_px=size, rows_per_shard=rows_per_shard(size)),
        )
        for size in packed
    )
    return Earlier(scan, stores, np.fromfile(folder / RAW_NAME, LOOKS, n))


def finding_of_reuse(n_reused: int, n_files: int) -> Finding | None:
    """What is said of it; None: nothing was taken over."""
    if not n_reused:
        return None
    return Finding(
        kind="images taken over",
        severity="note",
        text=f"{n_reused} of {n_files} files are unchanged since this run checked them before, and were taken over; "
        f"{n_files - n_reused} were decoded.",
        count=n_reused,
    )


def _rows_to_trust(folder: Path, size_px: int, checksums: Mapping[str, str] | None) -> int:
    """Rows of the store up to the first shard that is missing, short, or other than its checksum."""
    store = folder / store_name(size_px)
    for number, path in enumerate(shards(store)):
        if not _is_whole(folder, path.relative_to(folder).as_posix(), checksums):
            return number * rows_per_shard(size_px)
    return whole_rows(store, size_px)


def _is_whole(folder: Path, name: str, checksums: Mapping[str, str] | None) -> bool:
    """Whether a file is there, and as its check left it."""
    path = folder / name
    if not path.is_file():
        return False
    if checksums is None:
        return True
    with path.open("rb") as file:
        return checksums.get(name) == hashlib.file_digest(file, "sha256").hexdigest()
