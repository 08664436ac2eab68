"""Which of the recipe's backbones its limits leave: by what is known of them beforehand, and by what was measured.

Light, and pure but that a weights.yaml is read for the licences that it states.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final

from automl.errors import RecipeError
from automl.nets.catalogue import BACKBONES, SMALLNET, Backbone, backbone_named
from automl.nets.weights import Place, Weighted, claimed, places
from automl.recipe.backbones import is_hub, is_own
from automl.recipe.model import Pick, Recipe, Weights
from automl.types import Footprint

MAX_SHOWN: Final = 100  # characters of a licence in a message; a weights.yaml may tell a story there

REMEDIES: Final = {
    "pick.max_params_m": "raise pick.max_params_m",
    "pick.licences": "add to pick.licences",
    "pick.max_latency_ms": "raise pick.max_latency_ms or pack smaller images (pack.max_size_px)",
    "pick.max_memory_mb": "raise pick.max_memory_mb or pack smaller images (pack.max_size_px)",
    "pack.max_size_px": "raise pack.size_px or pack.max_size_px",
    "weights": "give a folder that holds the weights with --weights",
    "backbones": "correct the file of your own, or add another backbone",
}
"""What to do where nothing is left, by what took the candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A backbone that is left out."""

    backbone: str
    by: str  # a key of REMEDIES
    why: str  # what was found, and what is wanted

    @property
    def note(self) -> str:
        """A sentence for console and record."""
        return f"{self.backbone} is left out: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the limits of latency and memory leave."""

    kept: tuple[Weighted, ...]
    taken: tuple[Taken, ...]
    remarks: tuple[str, ...]  # of those that stay because no more than noise parts them from a limit


def known_limits(
    rows: Sequence[Backbone], pick: Pick, weights: Weights, looked: Sequence[Place], size_px: int
) -> tuple[tuple[Backbone, ...], tuple[Taken, ...]]:
    """Apply the limits that need no measuring: parameters, and the licence of the weights that would be taken.

    Args:
        weights: whether pretrained ones are wanted at all; random ones have no licence.
        looked: where weights are looked for; nothing is fetched.
        size_px: that the images are packed at, or are at most.
    Returns: those that are left, in their order, and the others.
    Raises: WrongWeights: a folder, or its weights.yaml, is wrong as a whole.
    """
    kept, taken = [], []
    for row in rows:
        licence = licence_of(row, looked, size_px) if pick.licences and weights.pretrained else None
        if row.own is not None and row.own.fault:
            kept.append(row)  # what is known of it is why it cannot be had at all
        elif row.params_m > pick.max_params_m:
            why = f"{row.params_m} million parameters, pick.max_params_m allows {pick.max_params_m:g}"
            taken.append(Taken(backbone=row.name, by="pick.max_params_m", why=why))
        elif licence is not None and not accepts(pick.licences, licence):
            why = f"the licence of its weights is {_shown(licence)}, pick.licences accepts {', '.join(pick.licences)}"
            taken.append(Taken(backbone=row.name, by="pick.licences", why=why))
        else:
            kept.append(row)
    return tuple(kept), tuple(taken)


def need_candidates(recipe: Recipe, folder: Path | None) -> None:
    """Refuse what can be refused before anything begins.

    Args: folder: --weights.

    Raises: RecipeError: parameters and licences leave no backbone; WrongWeights: as known_limits.
    """
    if any(map(is_own, recipe.backbones)):
        return  # what is in a file of the user's own, the rehearsal tells
    rows = [backbone_named(name) for name in dict.fromkeys(recipe.backbones)]
    kept, taken = known_limits(rows, recipe.pick, recipe.weights, places(folder), max(recipe.pack.possible_px))
    if not kept:
        raise nothing_left(taken)


def licence_of(row: Backbone, looked: Sequence[Place], size_px: int) -> str | None:
    """Of the weights that a run would take: as the weights.yaml beside the file says, else as the row does.

    Returns: None: there are none, or they lie in a .keras file, whose owner knows.
    """
    if not row.pretrained:
        return row.licence if is_hub(row.name) else None
    file = next((file for place in looked if (file := claimed(row, place, size_px))), None)
    return (file.entry.licence if file and file.entry else "") or row.licence


def accepts(accepted: Sequence[str], licence: str) -> bool:
    """Whether a licence, in the words of whoever states it, is one of the accepted names.

    What counts is the name that it begins with: "Apache-2.0, Google LLC" is Apache-2.0, "MIT-0" is not MIT. Of names
    joined by OR one must be accepted, of those joined by AND each. Case does not matter, nor what stands in brackets.
    """
    names = {name.casefold() for name in accepted}
    plain = licence.casefold()
    while (less := re.sub(r"\([^()]*\)", " ", plain)) != plain:
        plain = less
    return any(
        all(_first_name(part) in names for part in re.split(r"\sand\s", either))
        for either in re.split(r"\sor\s", plain)
    )


def _first_name(text: str) -> str:
    """The first word, as far as SPDX's names go; with its exception, which is a part of the licence."""
    found = re.match(r"\s*([a-z0-9][a-z0-9.+-]*(?: with [a-z0-9.+-]+)?)", text)
    return found[1].rstrip(".") if found else ""


def measured_limits(
    candidates: Sequence[Weighted], unmeasured: Mapping[str, str], pick: Pick, size_px: int
) -> Measured:
    """Apply the limits of latency and memory. What exceeds one by no more than noise stays.

    Args:
        candidates: each with its footprint, but those that are unmeasured.
        unmeasured: backbone -> why it has none; what cannot be compared with a limit is left out.
        size_px: edge of the packed images.
    """
    kept: list[Weighted] = []
    taken: list[Taken] = []
    remarks: list[str] = []
    for one in candidates:
        name, own = one.row.name, list[Taken]()
        if one.footprint is None:
            by = "pick.max_memory_mb" if pick.max_latency_ms == "none" else "pick.max_latency_ms"
            why = f"its latency and memory could not be measured, and {by} is set: {unmeasured[name]}"
            own.append(Taken(backbone=name, by=by, why=why))
        for by, unit, value, noise, most in _figures(one.footprint, pick):
            found = f"{value:,.2f} {unit} for an image of {size_px} px on this machine"
            if value - noise > most:
                own.append(Taken(backbone=name, by=by, why=f"{found} (noise {noise:.2f}), {by} allows {most:g}"))
            elif value > most:
                remarks.append(f"{name} stays: {found}, {by} allows {most:g}, and {noise:.2f} {unit} are noise")
        taken += own
        kept += [] if own else [one]
    return Measured(kept=tuple(kept), taken=tuple(taken), remarks=tuple(remarks))


def _figures(footprint: Footprint | None, pick: Pick) -> tuple[tuple[str, str, float, float, float], ...]:
    """For each limit that is measured: its key, unit, value, noise, and what it allows."""
    if footprint is None:
        return ()
    latency, memory = (inf if most == "none" else most for most in (pick.max_latency_ms, pick.max_memory_mb))
    return (
        ("pick.max_latency_ms", "ms", footprint.latency_ms, footprint.latency_spread_ms, latency),
        ("pick.max_memory_mb", "MB", footprint.memory_mb, footprint.memory_spread_mb, memory),
    )


def nothing_left(taken: Sequence[Taken]) -> RecipeError:
    """The error where no candidate is left: what took each, and what to do."""
    remedies = ", ".join(dict.fromkeys(REMEDIES[one.by] for one in taken))
    least = min(BACKBONES, key=lambda row: row.params_m)
    return RecipeError(
        "no backbone is left to choose from:\n"
        + "".join(f"  {one.backbone}: {one.why}\n" for one in taken)
        + f"{remedies[0].upper()}{remedies[1:]}, or name other backbones: docs/cli.md lists them with parameters and "
        f"licences. {least.name} is the smallest ({least.params_m} million), {SMALLNET.name} ({SMALLNET.params_m} "
        "million) needs no pretrained weights.",
        [one.note for one in taken],
    )


def _shown(licence: str) -> str:
    short = licence if len(licence) <= MAX_SHOWN else f"{licence[:MAX_SHOWN]}..."
    return repr(short)
