"""What an earlier pick of the same run has computed of a backbone: taken over where it began from all the same.

So another candidate in the recipe costs its own features and probe alone. Of a finished pick every file is compared
with its checksum first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from importlib import metadata
from pathlib import Path
from typing import Final

import keras

from automl.nets.weights import Weighted
from automl.records import Checked
from automl.runs.atomic import sync_folder
from automl.runs.done import checksum, read_done
from automl.runtime.context import StageContext
from automl.stage_table import STAGES
from automl.stages.pick_data import Data

INPUTS: Final = "inputs.json"
FILES: Final = ("features.npy", "probe.npz", "out_of_fold.npy", "held_out.npy", INPUTS, "score.json")
"""Of a backbone's item; score.json last, which commits it."""


def inputs_of(ctx: StageContext, data: Data) -> dict[str, object]:
    """All that every backbone's features, probe and score depend on, as JSON values."""
    parts = hashlib.sha256()
    for array in (*data.train, *data.validation, data.weights):
        parts.update(b"-" if array is None else array.tobytes())
    backend = keras.backend.backend()
    return {
        "version": next(stage.version for stage in STAGES if stage.name == "pick"),
        "packages": {name: metadata.version(name) for name in ("keras", "numpy", "scipy", "pillow", backend)},
        "dataset": ctx.record(Checked).dataset_fingerprint,
        "images": checksum(ctx.input("check", "images.csv")),  # which image has which row
        "size_px": data.pixels.shape[1],
        "parts": parts.hexdigest(),
        "seed": ctx.recipe.seed,
        "task": ctx.recipe.task,
        "folds": ctx.recipe.pick.folds,
        "neighbours": ctx.recipe.pick.neighbours,
    }


def inputs_with(inputs: dict[str, object], one: Weighted) -> dict[str, object]:
    """The same of one backbone: random weights are those of the seed, found ones are told by their sha256."""
    return {**inputs, "backbone": one.row.name, "weights": one.weights.sha256}


def began_from(item: Path, inputs: dict[str, object]) -> bool:
    """Whether a committed item, in its folder, was computed from these inputs."""
    try:
        return bool(json.loads((item / INPUTS).read_bytes()) == inputs) and (item / "score.json").is_file()
    except (OSError, ValueError):
        return False


def take_over(ctx: StageContext, name: str, inputs: dict[str, object]) -> bool:
    """Put the earlier pick's item of this backbone in its place, if it is the same and whole. Returns: whether it was.

    The files are linked, not moved: where this pick is cut short and begun anew, the earlier one still holds them.
    """
    before = ctx.folder.earlier("pick")
    if not began_from(before / name, inputs):
        return False
    done = read_done(before / "done.json")
    for file in FILES:
        path = before / name / file
        known = None if done is None else done.files.get(f"{name}/{file}")
        if not path.is_file() or (done is not None and (known is None or known.sha256 != checksum(path))):
            return False
    for file in FILES:
        _link(before / name / file, ctx.output(f"{name}/{file}"))
    sync_folder(ctx.output(name))
    return True


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)
