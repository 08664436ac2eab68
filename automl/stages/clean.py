"""The body of `automl check --fix`: compare the images once more, and write what stays as a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from automl.data.clean import clean, write_manifest
from automl.data.duplicates import find_copies
from automl.stages.checked import read_checked
from automl.types import N_EXAMPLES

ROWS: Final = ("paths with two labels", "missing files", "refused paths", "empty labels", "malformed rows",
               "paths listed twice")  # fmt: skip
"""Findings of a manifest's rows that are left out before any image is opened."""


def write_clean(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Args: arguments: {"run": folder, "recipe": its recipe, "manifest": where to write}.

    Returns: {"told": {"file", "images", "left_out": {why: {"count", "paths"}}, "merged_labels": {label: spelling}}}.
    Raises: DataError: what is left is no dataset.
    """
    there = read_checked(arguments)
    copies = find_copies(there.images, there.pixels, near=there.recipe.split.near)
    found = clean(there.images, there.rejected, copies)
    path = Path(arguments["manifest"])
    write_manifest(path, found.images, Path(there.checked.root), there.recipe.data)
    rows = {finding.kind: finding for finding in there.checked.findings if finding.kind in ROWS}
    told = {
        "file": str(path),
        "images": len(found.images),
        "left_out": {
            **{why: {"count": len(paths), "paths": list(paths[:N_EXAMPLES])} for why, paths in found.reasons.items()},
            **{kind: {"count": finding.count, "paths": list(finding.paths)} for kind, finding in rows.items()},
        },
        "merged_labels": dict(found.merged),
    }
    return {"told": told}
