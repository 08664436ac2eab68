"""Which files below a dataset's folder are images by their names, and why others are passed over; none is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from automl.data.reading import part_of
from automl.errors import DataError

SUFFIXES: Final = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff")
)
JUNK: Final = frozenset(("thumbs.db", "desktop.ini", "__macosx"))

OWN: Final = "folder of runs or bundles"
MAX_DEPTH: Final = 64  # folders on the way to a file; deeper is an attack, or a mistake
NOT_UTF8: Final = "name that is not UTF-8"
OUTWARD: Final = "link that leaves the dataset"
NO_FILE_LINK: Final = "link to a folder, or to nothing"
NO_FILE: Final = "not a regular file"
HIDDEN: Final = "hidden"
TEXTS: Final = ("txt", "md", "rst", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "html", "log", "py", "ipynb")
"""Suffixes of files that lie beside images everywhere; nobody is surprised that they are no images."""
KINDS_TOLD: Final = 8
OURS: Final = (frozenset(("run.json", "events.jsonl")), frozenset(("bundle.json", "model.onnx")))
"""Files that together tell a folder to be a run, or a bundle."""


def is_odd(reason: str) -> bool:
    """Whether the owner of a dataset may not know that entries were passed over for this reason."""
    return reason != HIDDEN and reason.casefold() not in JUNK and reason.removeprefix("suffix .") not in TEXTS


def told(ignored: Mapping[str, int]) -> str:
    """What was passed over, in words, most first; names like frame.0001 can make thousands of suffixes."""
    rows = sorted(ignored.items(), key=lambda row: (-row[1], row[0]))
    rest = sum(count for _, count in rows[KINDS_TOLD:])
    more = [f"{rest} of {len(rows) - KINDS_TOLD} more kinds"] if rest else []
    return ", ".join([*(f"{count} x {reason}" for reason, count in rows[:KINDS_TOLD]), *more])


def images_below(
    root: Path, own: Collection[Path], ignored: Counter[str], starts: Sequence[str] = ("",)
) -> Iterable[tuple[str, os.stat_result]]:
    """Path relative to the root, and facts, of every file that is an image by its name.

    Args:
        own: folders, resolved, that are passed over.
        ignored: what is passed over is counted here, by its reason.
        starts: folders below the root, none of them in another, that are looked into; "": the root itself.
    Raises: DataError: a folder may not be listed, or the disk fails.
    """
    folders = list(starts)
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as scanned:
                entries = list(scanned)
            names = {entry.name for entry in entries}
            if folder and (root / folder in own or any(marks <= names for marks in OURS)):
                ignored[OWN] += 1
                continue
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                reason = _why_skipped(entry, root)
                if not reason and entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif reason := reason or _why_no_image(entry):
                    ignored[reason] += 1
                else:
                    yield path, entry.stat()
        except OSError as error:
            raise DataError(
                f"{root / folder} cannot be listed: {error.strerror}. Wanted: a dataset that this user may read, on a "
                "disk that answers. Change the folder's permissions, look after the disk, or move the folder out of "
                "the dataset."
            ) from error


def tables_in(root: Path, suffixes: Collection[str]) -> tuple[str, ...]:
    """Files with these suffixes at the top of a folder and in the parts' folders there, relative to it, sorted.

    Left out are hidden ones, those that are no regular files, and links that leave the folder.
    Raises: DataError: a folder may not be listed.
    """
    found = []
    try:
        with os.scandir(root) as scanned:
            top = [entry for entry in scanned if not _why_skipped(entry, root)]
        for entry in top:
            if part_of(entry.name) and entry.is_dir(follow_symlinks=False):
                with os.scandir(entry.path) as scanned:
                    inner = [item for item in scanned if not _why_skipped(item, root)]
                    found += [f"{entry.name}/{item.name}" for item in inner if _is_table(item, suffixes)]
            elif _is_table(entry, suffixes):
                found.append(entry.name)
    except OSError as error:
        raise DataError(
            f"{root} cannot be listed: {error.strerror}. Wanted: a folder that this user may read."
        ) from error
    return tuple(sorted(found))


def _is_table(entry: os.DirEntry[str], suffixes: Collection[str]) -> bool:
    """entry.is_file() raises on a loop of links; Path's does not."""
    return Path(entry.name).suffix.lower() in suffixes and Path(entry.path).is_file()


def _why_skipped(entry: os.DirEntry[str], root: Path) -> str:
    """Why neither a folder nor a file of this name is looked at; "" for the others."""
    if entry.name.startswith("."):
        return HIDDEN
    if entry.name.casefold() in JUNK:
        return entry.name
    if any("\udc80" <= character <= "\udcff" for character in entry.name):  # how Python marks bytes it cannot decode
        return NOT_UTF8
    # realpath: Path.resolve raises on a link that leads back to itself.
    if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
        return OUTWARD
    return ""


def _why_no_image(entry: os.DirEntry[str]) -> str:
    """Why an entry that is no folder cannot be an image; "" for candidates."""
    if entry.is_symlink() and not Path(entry.path).is_file():  # entry.is_file() raises on a loop of links
        return NO_FILE_LINK  # followed, it could come back to where it starts
    stem, dot, suffix = entry.name.rpartition(".")
    if not (stem and dot):
        return "no suffix"
    if f".{suffix.lower()}" not in SUFFIXES:
        return f"suffix .{suffix.lower()}"
    return "" if entry.is_file() else NO_FILE
