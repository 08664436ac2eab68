"""The start of a run: what is asked for, what was begun under that name before, and what is written down of both."""

from __future__ import annotations

import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil

from automl.code import load_entry
from automl.errors import DataError, RecipeError, RunInUse
from automl.finding_table import TOO_FEW
from automl.recipe.load import LoadedRecipe, recipe_yaml
from automl.recipe.model import Recipe
from automl.runs import resources
from automl.runs.atomic import sync_folder, write_json, write_text
from automl.runs.deadline import stored_deadline
from automl.runs.done import read_done
from automl.runs.events import append_event, now_iso
from automl.runs.folder import RunFolder
from automl.runs.inventory import SCHEMA, read_run_json
from automl.runs.settings import accept_changes, flatten
from automl.runs.stops import stops
from automl.runs.summary import summarise
from automl.stage_table import FINGERPRINT, IS_NAMED, LAYOUTS, STAGE_NAMES
from automl.types import Finding, Listing

PACKAGES: Final = (
    "automl",
    "tensorflow",
    "keras",
    "keras-tuner",
    "onnx",
    "onnxruntime",
    "numpy",
    "scikit-learn",
    "pillow",
)

CHEAP: Final = ("check", "split")
"""Stages before the first one that a night would be spent on."""

PASSED: Final = "the deadline of an earlier command has passed and holds no more; --deadline gives another"

Hear = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a run is asked for."""

    dataset: Path
    recipe: LoadedRecipe
    name: str
    runs: Path
    exports: Path
    weights: Path | None = None
    deadline_at: float | None = None  # wall time, seconds since the epoch
    keep_deadline: bool = True  # where None is given: that of the command which is gone on with; False: none
    redo: str | None = None  # throw this stage away, and all after it
    last: str | None = None  # the stage to end with, whatever it finds; None: all, unless a finding stops the run

    @property
    def models_mb(self) -> float:
        """Megabytes that models take: none where the run ends before it has one."""
        return resources.MODELS_MB if self.last is None else 0.0


@dataclass(slots=True, kw_only=True)
class Run:
    """One run while it is worked on."""

    request: Request
    folder: RunFolder
    listing: Listing
    hear: Hear
    deadline_at: float | None
    facts: dict[str, Any]
    stage: str = ""

    @property
    def room_mb(self) -> float:
        """Megabytes that the run writes at most."""
        return resources.room_needed_mb(
            self.request.recipe.recipe, len(self.listing.files), models_mb=self.request.models_mb
        )

    @property
    def least_room_mb(self) -> float:
        """Megabytes without which the run cannot be done."""
        return resources.least_room_mb(
            self.request.recipe.recipe, len(self.listing.files), models_mb=self.request.models_mb
        )

    def tell(self, event: str, **facts: object) -> None:
        """An event for the console and for events.jsonl."""
        append_event(self.folder.events_jsonl, {"event": event, **facts})
        self.hear({"event": event, **facts})

    def from_child(self, message: Mapping[str, Any]) -> None:
        """A message of a stage's child; progress is for the console alone."""
        if message["say"] == "warning":
            self.tell("warning", stage=self.stage, text=message["text"])
        else:
            self.hear({"event": "progress", "stage": self.stage, **message})

    def save(self, state: str, **more: object) -> dict[str, Any]:
        """Write run.json: the run's own facts, and all that its stages say."""
        self.facts.update(state=state, updated=now_iso(), **more)
        whole = {**self.facts, **summarise(self.folder)}
        write_json(self.folder.run_json, whole)
        return whole


def list_dataset_of(dataset: Path, recipe: Recipe, *, own: Sequence[Path], small: bool = False) -> Listing:
    """What the names in a dataset's folder tell, before a file is opened.

    Args:
        own: the folders of runs and bundles, which are no classes.
        small: classes of any size are listed; else those that are too small by the names alone are refused at once.
    Raises: DataError: it is of no use; RecipeError: an unknown class is to be dropped, or folds are asked of a dataset
        that gives its validation part.
    """
    check = recipe.check
    too_few = Finding(kind=TOO_FEW, severity="stop", text="", count=1)
    listing = load_entry(LAYOUTS)(
        dataset,
        check.drop_classes,
        own=own,
        least=check.min_images_per_class if stops([too_few], check) and not small else 1,
        data=recipe.data,
        max_missing=check.max_rejected,
    )
    assert isinstance(listing, Listing)
    _refuse_folds(recipe.split.folds, listing)
    return listing


def _refuse_folds(folds: int, listing: Listing) -> None:
    """What split would refuse, before every file was decoded for it."""
    if folds and any(file.part == "validation" for file in listing.files):
        raise RecipeError(
            f"split.folds is {folds}, and the dataset gives its own validation part ({listing.layout}), which stays as "
            "it is. Set split.folds to 0, or move the validation images to train."
        )


def settings_of(request: Request) -> dict[str, object]:
    """What a run is asked for, flat, as its run.json keeps it."""
    return {
        "dataset": address_of(request.dataset, Path.resolve),  # however spelled, from wherever the command is given
        "weights": None if request.weights is None else str(request.weights.resolve()),
        **flatten(request.recipe.recipe.model_dump(mode="json")),
    }


def address_of(dataset: Path, settle: Callable[[Path], Path] = Path.absolute) -> str:
    """The dataset as another process finds it: an absolute path, or its name in a catalogue as it is."""
    return str(dataset if load_entry(IS_NAMED)(dataset) else settle(dataset))


def changed_settings(request: Request, folder: RunFolder) -> list[str]:
    """What has changed since the run of that name was begun; see accept_changes. Only reads.

    Raises: RunInUse: a stage that stays was done with other settings, or run.json cannot be understood.
    """
    before = read_run_json(folder)
    if was_stopped(folder, before):
        return []  # what is changed now is what the message asked for
    if not any(read_done(folder.done_json(stage)) for stage in STAGE_NAMES):
        return []  # nothing depends on the settings yet
    return accept_changes(request.name, before["settings"], settings_of(request), redo=request.redo)


def was_stopped(folder: RunFolder, before: Mapping[str, Any]) -> bool:
    """Whether the last command ended by a finding, and nothing was done that costs much to do again.

    Then files and settings may change, and the pipeline repeats what they touch. Args: before: the run's run.json.
    """
    refused = before.get("state") == "failed" and before.get("exit_code") == DataError.exit_code
    return refused and not any(read_done(folder.done_json(stage)) for stage in STAGE_NAMES if stage not in CHEAP)


def begin(request: Request, folder: RunFolder, listing: Listing, hear: Hear) -> Run:
    """Compare with what the run was begun with, and write down what it is."""
    settings = settings_of(request)
    before = read_run_json(folder)
    changed = changed_settings(request, folder)
    if request.redo != "check" and not was_stopped(folder, before):
        _refuse_other_files(folder, listing)
    if request.redo is not None:
        if request.redo == "check" and _has_other_files(folder, listing):
            set_aside(folder, "check")
        if STAGE_NAMES.index(request.redo) <= STAGE_NAMES.index("pick"):
            throw_away(folder.backbones)  # the user's own are taken anew
            if changed:
                set_aside(folder, "pick")
        for stage in STAGE_NAMES[STAGE_NAMES.index(request.redo) :]:
            throw_away(folder.stage(stage))
    now = time.time()
    stored = stored_deadline(before) if request.deadline_at is None and request.keep_deadline else None
    kept = stored if stored is not None and stored > now else None
    deadline_at = request.deadline_at if kept is None else kept
    facts = {
        "schema": SCHEMA,
        "name": request.name,
        "state": "running",
        "created": before.get("created", now_iso()),
        "dataset": settings["dataset"],
        "layout": listing.layout,
        "recipe": request.recipe.name,
        "seed": request.recipe.recipe.seed,
        "deadline_at": deadline_at,
        "settings": settings,
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": _hardware(),
    }
    write_text(folder.recipe_yaml, recipe_yaml(request.recipe))
    run = Run(request=request, folder=folder, listing=listing, hear=hear, deadline_at=deadline_at, facts=facts)
    run.save("running")
    run.tell(
        "run started",
        name=request.name,
        folder=str(folder.root),
        resumed=bool(before),
        layout=listing.layout,
        command=sys.argv[1:],
    )
    if kept is not None:
        how = before["state"] if before["state"] in {"interrupted", "failed"} else "killed"
        run.tell("deadline kept", until=kept, seconds=kept - now, of=how)
    elif stored is not None:
        run.tell("warning", stage="", text=PASSED)
    for line in changed:
        run.tell("warning", stage=request.redo, text=f"done again from {request.redo} with {line}")
    return run


def _refuse_other_files(folder: RunFolder, listing: Listing) -> None:
    """Raises: RunInUse: the dataset's files are no longer those that the run has checked."""
    if _has_other_files(folder, listing):
        found = f"the dataset's files have changed since the run {folder.name!r} checked them"
        raise RunInUse(
            f"{found}. Wanted: the same files, to "
            f"go on with it; or --redo check, which decodes the new and changed ones and does all else again. Else "
            f"choose another --name, or remove it by `automl runs clean {folder.name}`.",
            found,
        )


def _has_other_files(folder: RunFolder, listing: Listing) -> bool:
    """Whether check is done, and was done of other files."""
    done = read_done(folder.done_json("check"))
    return done is not None and done.inputs.get("dataset") != load_entry(FINGERPRINT)(listing)


def set_aside(folder: RunFolder, stage: str) -> None:
    """Keep what check has decoded, or pick computed, under another name: the next one takes over what still holds.

    What was set aside before stays where it is, for a stage that was cut short after it holds less.
    """
    own, earlier = folder.stage(stage), folder.earlier(stage)
    if not own.exists():
        return
    if earlier.exists() and not (own / "done.json").exists():
        throw_away(own)
        return
    throw_away(earlier)
    own.rename(earlier)
    sync_folder(folder.root)


def throw_away(folder: Path) -> None:
    if folder.exists():
        (folder / "done.json").unlink(missing_ok=True)  # first: what a kill leaves is then no finished stage
        shutil.rmtree(folder)


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}


def _hardware() -> dict[str, object]:
    return {
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "cores": psutil.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }
