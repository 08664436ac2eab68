"""A dataset of a catalogue becomes a folder: its images as they are encoded, and a manifest. In a child, one by one.

Nothing that a dataset says of itself is trusted: no name of its own becomes a file's name, every size is bounded, and
no code of a dataset is run that did not come with the installed package.
"""

from __future__ import annotations

import csv
import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.code import load_entry
from automl.data.archives import ROOM_LEFT, made_whole
from automl.data.members import MAX_BYTES, MAX_MEMBER_BYTES, MAX_MEMBERS
from automl.data.named import FILES, STAMP, need_catalogue
from automl.data.reading import part_of
from automl.data.wording import some
from automl.errors import AutomlError, DataError, DiskFull
from automl.runs.atomic import write_json

Progress = Callable[[int, int], None]

IMAGES: Final = "images"  # the folder in FILES
MANIFEST: Final = "labels.csv"
PATH, LABEL, PART = "path", "label", "split"  # its columns; the dataset's other ones stand between
A_FOLDER: Final = 1000  # images in each
LOOK_EVERY: Final = 500  # images between two looks at the free disk
MAX_CELL: Final = 1000  # characters; what is longer is no label
MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"GIF8", ".gif"), (b"BM", ".bmp"),
    (b"II*\x00", ".tif"), (b"MM\x00*", ".tif"),
)  # fmt: skip
"""First bytes -> suffix; a RIFF file is a WEBP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One image of a dataset."""

    split: str  # as the dataset calls it
    encoded: bytes | None  # the file's bytes; None: it has none
    cells: Mapping[str, str]  # column -> text; "": nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A dataset of a catalogue, downloaded and ready to be read."""

    version: str  # in words: the catalogue's own full name
    columns: tuple[str, ...]  # of every example's cells
    label: str | None  # the one of them that the dataset itself calls its label; None: it says nothing
    splits: Mapping[str, int]  # -> how many examples, in the dataset's order
    size_bytes: int  # of the images about; 0: unknown
    examples: Callable[[str], Iterator[Example]]  # of a split


def export(dataset: Path, folder: Path, progress: Progress = lambda done, total: None) -> int:
    """Have a dataset's images and a manifest of them in a folder, whole or not at all.

    Args:
        dataset: a name, see named.py.
        folder: for this dataset alone; what it holds is replaced.
    Returns: how many images.
    Raises: UsageError: the package is missing; DataError: there is no such dataset, or none of images; DiskFull.
    """
    row = need_catalogue(dataset)
    try:
        opened = load_entry(row.examples)(str(dataset).removeprefix(f"{row.prefix}:"))
    except (AutomlError, MemoryError):
        raise
    except Exception as error:  # a library's own words for what may be anything: the network, the name, the data
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no room to download {dataset}: {error}. Wanted: more room there.") from error
        raise DataError(_unavailable(dataset, error)) from error
    assert isinstance(opened, Opened)
    parts = parts_of(opened.splits)
    _need_room(opened.size_bytes, folder)
    with made_whole(folder) as temporary:
        n, without = _write(dataset, opened, parts, temporary / FILES, progress)
        os.sync()  # once for all files, as of an archive
        told = [f"split {split!r}, {opened.splits[split]} example(s)" for split in opened.splits if split not in parts]
        told += [f"{without} example(s) without an image"] if without else []
        stamp = {"dataset": str(dataset), "version": opened.version, "files": n, "left_out": told}
        write_json(temporary / STAMP, stamp)
    return n


def parts_of(splits: Mapping[str, int]) -> dict[str, str]:
    """The splits that are exported, and what the manifest calls each: a part's word, or "" for no part.

    Beside train, a split of another name than a part's ("unsupervised", "extra") is left out. Where there is no
    train, such splits are what can be learned from.
    """
    known = {split: split for split in splits if part_of(split)}
    if any(part_of(split) == "train" for split in known):
        return known
    return {split: known.get(split, "") for split in splits}


def suffix_of(encoded: bytes) -> str:
    """By the first bytes, for names tell nothing here; of what is no image .jpg, so that check rejects it by name."""
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for magic, suffix in MAGIC if encoded.startswith(magic)), ".jpg")


def headings(columns: tuple[str, ...], label: str | None) -> dict[str, str]:
    """The dataset's columns that the manifest has, and what it calls them. Ours win over theirs of the same name."""
    kept = [column for column in columns if column.casefold() not in (PATH, PART)]
    free = LABEL not in kept
    return {column: LABEL if column == label and free else column for column in kept}


def _write(
    dataset: Path, opened: Opened, parts: Mapping[str, str], folder: Path, progress: Progress
) -> tuple[int, int]:
    """All images and the manifest. Returns: how many images, and how many examples had none."""
    names = headings(opened.columns, opened.label)
    total, n, without, written = sum(opened.splits[split] for split in parts), 0, 0, 0
    kinds: Counter[str] = Counter()
    try:
        with (folder / MANIFEST).open("x", encoding="utf-8", newline="") as table:
            writer = csv.writer(table)  # its own line end: see images.py
            writer.writerow([PATH, *names.values(), PART])
            for split, part in parts.items():
                for example in opened.examples(split):
                    if example.encoded is None:
                        without += 1
                        continue
                    n, written = n + 1, written + len(example.encoded)
                    _refuse_too_much(dataset, n, written, len(example.encoded))
                    suffix = suffix_of(example.encoded)
                    path = f"{IMAGES}/{(n - 1) // A_FOLDER:04}/{n - 1:07}{suffix}"
                    _write_image(folder / path, example.encoded)
                    kinds[suffix] += 1
                    writer.writerow([path, *(_cell(example.cells.get(column, "")) for column in names), part])
                    if n % LOOK_EVERY == 0:
                        _need_room(0, folder)
                    progress(n, max(total, n))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no room for the files of {dataset} in {folder}. Wanted: more room there.") from error
        if error.errno is None:  # of a library: its data are damaged
            raise DataError(_unavailable(dataset, error)) from error
        raise
    except AutomlError:
        raise
    except Exception as error:  # as in export: a damaged record, say
        raise DataError(_unavailable(dataset, error)) from error
    if not n:
        raise DataError(
            f"{dataset} has no example with an image in {some(parts) or 'its splits (there are none)'}. "
            "Wanted: a dataset of images. Check the name."
        )
    return n, without


def _write_image(path: Path, encoded: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(encoded)
    os.utime(path, (0, 0))  # another export of the same data has the same fingerprint


def _cell(text: str) -> str:
    return text[:MAX_CELL].replace("\0", " ")


def _refuse_too_much(dataset: Path, n: int, written: int, own: int) -> None:
    """Raises: DataError: a bound is passed; the same ones as an archive's."""
    for too_much, what in (
        (n > MAX_MEMBERS, f"more than {MAX_MEMBERS:,} images"),
        (own > MAX_MEMBER_BYTES, f"an image of {own / 1e6:,.0f} MB; at most {MAX_MEMBER_BYTES / 1e6:,.0f} are taken"),
        (written > MAX_BYTES, f"more than {MAX_BYTES / 1e9:,.0f} GB of images"),
    ):
        if too_much:
            raise DataError(f"{dataset} is refused: it has {what}. Wanted: a smaller dataset.")


def _need_room(size_bytes: int, folder: Path) -> None:
    """Raises: DiskFull: the disk under the folder cannot hold so much more."""
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if size_bytes + ROOM_LEFT > free:
        raise DiskFull(
            f"the dataset's images take about {size_bytes / 1e6:,.0f} MB, and the disk of {there} has "
            f"{free / 1e6:,.0f} MB free. Wanted: {ROOM_LEFT / 1e6:,.0f} MB more than they take. Make room, or choose "
            "another folder with --runs."
        )


def _unavailable(dataset: Path, error: Exception) -> str:
    words = next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:300].rstrip(".")
    return (
        f"{dataset} cannot be had: {type(error).__name__}{f': {words}' if words else ''}. Wanted: the name of a "
        "dataset that its package can download, or has already, without a question. Check the name and the network."
    )
