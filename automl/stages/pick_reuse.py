"""What an earlier pick of the same run has computed of a backbone: taken over where it began from all the same.

So another candidate in the recipe costs its own features and probe alone. Of a finished pick every file is compared
with its checksum first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

import keras

from automl.nets.own.rows import CONFIG
from automl.nets.weights import Weighted
from automl.records import Checked
from automl.runs.atomic import TEMPORARY, sync_folder
from automl.runs.done import checksum, read_done
from automl.runtime.context import StageContext
from automl.stage_table import STAGES
from automl.stages.pick_data import Data

INPUTS: Final = "inputs.json"
COMMITS: Final = "score.json"
"""Of a backbone's item; written last."""


def inputs_of(ctx: StageContext, data: Data) -> dict[str, object]:
    """All that every backbone's features, probe and score depend on at the size of the data, as JSON values."""
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
    """The same of one backbone: random weights are those of the seed, found ones are told by their sha256.

    One's own is told by its copy's config as well, which has how pixels reach its first layer.
    """
    own = "" if one.row.own is None else checksum(one.row.own.folder / CONFIG)
    return {**inputs, "backbone": one.row.name, "weights": one.weights.sha256, "own": own}


def of_sample(inputs: Mapping[str, object], images: int | None) -> dict[str, object]:
    """The same of a probe on so many training images; None: of the features, which do not depend on how many."""
    return {**inputs, "n_images": images}


def began_from(item: Path, inputs: Mapping[str, object], file: str = INPUTS) -> bool:
    """Whether what lies in a folder was computed from these inputs, as the file in it says."""
    try:
        return bool(json.loads((item / file).read_bytes()) == inputs)
    except (OSError, ValueError):
        return False


def is_item(folder: Path, inputs: Mapping[str, object], commits: str = COMMITS) -> bool:
    """Whether a folder is an item that was computed from these inputs, and committed by the file of that name."""
    return began_from(folder, inputs) and (folder / commits).is_file()


def take_over(ctx: StageContext, name: str, inputs: Mapping[str, object], commits: str = COMMITS) -> bool:
    """Put the earlier pick's item of that name in its place, if it is the same and whole. Returns: whether it was.

    The files are linked, not moved: where this pick is cut short and begun anew, the earlier one still holds them.
    """
    before = ctx.folder.earlier("pick")
    if not is_item(before / name, inputs, commits):
        return False
    done = read_done(before / "done.json")
    files = [path for path in sorted((before / name).iterdir()) if not path.name.startswith(TEMPORARY)]
    for path in files:
        known = None if done is None else done.files.get(f"{name}/{path.name}")
        if done is not None and (known is None or known.sha256 != checksum(path)):
            return False
    for path in files:
        link(path, ctx.output(f"{name}/{path.name}"))
    sync_folder(ctx.output(name))
    return True


def link(source: Path, target: Path) -> None:
    """Have a file under a second name; it is never written into, only replaced."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)
