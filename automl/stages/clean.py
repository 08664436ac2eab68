"""The body of `automl check --fix`: compare the images once more, and write what stays as a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from automl.data.clean import clean, write_manifest
from automl.data.duplicates import find_copies
from automl.data.images import read_images, read_rejected
from automl.data.store import open_pixels, store_name
from automl.recipe.model import Recipe
from automl.records import Checked
from automl.runs.folder import RunFolder
from automl.types import N_EXAMPLES

ROWS: Final = ("paths with two labels", "missing files", "refused paths", "empty labels", "malformed rows",
               "paths listed twice")  # fmt: skip
"""Findings of a manifest's rows that are left out before any image is opened."""


def write_clean(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Args: arguments: {"run": folder, "recipe": its recipe, "manifest": where to write}.

    Returns: {"file", "images", "left_out": {why: {"count", "paths"}}, "merged_labels": {label: spelling}}.
    Raises: DataError: what is left is no dataset.
    """
    folder, recipe = RunFolder(Path(arguments["run"])), Recipe.model_validate(arguments["recipe"])
    checked = folder.record(Checked)
    images = read_images(folder.stage("check") / "images.csv")
    size = max(checked.sizes_px)
    pixels = open_pixels(folder.stage("check") / store_name(size))
    found = clean(
        images,
        read_rejected(folder.stage("check") / "rejected.csv"),
        find_copies(images, pixels, near=recipe.split.near),
    )
    path = Path(arguments["manifest"])
    write_manifest(path, found.images, Path(checked.root), recipe.data)
    rows = {finding.kind: finding for finding in checked.findings if finding.kind in ROWS}
    return {
        "file": str(path),
        "images": len(found.images),
        "left_out": {
            **{why: {"count": len(paths), "paths": list(paths[:N_EXAMPLES])} for why, paths in found.reasons.items()},
            **{kind: {"count": finding.count, "paths": list(finding.paths)} for kind, finding in rows.items()},
        },
        "merged_labels": dict(found.merged),
    }
