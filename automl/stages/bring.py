"""Backbones that the user brought, in the rehearsal: taken into the run, and left out where they cannot be exported."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from automl.errors import StageFailed, WrongBackbone
from automl.nets.catalogue import Pixels
from automl.nets.own.brought import LeftOut
from automl.nets.own.hub import folder_sum
from automl.nets.own.rows import CONFIG, WEIGHTS, Facts, read_facts, write_facts
from automl.nets.own.take import sizes_that_fit, take
from automl.nets.weights import Weighted
from automl.recipe.backbones import hub_folder, is_hub, own_name

Warn = Callable[[str], object]


def bring(
    entries: Sequence[str],
    folder: Path,
    *,
    pixels: Pixels | Literal["auto"],
    download: bool,
    sizes_px: Sequence[int],
    warn: Warn,
) -> None:
    """Have a copy of each file in the run, and find at which of the sizes that may be packed it can be built.

    A copy that the run has already is kept, whatever became of the file.

    Args:
        entries: those of the recipe's `backbones` that are no names of the catalogue.
        folder: of the run's copies.
        download: whether a preset may be fetched.
    Raises: WrongBackbone: one is refused; UsageError: KerasHub is not installed.
    """
    for entry in entries:
        copy = folder / own_name(entry)
        try:
            facts = _kept(copy, entry, pixels, warn) or take(entry, copy, pixels=pixels, download=download)
        except LeftOut as why:
            write_facts(copy, Facts(file=entry, pixels=pixels, fault=str(why)))
            continue
        fitting = sizes_that_fit(copy, sizes_px)
        usable = [size_px for size_px in fitting if size_px in sizes_px]
        at = f"it can be built for images of {', '.join(map(str, fitting))} px alone"
        fault = "" if usable else f"{at}, and the recipe packs none of these sizes: set pack.size_px to one of them"
        write_facts(copy, replace(facts, sizes_px=fitting, fault=fault))
        if facts.told:
            warn(f"{copy.name}: {facts.told}. If it was trained on others, set weights.pixels")
        if usable and len(usable) < len(sizes_px):
            warn(f"{copy.name}: {at}. Where images are packed at another size, it is left out; pack.size_px sets it")


def _kept(copy: Path, entry: str, pixels: str, warn: Warn) -> Facts | None:
    """What the run knows of a copy that it took before, by the same settings."""
    if not all((copy / name).is_file() for name in (CONFIG, WEIGHTS)):
        return None
    try:
        facts = read_facts(copy)
    except StageFailed:
        return None
    if (facts.file, facts.pixels) != (entry, pixels):
        return None
    if _sha256(entry) not in ("", facts.sha256):
        warn(f"{entry} has changed since the run took it, and the run keeps its copy. --redo pick takes it anew")
    return facts


def _sha256(entry: str) -> str:
    """As it is in the copy's facts. "": it is not there, and the run needs it no more; or it is a name."""
    folder = hub_folder(entry) if is_hub(entry) else None
    try:
        if folder is not None:
            return folder_sum(folder)
        with Path(entry).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def leave_out(faults: Mapping[str, str], weighted: Sequence[Weighted], warn: Warn) -> None:
    """Mark the backbones that cannot be exported in their copies, so that pick leaves them out.

    Args: faults: why, by name; also of those that were marked before.
    Raises: WrongBackbone: there is no other candidate.
    """
    brought = [one.row for one in weighted if one.row.own is not None and one.row.name in faults]
    for row in brought:
        assert row.own is not None
        write_facts(row.own.folder, replace(read_facts(row.own.folder), fault=faults[row.name]))
    if len(brought) == len(weighted):
        raise WrongBackbone(
            "none of the recipe's backbones can be used:"
            + "".join(f"\n  {row.source}: {faults[row.name]}" for row in brought)
            + "\nWanted: one that can be exported. Correct it, or add another one to backbones."
        )
    for row in brought:
        warn(f"{row.name} is left out: {faults[row.name]}")
