"""State is written whole or not at all: a temporary file beside it, sync, rename, sync of the folder."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

TEMPORARY: Final = ".tmp-"  # how every temporary name begins, so that left-overs can be told and removed


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file by these bytes, durably."""
    write_with(path, lambda file: file.write(data))


def write_text(path: Path, text: str) -> None:
    """Replace the file by this text (UTF-8), durably."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Replace the file by this value as indented JSON, durably. NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace the file by what `write` puts into an open binary file, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with named_in_errors(path), temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Have the disk hold what the file holds (for files that a library wrote)."""
    with named_in_errors(path), path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the disk hold the folder's names."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with named_in_errors(folder):
            os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def named_in_errors(path: Path) -> Iterator[None]:
    """A write that fails does not say to which file, or names a temporary one: have its OSError say so."""
    try:
        yield
    except OSError as error:
        if error.filename is None or TEMPORARY in str(error.filename):
            error.filename = str(path)
        raise
