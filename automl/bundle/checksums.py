"""SHA256SUMS of a folder, as `sha256sum --check` reads it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from automl.runs.atomic import write_text

NAME: Final = "SHA256SUMS"
DECIDE: Final = ("bundle.json", "labels.txt", "model.onnx")
"""The files that make up an answer, or say what it means; the others may be edited, or left out."""
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write_checksums(folder: Path) -> dict[str, str]:
    """Write SHA256SUMS over all files of a folder but itself, sorted by path.

    Returns: path relative to the folder -> sha256.
    Raises: ValueError: a name that such a file cannot hold as it is (a line break, a backslash).
    """
    found = checksums_of(folder)
    if odd := [path for path in found if set(path) & {"\n", "\r", "\\"}]:
        raise ValueError(f"{odd[0]!r} cannot be listed in {NAME}")
    write_text(folder / NAME, "".join(f"{digest}  {path}\n" for path, digest in found.items()))
    return found


def verify_checksums(folder: Path) -> list[str]:
    """What is wrong with a folder by its SHA256SUMS, in words; nothing, if it is whole.

    Named are files that are missing, changed, or not listed, and lines that are no checksum.
    """
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [f"{NAME} cannot be read: {error}"]
    lines = text.splitlines()
    faults = [
        f"{NAME} line {number} is no checksum" for number, line in enumerate(lines, 1) if not _LINE.fullmatch(line)
    ]
    wanted = listed_checksums(text)
    found = checksums_of(folder)
    faults += [f"{path} is missing" for path in sorted(wanted.keys() - found.keys())]
    faults += [f"{path} has changed" for path in sorted(wanted.keys() & found.keys()) if wanted[path] != found[path]]
    faults += [f"{path} is not listed" for path in sorted(found.keys() - wanted.keys())]
    return faults


def faults_by(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """How a published bundle differs from these checksums (relative path -> sha256), in words.

    Compared is what an answer depends on (DECIDE), and that SHA256SUMS says so: the rest is the user's to edit.
    """
    if not folder.is_dir():
        return [f"{folder} is missing"]
    faults = []
    for name in [name for name in DECIDE if name in wanted]:
        path = folder / name
        if not path.is_file():
            faults.append(f"{path} is missing")
        elif sha256_of(path) != wanted[name]:
            faults.append(f"{path} has changed")
    listed = listed_checksums(read_text(folder / NAME)) if (folder / NAME).is_file() else {}
    if any(listed.get(name) != wanted.get(name) for name in DECIDE):
        faults.append(f"{folder / NAME} is missing, or has changed")
    return faults


def read_text(sums: Path) -> str:
    """The text of SHA256SUMS; bytes that are no UTF-8 become signs that no path of ours has."""
    return sums.read_text(encoding="utf-8", errors="replace")


def listed_checksums(text: str) -> dict[str, str]:
    """sha256 by relative path, as the text of SHA256SUMS lists them; lines that are no checksum are passed over."""
    return {match[2]: match[1] for line in text.splitlines() if (match := _LINE.fullmatch(line))}


def checksums_of(folder: Path) -> dict[str, str]:
    """sha256 of each file below a folder but SHA256SUMS itself, by relative path, sorted."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files.pop(NAME, None)
    return {name: sha256_of(files[name]) for name in sorted(files)}


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
