"""The body of `automl check --fix`: compare the images once more, and write what stays as a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from automl.data.clean import clean, write_manifest
from automl.data.duplicates import find_copies
from automl.data.findings import find_in_check
from automl.data.layouts import list_dataset
from automl.data.rules import RULES
from automl.data.scan_journal import NOTHING
from automl.runs.stops import stops
from automl.stages.checked import CheckedSet, read_checked
from automl.stages.split import part_images
from automl.types import N_EXAMPLES, Finding, Image

TWO_LABELS: Final = "paths with two labels"
"""The finding of a manifest that leaves out images before any is opened."""
ROWS: Final = ("missing files", "refused paths", "empty labels", "malformed rows", "paths listed twice",
               "paths in two parts")  # fmt: skip
"""Findings that count rows: of each the image is not there, or another row stands for it."""
ODD: Final = frozenset(rule.kind for rule in RULES)
"""Findings of single pictures, which stay."""


def write_clean(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Args: arguments: {"run": folder, "recipe": its recipe, "manifest": where to write}.

    Returns: {"told": {"file", "images": that stay, "of": so many listed ones, "left_out": {why: {"count", "paths"}}, of
        images, "rows_left_out": the same of rows, "merged_labels": {label: spelling}, "would_stop": [{"kind", "text",
        "advice"}], findings of what stays}}.
    Raises: DataError: what is left is no dataset.
    """
    there = read_checked(arguments)
    copies = find_copies(there.images, there.pixels, near=there.recipe.split.near)
    found = clean(there.images, there.rejected, copies)
    path = Path(arguments["manifest"])
    write_manifest(path, found.images, Path(there.checked.root), there.recipe.data)
    of_kind = {finding.kind: finding for finding in there.checked.findings}
    left_out = {why: _told(len(paths), paths) for why, paths in found.reasons.items()}
    n_listed = len(there.images) + len(there.rejected)
    if two_labels := of_kind.get(TWO_LABELS):
        left_out[TWO_LABELS] = _told(two_labels.count, two_labels.paths)
        n_listed += two_labels.count
    told = {
        "file": str(path),
        "images": len(found.images),
        "of": n_listed,
        "left_out": left_out,
        "rows_left_out": {kind: _told(of_kind[kind].count, of_kind[kind].paths) for kind in ROWS if kind in of_kind},
        "merged_labels": dict(found.merged),
        "would_stop": [
            {"kind": finding.kind, "text": finding.text, "advice": finding.advice}
            for finding in stops(_findings_left(there, found.images, path), there.recipe.check)
        ],
    }
    return {"told": told}


def _findings_left(there: CheckedSet, images: Sequence[Image], manifest: Path) -> Iterable[Finding]:
    """What a run on the manifest would find before its training. Args: images: that it lists."""
    listing = list_dataset(manifest, data=there.recipe.data)
    copies = find_copies(images, there.pixels, near=there.recipe.split.near)
    yield from find_in_check(listing, replace(NOTHING, images=tuple(images)), there.recipe.check)
    yield from (finding for finding in there.checked.findings if finding.kind in ODD)
    yield from part_images(images, copies, there.recipe).findings


def _told(count: int, paths: Sequence[str]) -> dict[str, object]:
    return {"count": count, "paths": list(paths[:N_EXAMPLES])}
