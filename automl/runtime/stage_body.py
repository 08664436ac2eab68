"""Runs one stage in its child process: builds the context, calls the stage, writes its record."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.code import load_entry
from automl.recipe.model import Recipe
from automl.runs.folder import RunFolder
from automl.runtime.child import this_childs_front
from automl.runtime.context import StageContext
from automl.stage_table import EXPORT, STAGES


def run_stage(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Run the stage that the arguments name (see pipeline.py, which makes them) and leave record.json."""
    stage = next(stage for stage in STAGES if stage.name == arguments["stage"])
    context = StageContext(
        folder=RunFolder(Path(arguments["run"])),
        stage=stage.name,
        recipe=Recipe.model_validate(arguments["recipe"]),
        dataset=Path(arguments["dataset"]),
        exports=Path(arguments["exports"]),
        weights=None if arguments["weights"] is None else Path(arguments["weights"]),
        deadline_at=arguments["deadline_at"],
        models_mb=arguments["models_mb"],
        front=this_childs_front(),
    )
    context.folder.write_record(load_entry(stage.entry)(context))
    return {}


def run_export(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Export the dataset of a name to the folder, see data/exporting.py. Args: arguments: {"dataset", "folder"}."""
    front = this_childs_front()

    def progress(done: int, total: int) -> None:
        front.progress(done, total, "images exported")

    # From an empty folder: a package may take a folder of the name that lies in the current one for the dataset.
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
        return {"files": load_entry(EXPORT)(Path(arguments["dataset"]), Path(arguments["folder"]), progress)}
