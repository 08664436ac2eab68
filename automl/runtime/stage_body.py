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
from automl.runtime.context import Front, StageContext
from automl.stage_table import EXPORT, STAGES


def run_stage(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Run the stage that the arguments name (see pipeline.py, which makes them) and leave record.json."""
    stage = next(stage for stage in STAGES if stage.name == arguments["stage"])
    context = context_of(arguments, this_childs_front())
    context.folder.write_record(load_entry(stage.entry)(context))
    return {}


def arguments_of(ctx: StageContext) -> dict[str, object]:
    """A stage's context as JSON values, for a child of the stage that works in its folder."""
    return {
        "stage": ctx.stage,
        "run": str(ctx.folder.root),
        "recipe": ctx.recipe.model_dump(mode="json"),
        "dataset": str(ctx.dataset),
        "exports": str(ctx.exports),
        "weights": None if ctx.weights is None else str(ctx.weights),
        "deadline_at": ctx.deadline_at,
        "models_mb": ctx.models_mb,
    }


def context_of(arguments: Mapping[str, Any], front: Front) -> StageContext:
    """The context that the arguments describe, see arguments_of and pipeline.py."""
    return StageContext(
        folder=RunFolder(Path(arguments["run"])),
        stage=arguments["stage"],
        recipe=Recipe.model_validate(arguments["recipe"]),
        dataset=Path(arguments["dataset"]),
        exports=Path(arguments["exports"]),
        weights=None if arguments["weights"] is None else Path(arguments["weights"]),
        deadline_at=arguments["deadline_at"],
        models_mb=arguments["models_mb"],
        front=front,
    )


def run_export(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Export the dataset of a name to the folder, see data/exporting.py. Args: arguments: {"dataset", "folder"}."""
    front = this_childs_front()

    def progress(done: int, total: int) -> None:
        front.progress(done, total, "images exported")

    # From an empty folder: a package may take a folder of the name that lies in the current one for the dataset.
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
        return {"files": load_entry(EXPORT)(Path(arguments["dataset"]), Path(arguments["folder"]), progress)}
