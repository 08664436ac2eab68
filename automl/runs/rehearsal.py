"""The export path is tried with the untrained networks before anything long: what cannot be exported is found now.

Done once for each backbone and set of package versions, and remembered in the user's cache folder; the weights are
looked for each time, because they come and go.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from automl.recipe.backbones import is_own
from automl.recipe.model import Recipe
from automl.runs.atomic import write_json
from automl.runs.cache import remember, remembered
from automl.runs.done import fingerprint_of
from automl.runs.folder import RunFolder
from automl.runtime.children import Children

CACHE: Final = "rehearsals.json"
ENTRY: Final = "automl.stages.rehearse:rehearse"
DECIDES: Final = ("automl", "tensorflow", "keras", "onnx", "onnxruntime", "numpy")
"""Packages whose change can break the export path."""
PATIENCE_S: Final = 60.0
"""What the backbones not tried before may take (decision 9); a tenth of the time left, where there is a deadline."""


def rehearse(
    folder: RunFolder, recipe: Recipe, weights: Path | None, children: Children, seconds_left: float | None
) -> None:
    """Find the weights of the recipe's backbones and try each one's export; leave rehearsal.json in the run.

    Raises: what the child raises: WrongWeights, StageFailed and others, saying what is missing.
    """
    known = remembered(CACHE)
    before = {name: known[key] for name in (*recipe.backbones, "smallnet") if (key := key_of(name, recipe)) in known}
    arguments = {
        "backbones": list(recipe.backbones),
        "own": str(folder.backbones),
        "pack": recipe.pack.model_dump(mode="json"),
        "weights": recipe.weights.model_dump(mode="json"),
        "pick": recipe.pick.model_dump(mode="json"),
        "folder": None if weights is None else str(weights.absolute()),
        "variants": list(recipe.compress.variants),
        "known": list(before),
        "scratch": str(folder.root / "rehearsal"),
        "patience_s": PATIENCE_S if seconds_left is None else min(PATIENCE_S, seconds_left / 10),
    }
    result = children.run("keras", ENTRY, arguments, log=folder.log_txt, limit_s=seconds_left)
    tried = result.get("tried", {})
    assert isinstance(tried, Mapping)
    seconds = {name: facts.get("seconds") for name, facts in {**before, **tried}.items()}
    write_json(folder.rehearsal_json, {**result, "seconds": seconds})
    # A backbone of the user's own is tried each time: its name does not tell what is in its file.
    remember(CACHE, {key_of(name, recipe): facts for name, facts in tried.items() if not is_own(name)})


def key_of(backbone: str, recipe: Recipe) -> str:
    """One rehearsal's identity: the backbone, the variants, and the versions that could change the outcome."""
    versions = {name: metadata.version(name) for name in DECIDES}
    return f"{backbone}-{fingerprint_of({'variants': list(recipe.compress.variants), **versions})[:16]}"
