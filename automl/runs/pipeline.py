"""The order of a run: what is finished is skipped, what is not is run in a child, and done.json is written last."""

from __future__ import annotations

import contextlib
import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil

from automl.code import load_entry
from automl.errors import (
    AutomlError,
    DeadlinePassed,
    Interrupted,
    ResourceMissing,
    RunInUse,
    StageFailed,
    Terminated,
    UsageError,
    WrongWeights,
)
from automl.recipe.load import LoadedRecipe, recipe_yaml
from automl.recipe.model import Recipe
from automl.runs import resources
from automl.runs.atomic import write_json, write_text
from automl.runs.done import Done, checksum, faults_of, fingerprint_of, read_done, sweep_temporary, write_done
from automl.runs.events import append_event
from automl.runs.folder import RunFolder, check_name
from automl.runs.inventory import SCHEMA, read_run_json
from automl.runs.lock import locked
from automl.runs.refused import refusals_in_words, with_room
from automl.runs.rehearsal import rehearse
from automl.runs.settings import accept_changes, flatten
from automl.runs.summary import summarise
from automl.runtime.children import Children
from automl.stage_table import FINGERPRINT, LAYOUTS, STAGE_NAMES, STAGES, Stage
from automl.types import Listing

FIRST_DEPLOYABLE: Final = "pick"
"""The stage after which there is a model that could be shipped."""
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
    deadline_at: float | None = None  # wall time, seconds since the epoch; None: as the run has it, or none
    keep_deadline: bool = True  # False: where deadline_at is None, the one that the run has holds no more
    redo: str | None = None  # throw this stage away, and all after it


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run while it is worked on."""

    request: Request
    folder: RunFolder
    listing: Listing
    hear: Hear
    deadline_at: float | None
    facts: dict[str, Any]
    stage: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def room_mb(self) -> float:
        """Megabytes that the run writes at most."""
        return resources.room_needed_mb(self.request.recipe.recipe, len(self.listing.files))

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
        self.facts.update(state=state, updated=_now(), **more)
        whole = {**self.facts, **summarise(self.folder)}
        write_json(self.folder.run_json, whole)
        return whole


def execute(request: Request, hear: Hear) -> dict[str, Any]:
    """Do a run, or go on with it. Returns: the object that `--json` prints, also in run.json.

    Args: hear: called with each event (see events.jsonl) and with progress, in this thread.
    Raises: an AutomlError of errors.py; what was finished stays and is not repeated by the next call.
    """
    check_name(request.name)
    if request.redo is not None and request.redo not in STAGE_NAMES:
        raise UsageError(f"--redo {request.redo}: no such stage. Wanted: one of {', '.join(STAGE_NAMES)}.")
    if request.weights is not None and not request.weights.is_dir():
        raise WrongWeights(
            f"{request.weights} is not a folder. Wanted: a folder with weights files. Correct --weights."
        )
    listing = list_dataset_of(request.dataset, request.recipe.recipe, own=(request.runs, request.exports))
    folder = RunFolder(request.runs.absolute() / request.name)
    if request.redo is not None and not folder.is_run():
        raise UsageError(f"--redo {request.redo}: there is no run {request.name!r} in {request.runs}. Leave it out.")
    resources.need_folder(request.runs, "runs (--runs)")
    resources.need_own(folder)
    resources.need_folder(folder.root, "this run")
    room_mb = resources.room_needed_mb(request.recipe.recipe, len(listing.files))
    with refusals_in_words(folder.root, room_mb), locked(folder.lock):
        run = _begin(request, folder, listing, hear)
        try:
            with refusals_in_words(folder.root, room_mb):
                return _go(run)
        except (Interrupted, Terminated, KeyboardInterrupt) as error:
            with contextlib.suppress(OSError):  # that it ended matters more than that it is written down
                run.tell("interrupted", stage=run.stage, error=str(error))
                run.save("interrupted")
            raise
        except AutomlError as error:
            with contextlib.suppress(OSError):  # as above: the disk may be full
                run.tell("failed", stage=run.stage, error=str(error))
                run.save("failed", error=str(error), exit_code=error.exit_code)
            raise


def list_dataset_of(dataset: Path, recipe: Recipe, *, own: Sequence[Path]) -> Listing:
    """What the names in a dataset's folder tell, before a file is opened.

    Args: own: the folders of runs and bundles, which are no classes.
    Raises: DataError: it is of no use; RecipeError: an unknown class is to be dropped.
    """
    check = recipe.check
    listing = load_entry(LAYOUTS)(dataset, check.drop_classes, own=own, least=check.min_images_per_class)
    assert isinstance(listing, Listing)
    return listing


def _begin(request: Request, folder: RunFolder, listing: Listing, hear: Hear) -> _Run:
    """Compare with what the run was begun with, and write down what it is."""
    settings = {
        "dataset": str(request.dataset.absolute()),
        "weights": None if request.weights is None else str(request.weights.absolute()),
        **flatten(request.recipe.recipe.model_dump(mode="json")),
    }
    before = read_run_json(folder)
    changed: list[str] = []
    if any(read_done(folder.done_json(stage)) for stage in STAGE_NAMES):  # else nothing depends on the settings yet
        changed = accept_changes(request.name, before["settings"], settings, redo=request.redo)
        if request.redo != "check":
            _refuse_other_files(folder, listing)
    if request.redo is not None:
        for stage in STAGE_NAMES[STAGE_NAMES.index(request.redo) :]:
            _throw_away(folder.stage(stage))
    deadline_at = request.deadline_at
    if deadline_at is None and request.keep_deadline:
        deadline_at = before.get("deadline_at")
    facts = {
        "schema": SCHEMA,
        "name": request.name,
        "state": "running",
        "created": before.get("created", _now()),
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
    run = _Run(request=request, folder=folder, listing=listing, hear=hear, deadline_at=deadline_at, facts=facts)
    run.save("running")
    run.tell("run started", name=request.name, folder=str(folder.root), resumed=bool(before), command=sys.argv[1:])
    for line in changed:
        run.tell("warning", stage=request.redo, text=f"done again from {request.redo} with {line}")
    return run


def _refuse_other_files(folder: RunFolder, listing: Listing) -> None:
    """Raises: RunInUse: the dataset's files are no longer those that the run has checked."""
    done = read_done(folder.done_json("check"))
    if done is not None and done.inputs.get("dataset") != load_entry(FINGERPRINT)(listing):
        raise RunInUse(
            f"the dataset's files have changed since the run {folder.name!r} checked them. Wanted: the same files, to "
            f"go on with it; or --redo check, which does it all again. Else choose another --name, or remove it by "
            f"`automl runs clean {folder.name}`."
        )


def _go(run: _Run) -> dict[str, Any]:
    """The rehearsal, then the ten stages."""
    recipe = run.request.recipe.recipe
    begun = {stage.name for stage in STAGES if read_done(run.folder.done_json(stage.name))}
    if len(begun) < len(STAGES):
        resources.need_folder(run.request.exports, "exported bundles (--exports)")
        resources.need_place(run.request.exports, run.request.name)
        if "check" not in begun:
            resources.need_room(run.folder.root, run.room_mb)
        resources.need_memory()
    with Children(run.folder.root / "forkserver.log", run.from_child) as children:
        if FIRST_DEPLOYABLE not in begun:
            run.stage = "rehearsal"
            run.tell("stage started", stage="rehearsal", does="try the export path with the untrained networks")
            started = time.monotonic()
            _refuse_late(_left(run))
            try:
                rehearse(run.folder, recipe, run.request.weights, children, _left(run))
            except StageFailed:
                _refuse_late(_left(run))  # the deadline stopped it
                raise
            run.tell("stage done", stage="rehearsal", seconds=time.monotonic() - started)
        for number, stage in enumerate(STAGES, 1):
            _do_stage(run, stage, number, children)
    run.stage = ""
    whole = run.save("done")
    run.tell("run done", bundle=whole.get("bundle"), report=whole.get("report"))
    return whole


def _do_stage(run: _Run, stage: Stage, number: int, children: Children) -> None:
    """Skip a finished stage; run any other in a child, and write done.json after it."""
    run.stage = stage.name
    if (done := _finished(run, stage)) is not None:
        run.tell("stage skipped", stage=stage.name, number=number, of=len(STAGES), seconds=done.seconds)
        return
    inputs = _inputs(run, stage)
    _make_ready(run.folder.stage(stage.name), inputs)
    run.tell("stage started", stage=stage.name, number=number, of=len(STAGES), does=stage.does)
    started = time.monotonic()
    arguments = {
        "stage": stage.name,
        "run": str(run.folder.root),
        "recipe": run.request.recipe.recipe.model_dump(mode="json"),
        "dataset": str(run.request.dataset.absolute()),
        "exports": str(run.request.exports.absolute()),
        "weights": None if run.request.weights is None else str(run.request.weights.absolute()),
        "deadline_at": run.deadline_at,
    }
    before_the_first = number <= STAGE_NAMES.index(FIRST_DEPLOYABLE) + 1
    left = _left(run) if before_the_first else None
    _refuse_late(left)
    try:
        children.run(stage.kind, "automl.runtime.stage_body:run_stage", arguments, log=run.folder.log_txt, limit_s=left)
    except StageFailed as error:
        _refuse_late(_left(run) if before_the_first else None)
        raise type(error)(f"the stage {stage.name!r} failed: {error}") from error
    except ResourceMissing as error:
        worded = with_room(error, run.folder.root, run.room_mb)
        raise type(worded)(f"the stage {stage.name!r} failed: {worded}") from error
    seconds = time.monotonic() - started
    write_done(run.folder.stage(stage.name), inputs=inputs, seconds=seconds, finished_at=_now())
    run.save("running")
    run.tell("stage done", stage=stage.name, number=number, of=len(STAGES), seconds=seconds)


def _finished(run: _Run, stage: Stage) -> Done | None:
    """The stage's done.json, if it was made from the same inputs and its files are whole."""
    path = run.folder.done_json(stage.name)
    done = read_done(path)
    if done is None:
        faults = ["done.json cannot be understood"] if path.exists() else []
    elif done.fingerprint != fingerprint_of(_inputs(run, stage)):
        return None
    else:
        faults = faults_of(path.parent, done)
    if faults:
        run.tell("warning", stage=stage.name, text=f"the finished stage {stage.name!r} is repeated: {faults[0]}")
        return None
    return done


def _inputs(run: _Run, stage: Stage) -> dict[str, object]:
    """All that the stage reads, by name; a nested value is itself a fingerprint or a checksum."""
    recipe = run.request.recipe.recipe
    inputs: dict[str, object] = {"version": stage.version, **_slice_of(recipe, stage.recipe)}
    index = STAGES.index(stage)
    if index == 0:
        inputs["dataset"] = load_entry(FINGERPRINT)(run.listing)
    else:
        before = STAGES[index - 1].name
        done = read_done(run.folder.done_json(before))
        inputs["before"] = "" if done is None else done.fingerprint
        record = run.folder.record_json(before)
        inputs["record"] = checksum(record) if record.exists() else ""
    if stage.name == "report":
        inputs["exports"] = str(run.request.exports.absolute())
    return inputs


def _slice_of(recipe: Recipe, sections: tuple[str, ...]) -> dict[str, object]:
    whole = recipe.model_dump(mode="json")
    return flatten({section: whole[section] for section in sections})


def _make_ready(folder: Path, inputs: dict[str, object]) -> None:
    """A stage that was cut short keeps what it committed, if it was begun from the same inputs; else it is emptied."""
    begun = folder / "begun.json"
    try:
        same = begun.read_text() == fingerprint_of(inputs)
    except OSError:
        same = False
    if same and not (folder / "done.json").exists():
        sweep_temporary(folder)
        return
    _throw_away(folder)
    folder.mkdir(parents=True)
    write_text(begun, fingerprint_of(inputs))


def _throw_away(folder: Path) -> None:
    if folder.exists():
        (folder / "done.json").unlink(missing_ok=True)  # first: what a kill leaves is then no finished stage
        shutil.rmtree(folder)


def _left(run: _Run) -> float | None:
    return None if run.deadline_at is None else run.deadline_at - time.time()


def _refuse_late(left: float | None) -> None:
    if left is not None and left <= 0:
        raise DeadlinePassed(
            "the deadline came before there was a model that could be deployed. Wanted: time to check the data and "
            "to rank the backbones. Run the same command again with a later --deadline: what was finished is kept."
        )


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}


def _hardware() -> dict[str, object]:
    return {
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "cores": psutil.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat("T", "seconds")
