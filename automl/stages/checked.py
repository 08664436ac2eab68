"""What check left of a run, as the bodies read it that `automl check` has done after split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.data.images import read_images, read_rejected
from automl.data.store import open_pixels, store_name
from automl.recipe.model import Recipe
from automl.records import Checked
from automl.runs.folder import RunFolder
from automl.types import Image, PixelRows, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSet:
    """The record, the tables and the pixels."""

    folder: RunFolder
    recipe: Recipe
    checked: Checked
    images: tuple[Image, ...]
    rejected: tuple[Rejected, ...]
    pixels: PixelRows  # uint8 (n, s, s, 3), of the largest size
    size_px: int  # s


def read_checked(arguments: Mapping[str, Any]) -> CheckedSet:
    """Args: arguments: {"run": folder, "recipe": its recipe, ...}. Raises: StageFailed: something of it is damaged."""
    folder = RunFolder(Path(arguments["run"]))
    checked = folder.record(Checked)
    size_px = max(checked.sizes_px)
    return CheckedSet(
        folder=folder,
        recipe=Recipe.model_validate(arguments["recipe"]),
        checked=checked,
        images=read_images(folder.stage("check") / "images.csv"),
        rejected=read_rejected(folder.stage("check") / "rejected.csv"),
        pixels=open_pixels(folder.stage("check") / store_name(size_px)),
        size_px=size_px,
    )
