"""Which backbones are worth comparing for the images at hand, and in words why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from automl.errors import RecipeError
from automl.nets.catalogue import SMALLNET, Backbone, backbone_named

SMALL_PX: Final = 64
"""Images packed below this edge go to the small net: the ImageNet nets halve them five times, to one pixel or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The backbones that pick compares, and in words why others are not among them."""

    rows: tuple[Backbone, ...]  # cheapest first
    notes: tuple[str, ...]


def candidates(names: Sequence[str], *, size_px: int, max_params_m: float) -> Candidates:
    """Choose what is worth comparing for images of that packed size.

    Args:
        names: the recipe's backbones.
        size_px: edge of the packed images.
        max_params_m: leave out backbones with more parameters, in millions.
    Raises: RecipeError: no backbone is left.
    """
    if size_px < SMALL_PX:
        left_out = [name for name in names if name != SMALLNET.name]
        note = (
            f"images are packed at {size_px} px, below {SMALL_PX} px, where ImageNet backbones see almost nothing: "
            f"{SMALLNET.name} alone is used, not {', '.join(left_out)}"
        )
        return Candidates(rows=(SMALLNET,), notes=(note,) if left_out else ())
    wanted = [backbone_named(name) for name in dict.fromkeys(names)]
    rows = [row for row in wanted if row.least_px <= size_px]
    notes = [
        f"{row.name} is left out: it needs images of at least {row.least_px} px, and these are packed at {size_px} px"
        for row in wanted
        if row not in rows
    ]
    if not rows:
        raise RecipeError(
            f"images are packed at {size_px} px, and the recipe's backbones need more: "
            f"{', '.join(f'{row.name} {row.least_px} px' for row in wanted)}. Raise pack.size_px "
            f"or pack.max_size_px, or add {SMALLNET.name} to backbones."
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
