"""The body of `automl check --html`: the findings as a page, with pictures of their examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from automl.data.images import read_images, read_rejected
from automl.data.store import open_pixels, store_name
from automl.recipe.model import Recipe
from automl.records import Checked, Parted
from automl.report.check import CheckFacts, example_paths, render_check
from automl.report.pictures import data_address
from automl.runs.atomic import write_text
from automl.runs.folder import RunFolder
from automl.runs.stops import judged


def write_page(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Args: arguments: {"run", "recipe", "dataset", "page": where to write, "version", "created"}. Returns: {}."""
    folder, recipe = RunFolder(Path(arguments["run"])), Recipe.model_validate(arguments["recipe"])
    checked, parted = folder.record(Checked), folder.record(Parted)
    size = max(checked.sizes_px)
    pixels = open_pixels(folder.stage("check") / store_name(size))
    rows = {image.path: image.row for image in read_images(folder.stage("check") / "images.csv")}
    findings = judged((*checked.findings, *parted.findings), recipe.check)
    facts = CheckFacts(
        dataset=PurePath(arguments["dataset"]).name,
        created=str(arguments["created"]),
        version=str(arguments["version"]),
        checked=checked,
        parted=parted,
        findings=findings,
        rejected=read_rejected(folder.stage("check") / "rejected.csv"),
        pictures={path: data_address(pixels[rows[path]]) for path in example_paths(findings, rows)},
        size_px=size,
    )
    write_text(Path(arguments["page"]), render_check(facts))
    return {}
