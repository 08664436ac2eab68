"""Which backbones are worth comparing for images of the packed size, and in words why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.nets.catalogue import SMALLNET, Backbone
from automl.nets.limits import Taken
from automl.nets.own.rows import row_named

SMALL_PX: Final = 64
"""Images packed below this edge go to the small net: the ImageNet nets halve them five times, to one pixel or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The backbones that can be compared at the packed sizes."""

    rows: tuple[Backbone, ...]  # cheapest first
    taken: tuple[Taken, ...]  # those that need other images, or cannot be exported
    note: str  # why the recipe's are not among them; "" where some are


def candidates(names: Sequence[str], *, sizes_px: Sequence[int], own: Path | None = None) -> Candidates:
    """What is worth comparing for images that are packed at these sizes.

    Args:
        names: the recipe's backbones.
        sizes_px: edges of the packed images.
        own: the run's folder of backbones that the user brought. They count at any size that they can be built at.
    """
    largest = max(sizes_px)
    wanted = [row_named(name, own) for name in dict.fromkeys(names)]
    note = ""
    if largest < SMALL_PX and (listed := [row for row in wanted if row.own is None]):
        wanted = [*(row for row in wanted if row.own is not None), SMALLNET]
        if left_out := [row.name for row in listed if row != SMALLNET]:
            alone = " alone" if wanted == [SMALLNET] else ""
            note = (
                f"images are packed at {largest} px, below {SMALL_PX} px, where ImageNet backbones see almost nothing: "
                f"{SMALLNET.name}{alone} is used, not {', '.join(left_out)}"
            )
    wanted.sort(key=lambda row: (row.gmacs, row.name))
    taken = [
        Taken(backbone=row.name, by="backbones" if row.own and row.own.fault else "pack.max_size_px", why=why)
        for row in wanted
        if (why := unfit(row, sizes_px))
    ]
    rows = tuple(row for row in wanted if not unfit(row, sizes_px))
    return Candidates(rows=rows, taken=tuple(taken), note=note)


def unfit(row: Backbone, sizes_px: Sequence[int]) -> str:
    """Why a backbone cannot be used for images of any of the packed sizes, in words; "": it can."""
    packed = " and ".join(map(str, sizes_px))
    if row.own is not None and row.own.fault:
        return row.own.fault
    if row.own is not None and not set(sizes_px) & set(row.own.sizes_px):
        sizes = ", ".join(map(str, row.own.sizes_px))
        return f"it can be built for images of {sizes} px, and these are packed at {packed} px"
    if row.own is None and max(sizes_px) < row.least_px:
        return f"it needs images of at least {row.least_px} px, and these are packed at {packed} px"
    return ""
