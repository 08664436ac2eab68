"""Entries of `backbones` that are no names of the catalogue: .keras files of the user's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SUFFIX: Final = ".keras"
MAX_NAME: Final = 60  # characters of a file's name that a run uses


def is_own(entry: str) -> bool:
    """Whether an entry is a file's path, no name."""
    return entry.lower().endswith(SUFFIX)


def own_name(entry: str) -> str:
    """What a run calls the backbone of that file: its name, with what a folder's name need not hold replaced by '-'.

    It ends in .keras, as no other name in a run does; the name of a name is itself.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(entry).name[: -len(SUFFIX)]).strip("-")
    return (stem[:MAX_NAME] or "own") + SUFFIX


def settled(entry: str, folder: Path) -> str:
    """The entry as a run keeps it. A file's path is made absolute: from `folder`, "~" is the home, ".." is gone."""
    if not is_own(entry):
        return entry
    try:
        path = folder / Path(entry).expanduser()
        return str(path.parent.resolve() / path.name)
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, a loop of links, no such user: taking it tells
        return str(folder.absolute() / entry)
