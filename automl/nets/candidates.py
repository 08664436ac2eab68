"""Which backbones are worth comparing for the images at hand, and in words why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.errors import RecipeError
from automl.nets.catalogue import SMALLNET, Backbone
from automl.nets.own.rows import row_named

SMALL_PX: Final = 64
"""Images packed below this edge go to the small net: the ImageNet nets halve them five times, to one pixel or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The backbones that pick compares, and in words why others are not among them."""

    rows: tuple[Backbone, ...]  # cheapest first
    notes: tuple[str, ...]


def candidates(names: Sequence[str], *, size_px: int, max_params_m: float, own: Path | None = None) -> Candidates:
    """Choose what is worth comparing for images of that packed size.

    Args:
        names: the recipe's backbones.
        size_px: edge of the packed images.
        max_params_m: leave out backbones with more parameters, in millions.
        own: the run's folder of backbones that the user brought. They count at any size that they can be built at.
    Raises: RecipeError: no backbone is left.
    """
    wanted = [row_named(name, own) for name in dict.fromkeys(names)]
    notes: list[str] = []
    if size_px < SMALL_PX and (listed := [row for row in wanted if row.own is None]):
        wanted = [*(row for row in wanted if row.own is not None), SMALLNET]
        if left_out := [row.name for row in listed if row != SMALLNET]:
            alone = " alone" if wanted == [SMALLNET] else ""
            notes.append(
                f"images are packed at {size_px} px, below {SMALL_PX} px, where ImageNet backbones see almost nothing: "
                f"{SMALLNET.name}{alone} is used, not {', '.join(left_out)}"
            )
    rows = [row for row in wanted if not unfit(row, size_px)]
    notes += [f"{row.name} is left out: {why}" for row in wanted if (why := unfit(row, size_px))]
    if not rows:
        raise RecipeError(
            f"images are packed at {size_px} px, and none of the recipe's backbones can be used: "
            f"{'; '.join(f'{row.name}: {unfit(row, size_px)}' for row in wanted)}. Set pack.size_px, or raise "
            f"pack.max_size_px, or add {SMALLNET.name} to backbones."
        )
    kept = sorted((row for row in rows if row.params_m <= max_params_m), key=lambda row: (row.gmacs, row.name))
    notes += [
        f"{row.name} is left out: {row.params_m} million parameters, pick.max_params_m allows {max_params_m:g}"
        for row in rows
        if row not in kept
    ]
    if not kept:
        smallest = min(rows, key=lambda row: row.params_m)
        raise RecipeError(
            f"pick.max_params_m is {max_params_m:g}, and the smallest of the recipe's backbones, {smallest.name}, has "
            f"{smallest.params_m} million parameters. Raise it, or add {SMALLNET.name} ({SMALLNET.params_m} million) "
            "to backbones."
        )
    return Candidates(rows=tuple(kept), notes=tuple(notes))


def unfit(row: Backbone, size_px: int) -> str:
    """Why a backbone cannot be used for images of that packed size, in words; "": it can."""
    if row.own is not None and row.own.fault:
        return row.own.fault
    if row.own is not None and size_px not in row.own.sizes_px:
        sizes = ", ".join(map(str, row.own.sizes_px))
        return f"it can be built for images of {sizes} px, and these are packed at {size_px} px"
    if row.own is None and size_px < row.least_px:
        return f"it needs images of at least {row.least_px} px, and these are packed at {size_px} px"
    return ""
