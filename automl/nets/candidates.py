"""Which backbones are worth comparing for images of the packed size, and in words why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from automl.nets.catalogue import SMALLNET, Backbone, backbone_named
from automl.nets.limits import Taken

SMALL_PX: Final = 64
"""Images packed below this edge go to the small net: the ImageNet nets halve them five times, to one pixel or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The backbones that can be compared at a size."""

    rows: tuple[Backbone, ...]  # cheapest first
    taken: tuple[Taken, ...]  # those that need larger images
    note: str  # why the recipe's are not among them; "" where some are


def candidates(names: Sequence[str], *, size_px: int) -> Candidates:
    """What is worth comparing for images of that packed size.

    Args:
        names: the recipe's backbones.
        size_px: edge of the packed images.
    """
    if size_px < SMALL_PX:
        left_out = [name for name in names if name != SMALLNET.name]
        note = (
            f"images are packed at {size_px} px, below {SMALL_PX} px, where ImageNet backbones see almost nothing: "
            f"{SMALLNET.name} alone is used, not {', '.join(left_out)}"
        )
        return Candidates(rows=(SMALLNET,), taken=(), note=note if left_out else "")
    wanted = sorted((backbone_named(name) for name in dict.fromkeys(names)), key=lambda row: (row.gmacs, row.name))
    taken = [
        Taken(
            backbone=row.name,
            by="pack.max_size_px",
            why=f"it needs images of at least {row.least_px} px, and these are packed at {size_px} px",
        )
        for row in wanted
        if row.least_px > size_px
    ]
    rows = tuple(row for row in wanted if row.least_px <= size_px)
    return Candidates(rows=rows, taken=tuple(taken), note="")
