"""The body of `automl check --html`: the findings as a page, with pictures of their examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from automl.data.store import open_pixels, store_name
from automl.records import Parted
from automl.report.check import CheckFacts, example_paths, render_check
from automl.report.pictures import data_address
from automl.runs.atomic import write_text
from automl.runs.stops import judged_data
from automl.stages.checked import read_checked


def write_page(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Args: arguments: {"run", "recipe", "dataset", "page": where to write, "version", "created"}.

    Returns: {"told": the page}.
    """
    there = read_checked(arguments)
    parted = there.folder.record(Parted)
    size_px = min(there.checked.sizes_px)  # nearest to the files; the page shows 144 CSS px at most
    pixels = open_pixels(there.folder.stage("check") / store_name(size_px))
    rows = {image.path: image.row for image in there.images}
    findings = judged_data((*there.checked.findings, *parted.findings), there.recipe.check)
    facts = CheckFacts(
        dataset=PurePath(arguments["dataset"]).name,
        created=str(arguments["created"]),
        version=str(arguments["version"]),
        checked=there.checked,
        parted=parted,
        findings=findings,
        rejected=there.rejected,
        pictures={path: data_address(pixels[rows[path]]) for path in example_paths(findings, rows)},
        size_px=size_px,
    )
    write_text(Path(arguments["page"]), render_check(facts))
    return {"told": arguments["page"]}
