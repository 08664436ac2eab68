"""Entries of `backbones` that are no names of the catalogue: .keras files, and presets of KerasHub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SUFFIX: Final = ".keras"
MAX_NAME: Final = 60  # characters of a file's name that a run uses
HUB: Final = "hub:"
"""Before a preset's name, or before the path of a preset's folder, in which there is a slash."""


def is_own(entry: str) -> bool:
    """Whether an entry is no name of the catalogue."""
    return is_hub(entry) or entry.lower().endswith(SUFFIX)


def is_hub(entry: str) -> bool:
    """Whether an entry is a preset of KerasHub."""
    return entry.startswith(HUB)


def hub_folder(entry: str) -> Path | None:
    """The folder that a preset lies in; None: it is a name."""
    path = entry.removeprefix(HUB)
    return Path(path) if "/" in path else None


def own_name(entry: str) -> str:
    """What a run calls the backbone: its file's name, with what a folder's name need not hold replaced by '-'.

    It ends in .keras or begins with "hub:", as no other name in a run does; the name of a name is itself.
    """
    if is_hub(entry):
        return HUB + _plain(Path(entry.removeprefix(HUB)).name)
    return _plain(Path(entry).name[: -len(SUFFIX)]) + SUFFIX


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:MAX_NAME].rstrip("-_") or "own"


def settled(entry: str, folder: Path) -> str:
    """The entry as a run keeps it. A file's path is made absolute: from `folder`, "~" is the home, ".." is gone."""
    if is_hub(entry):
        inside = hub_folder(entry)
        return entry if inside is None else HUB + _settled(str(inside), folder)
    return _settled(entry, folder) if is_own(entry) else entry


def _settled(entry: str, folder: Path) -> str:
    try:
        path = folder / Path(entry).expanduser()
        return str(path.parent.resolve() / path.name)
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, a loop of links, no such user: taking it tells
        return str(folder.absolute() / entry)
