"""Folders that lie where classes or parts do and give no image: they would vanish without a word. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from automl.data.passed import ADVICE as ADVICE_ON
from automl.data.passed import CONVERT, NO_SUFFIX_IMAGE, OWN, is_picture, told
from automl.data.reading import part_of
from automl.data.wording import examples, first_of, shown
from automl.finding_table import UNFILLED
from automl.types import Finding

DEPTHS: Final = {"flat": 0, "nested": 0, "parts": 1}
"""Layouts whose folders are classes -> how many folders stand above the label's first one."""


def find_unfilled(
    row: str, level: int, folders: Mapping[str, Mapping[str, int]], images: Iterable[str]
) -> Finding | None:
    """What is said of folders without images; None: there are none where they would be missed.

    Args:
        row: the layout that was read, a name of layouts.py's table.
        level: how many folders make a label.
        folders: each that was looked into -> why entries that lie in it itself are no images, and how many.
        images: paths of all images, whether they got a label or not.
    """
    if row not in DEPTHS:
        return None
    held = unfilled(folders, images, depth=DEPTHS[row] + level)
    if row == "parts":  # a folder beside the parts is no part, whatever it holds
        held = {folder: kinds for folder, kinds in held.items() if part_of(folder.split("/")[0])}
    if not held:
        return None
    lost = {folder for folder, kinds in held.items() if any(map(is_picture, kinds))}
    order = sorted(held, key=lambda folder: (folder not in lost, folder))
    rows = [f"{shown(folder)}/ ({told(held[folder]) or 'no file'})" for folder in order]
    return Finding(
        kind=UNFILLED,
        severity="stop" if lost else "warn",
        text=f"{len(held)} folder(s) lie where classes or parts do and hold no image that is read: "
        f"{first_of(rows)}. They are left out.",
        count=len(held),
        advice=_advice({kind for folder in lost for kind in held[folder]}, others=len(held) > len(lost)),
        paths=examples(f"{shown(folder)}/" for folder in order),
    )


def unfilled(folders: Mapping[str, Mapping[str, int]], images: Iterable[str], *, depth: int) -> dict[str, Counter[str]]:
    """The uppermost folders without an image at any depth below, down to `depth` -> all that lies in and below them.

    Those that hold runs or bundles are none: these were never meant as classes.
    """
    filled: set[str] = set()
    for path in images:
        while (path := path.rpartition("/")[0]) and path not in filled:
            filled.add(path)
    held: dict[str, Counter[str]] = {}
    for folder, kinds in folders.items():
        parts = folder.split("/") if folder else []
        uppermost = next((top for n in range(len(parts)) if (top := "/".join(parts[: n + 1])) not in filled), "")
        if uppermost and uppermost.count("/") < depth:
            held.setdefault(uppermost, Counter()).update(kinds)
    return {folder: kinds for folder, kinds in held.items() if OWN not in kinds}


def _advice(lost: Iterable[str], *, others: bool) -> str:
    """Args: lost: kinds in folders that hold pictures. others: some hold none."""
    kinds = set(lost)
    told_of = [CONVERT] if any(is_picture(kind) and kind != NO_SUFFIX_IMAGE for kind in kinds) else []
    told_of += [ADVICE_ON[NO_SUFFIX_IMAGE]] if NO_SUFFIX_IMAGE in kinds else []
    told_of += ["Fill folders that are to be classes."] if others else []
    return " ".join([*told_of, "Remove a folder that is no class."])
