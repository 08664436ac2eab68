"""Which files below a dataset's folder are images by their names, and why others are passed over; none is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

from automl.data.passed import (
    BEGINNING_BYTES,
    NO_FILE,
    NO_FILE_LINK,
    NO_SUFFIX,
    NO_SUFFIX_IMAGE,
    NOT_UTF8,
    OUTWARD,
    OWN,
    PassedOver,
    begins_as_image,
    why_no_image,
    why_skipped,
)
from automl.data.reading import part_of
from automl.errors import DataError

SUFFIXES: Final = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff")
)
MAX_DEPTH: Final = 64  # folders on the way to a file; deeper is an attack, or a mistake
OURS: Final = (frozenset(("run.json", "events.jsonl")), frozenset(("bundle.json", "model.onnx")))
"""Files that together tell a folder to be a run, or a bundle."""


def images_below(
    root: Path, own: Collection[Path], passed_over: PassedOver, starts: Sequence[str] = ("",)
) -> Iterable[tuple[str, os.stat_result]]:
    """Path relative to the root, and facts, of every file that is an image by its name.

    Args:
        own: folders, resolved, that are passed over.
        passed_over: what else is there is gathered here, and every folder that is looked into.
        starts: folders below the root, none of them in another, that are looked into; "": the root itself.
    Raises: DataError: a folder may not be listed, or the disk fails.
    """
    folders = list(starts)
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)  # so that examples are the same ones
            names = {entry.name for entry in entries}
            if folder and (root / folder in own or any(marks <= names for marks in OURS)):
                passed_over.add(folder, OWN)
                continue
            passed_over.folders.setdefault(folder, Counter())
            inner = []
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                reason = _why_skipped(entry, root)
                if not reason and entry.is_dir(follow_symlinks=False):
                    inner.append(path)
                elif reason := reason or _why_no_image(entry):
                    passed_over.add(path, reason)
                else:
                    yield path, entry.stat()
            folders += reversed(inner)
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
    if reason := why_skipped(entry.name):
        return reason
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
    reason = why_no_image(entry.name, SUFFIXES)
    if reason == NO_SUFFIX and _begins_as_image(entry):
        return NO_SUFFIX_IMAGE
    return reason or ("" if entry.is_file() else NO_FILE)


def _begins_as_image(entry: os.DirEntry[str]) -> bool:
    """By its first bytes; what may not be read is none."""
    if not entry.is_file():  # to open a pipe would wait for its writer
        return False
    try:
        with Path(entry.path).open("rb") as file:
            return begins_as_image(file.read(BEGINNING_BYTES))
    except OSError:
        return False
