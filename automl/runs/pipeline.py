"""The order of a run: what is finished is skipped, what is not is run in a child, and done.json is written last."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Final

from automl.code import load_entry
from automl.errors import (
    AutomlError,
    DeadlinePassed,
    Interrupted,
    ResourceMissing,
    StageFailed,
    Terminated,
    UsageError,
)
from automl.recipe.model import Recipe
from automl.records import Checked, Parted, Picked, Reported
from automl.runs import resources
from automl.runs.atomic import write_text
from automl.runs.begin import Hear, Request, Run, address_of, begin, list_dataset_of, set_aside, throw_away
from automl.runs.dataset import files_in, is_brought, listing_of_brought, remarks_on
from automl.runs.deadline import overrun
from automl.runs.done import Done, checksum, faults_of, fingerprint_of, read_done, sweep_temporary, write_done
from automl.runs.events import now_iso
from automl.runs.folder import RunFolder, check_name
from automl.runs.lock import locked
from automl.runs.refused import SAME, refusals_in_words, with_room, without_redo
from automl.runs.rehearsal import rehearse
from automl.runs.settings import flatten
from automl.runs.stops import DECIDED_HERE, Found, let_pass, stopped, stops
from automl.runtime.children import Children
from automl.stage_table import (
    BUNDLE_FAULTS,
    FINGERPRINT,
    NEED_CANDIDATES,
    NEED_WEIGHTS_FOLDERS,
    STAGE_NAMES,
    STAGES,
    Stage,
)

FIRST_DEPLOYABLE: Final = "pick"
"""The stage after which there is a model that could be shipped."""
FINDERS: Final[dict[str, type[Checked | Parted | Picked]]] = {kind.__name__: kind for kind in (Checked, Parted, Picked)}
"""Records with findings, all of stages before the training."""


def execute(request: Request, hear: Hear) -> dict[str, Any]:
    """Do a run, or go on with it. Returns: the object that `--json` prints, also in run.json.

    Args: hear: called with each event (see events.jsonl) and with progress, in this thread.
    Raises: an AutomlError of errors.py; what was finished stays and is not repeated by the next call.
    """
    check_name(request.name)
    if request.redo is not None and request.redo not in STAGE_NAMES:
        raise UsageError(f"--redo {request.redo}: no such stage. Wanted: one of {', '.join(STAGE_NAMES)}.")
    if request.last is None:  # a check alone needs no weights
        load_entry(NEED_WEIGHTS_FOLDERS)(request.weights)
    recipe = request.recipe.recipe
    resources.need_two_folders(request.runs, request.exports)
    folder = RunFolder(request.runs.resolve() / request.name)
    listing = None
    if not is_brought(request.dataset):
        own = (request.runs, request.exports)
        listing = list_dataset_of(request.dataset, recipe, own=own, small=request.last is not None)
    n_files = files_in(request.dataset, folder) if listing is None else len(listing.files)
    if request.redo is not None and not folder.is_run():
        raise UsageError(f"--redo {request.redo}: there is no run {request.name!r} in {request.runs}. Leave it out.")
    resources.need_folder(request.runs, "runs (--runs)")
    resources.need_own(folder)
    resources.need_folder(folder.root, "this run")
    room_mb = resources.room_needed_mb(recipe, n_files, models_mb=request.models_mb)
    with refusals_in_words(folder.root, room_mb), locked(folder.lock):
        run = begin(request, folder, listing or listing_of_brought(request, folder, hear), hear)
        try:
            with refusals_in_words(folder.root, room_mb):
                if read_done(folder.done_json("check")) is None:
                    for text in remarks_on(request.dataset, folder):
                        run.tell("warning", stage="", text=text)
                return _go(run)
        except (Interrupted, Terminated, KeyboardInterrupt) as error:
            with contextlib.suppress(OSError):  # that it ended matters more than that it is written down
                run.tell("interrupted", stage=run.stage, error=str(error))
                run.save("interrupted")
            raise
        except AutomlError as error:
            if request.redo is not None:
                error.args = (without_redo(str(error)),)
            with contextlib.suppress(OSError):  # as above: the disk may be full
                run.tell("failed", stage=run.stage, error=str(error))
                run.save("failed", error=str(error), exit_code=error.exit_code)
            raise


def _go(run: Run) -> dict[str, Any]:
    """The rehearsal, then the ten stages; or the first ones alone, where the request names the last."""
    recipe, last = run.request.recipe.recipe, run.request.last
    stages = STAGES if last is None else STAGES[: STAGE_NAMES.index(last) + 1]
    begun = {stage.name for stage in STAGES if read_done(run.folder.done_json(stage.name))}
    if len(begun) < len(STAGES) and last is None:
        resources.need_folder(run.request.exports, "exported bundles (--exports)")
        resources.need_place(run.request.exports, run.folder)
        resources.need_memory()
    if FIRST_DEPLOYABLE not in begun and last is None:
        load_entry(NEED_CANDIDATES)(recipe, run.request.weights)
    if "check" not in begun:
        models = " and the models" if last is None else ""
        resources.need_room(run.folder.root, run.least_room_mb, f"the packed images{models}")
    with Children(run.folder.root / "forkserver.log", run.from_child) as children:
        if FIRST_DEPLOYABLE not in begun and last is None:
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
        late = []  # stages that were done after the deadline
        for number, stage in enumerate(stages, 1):
            done_now = _do_stage(run, stage, number, children, of=len(stages))
            if done_now and (left := _left(run)) is not None and left < 0:
                late.append(stage.name)
            if stage.name == "check" and "check" not in begun:  # whose data it is, is known only now
                resources.need_place(run.request.exports, run.folder)
            if last is None:
                _act_on_findings(run, stage)
    run.stage = ""
    if text := overrun(run.deadline_at, time.time(), late):
        run.tell("warning", stage=late[-1], text=text)
    whole = run.save("done")
    run.tell("run done", **{key: whole.get(key) for key in ("bundle", "report", "dataset_fingerprint")})
    return whole


def _act_on_findings(run: Run, stage: Stage) -> None:
    """Raises: DataError: the stage's record has findings that stop a run; those that only would are warned of."""
    if stage.record not in FINDERS:
        return
    found: Found = run.folder.record(FINDERS[stage.record])
    check = run.request.recipe.recipe.check
    if ending := stops(found.findings, check):
        raise stopped(ending, check)
    for finding in let_pass(found.findings, check):
        run.tell("warning", stage=stage.name, text=f"{finding.text} It is let pass by the recipe.")


def _do_stage(run: Run, stage: Stage, number: int, children: Children, *, of: int) -> bool:
    """Skip a finished stage; run any other in a child, and write done.json after it. Returns: whether it was run."""
    run.stage = stage.name
    if (done := _finished(run, stage)) is not None:
        run.tell("stage skipped", stage=stage.name, number=number, of=of, seconds=done.seconds)
        return False
    inputs = _inputs(run, stage)
    _make_ready(run.folder.stage(stage.name), inputs)
    run.tell("stage started", stage=stage.name, number=number, of=of, does=stage.does)
    started = time.monotonic()
    arguments = {
        "stage": stage.name,
        "run": str(run.folder.root),
        "recipe": run.request.recipe.recipe.model_dump(mode="json"),
        "dataset": address_of(run.request.dataset),
        "exports": str(run.request.exports.resolve()),
        "weights": None if run.request.weights is None else str(run.request.weights.absolute()),
        "deadline_at": run.deadline_at,
        "models_mb": run.request.models_mb,
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
    write_done(run.folder.stage(stage.name), inputs=inputs, seconds=seconds, finished_at=now_iso())
    run.save("running")
    run.tell("stage done", stage=stage.name, number=number, of=of, seconds=seconds)
    return True


def _finished(run: Run, stage: Stage) -> Done | None:
    """The stage's done.json, if it was made from the same inputs and its files are whole."""
    path = run.folder.done_json(stage.name)
    done = read_done(path)
    if done is None:
        faults = ["done.json cannot be understood"] if path.exists() else []
    elif done.fingerprint != fingerprint_of(_inputs(run, stage)):
        return None
    else:
        faults = faults_of(path.parent, done) or _bundle_faults(run, stage)
    if faults:
        run.tell("warning", stage=stage.name, text=f"the finished stage {stage.name!r} is repeated: {faults[0]}")
        return None
    return done


def _bundle_faults(run: Run, stage: Stage) -> list[str]:
    """How the published bundle is no longer what the finished stage report left."""
    if stage.record != Reported.__name__:
        return []
    try:
        reported = run.folder.record(Reported)
        faults = load_entry(BUNDLE_FAULTS)(Path(reported.bundle), reported.checksums)
    except (StageFailed, OSError) as error:
        return [str(error)]
    assert isinstance(faults, list)
    return faults


def _inputs(run: Run, stage: Stage) -> dict[str, object]:
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
        inputs["exports"] = str(run.request.exports.resolve())
    return inputs


def _slice_of(recipe: Recipe, sections: tuple[str, ...]) -> dict[str, object]:
    whole = recipe.model_dump(mode="json")
    flat = flatten({section: whole[section] for section in sections})
    return {key: value for key, value in flat.items() if key not in DECIDED_HERE}


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
    if folder.name == STAGE_NAMES[0] and not same:
        set_aside(RunFolder(folder.parent), folder.name)
    throw_away(folder)
    folder.mkdir(parents=True)
    write_text(begun, fingerprint_of(inputs))


def _left(run: Run) -> float | None:
    return None if run.deadline_at is None else run.deadline_at - time.time()


def _refuse_late(left: float | None) -> None:
    if left is not None and left <= 0:
        raise DeadlinePassed(
            "the deadline came before there was a model that could be deployed. Wanted: time to check the data and "
            f"to rank the backbones. Run {SAME}, with a later --deadline: what was finished is kept."
        )
