"""One job after another, each a run like any other; what ends one job does not end the others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from automl.batches.ahead import fetch_ahead, refuse_empty_recipes
from automl.batches.deadline import Deadline, deadline_that_holds, given_deadline, share_until
from automl.batches.folder import BatchFolder, read_begun, rows_as_json, save_batch, write_fault
from automl.batches.jobs_file import Job, load_jobs
from automl.batches.rows import done_row, ended_row, first_row
from automl.batches.taken import in_batch_words, refuse_taken_names
from automl.code import load_entry
from automl.errors import (
    AutomlError,
    DataError,
    Interrupted,
    ResourceMissing,
    RunInUse,
    StageFailed,
    Terminated,
)
from automl.runs import resources
from automl.runs.begin import Request
from automl.runs.dataset import refuse_dataset
from automl.runs.events import now_iso
from automl.runs.folder import RunFolder
from automl.runs.lock import locked
from automl.runs.pipeline import execute
from automl.runs.refused import in_words
from automl.stage_table import NEED_WEIGHTS_FOLDERS
from automl.types import JobRow

Hear = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """What a batch is asked for."""

    jobs_file: Path
    until: str | None  # a time of day
    deadline: str | None  # a span from now; one of the two at most
    runs: Path
    exports: Path
    weights: Path | None
    strict: bool  # start nothing where a dataset cannot be listed


@dataclass(slots=True, kw_only=True)
class _Batch:
    """One batch while it is worked on."""

    request: BatchRequest
    folder: BatchFolder
    jobs: tuple[Job, ...]
    deadline: Deadline | None
    created: str
    rows: list[JobRow]
    hear: Hear

    def save(self, state: str) -> dict[str, Any]:
        """Write batch.json and the page."""
        return save_batch(
            self.folder,
            jobs_file=self.request.jobs_file,
            state=state,
            created=self.created,
            deadline=self.deadline,
            rows=self.rows,
        )


def execute_batch(request: BatchRequest, hear: Hear) -> dict[str, Any]:
    """Do a batch, or go on with it. Returns: the object that `--json` prints, also in batch.json.

    Args: hear: called with "job started" and "job ended", and with all that a run tells, in this thread.
    Raises: AutomlError, before any job begins: UsageError (RunInUse: a job's name is taken; limits that leave no
        backbone), DataError (strict), WrongWeights, ResourceMissing, RunLocked; and Interrupted, Terminated. A job's
        own error is in its row, and so are weights that could not be had.
    """
    given = given_deadline(request.until, request.deadline, datetime.now().astimezone())
    _refuse_wrong_options(request)
    jobs = load_jobs(request.jobs_file)
    runs = [_run_of(request, job) for job in jobs]
    refuse_taken_names(runs)
    refuse_empty_recipes(jobs, request.weights)
    if request.strict:
        _refuse_datasets(jobs, request.runs, request.exports)
    folder = BatchFolder.of(request.jobs_file, request.runs)
    resources.need_folder(request.runs, "runs (--runs)")
    resources.need_folder(request.exports, "exported bundles (--exports)")
    resources.need_folder(folder.root, "this batch")
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(folder.lock, "batch", "give the jobs file another name"))
        except OSError as error:  # a full disk
            raise in_words(error, folder.root) from error
        begun = read_begun(folder, request.jobs_file)
        batch = _Batch(
            request=request,
            folder=folder,
            jobs=jobs,
            deadline=deadline_that_holds(given, begun.deadline if begun else None, time.time()),
            created=begun.created if begun else now_iso(),
            rows=[first_row(job, run) for job, run in zip(jobs, runs, strict=True)],
            hear=hear,
        )
        try:
            return _go(batch)
        except AutomlError as error:
            error.jobs = rows_as_json(batch.rows)
            raise


def _run_of(request: BatchRequest, job: Job, until: float | None = None) -> Request:
    """The run that a job asks for."""
    return Request(
        dataset=job.dataset,
        recipe=job.recipe,
        name=job.name,
        runs=request.runs.resolve(),
        exports=request.exports.resolve(),
        weights=request.weights,
        deadline_at=until,
        keep_deadline=False,
    )


def _go(batch: _Batch) -> dict[str, Any]:
    """Every job in its turn."""
    number = 0
    try:
        _look_ahead(batch)
        for number, job in enumerate(batch.jobs, 1):
            _do_job(batch, number, job)
    except (Interrupted, Terminated, KeyboardInterrupt):
        if batch.rows[number - 1].state == "running":
            batch.rows[number - 1] = replace(batch.rows[number - 1], state="interrupted")
        with contextlib.suppress(ResourceMissing):  # that it ended matters more than that it is written down
            batch.save("interrupted")
        raise
    return batch.save("done" if all(row.state == "done" for row in batch.rows) else "failed")


def _look_ahead(batch: _Batch) -> None:
    """Fetch the weights that the jobs left need; whoever goes home hears which of them lack some."""
    left = [job for job, row in zip(batch.jobs, batch.rows, strict=True) if row.state != "done"]
    now = time.time()
    # As long as one more job might take.
    until = None if batch.deadline is None else share_until(now, batch.deadline.at, len(left) + 1)
    told = fetch_ahead(left, batch.request.weights, until, batch.hear)
    batch.rows = [replace(row, lacking=told.get(row.name, "")) for row in batch.rows]
    for name, text in told.items():
        batch.hear({"event": "warning", "stage": "", "text": f"job {name}: {text}"})


def _do_job(batch: _Batch, number: int, job: Job) -> None:
    """Run one job within its share of the time left, and put down what it came to."""
    was_done = batch.rows[number - 1].state == "done"
    now = time.time()
    until = None
    if batch.deadline is not None:
        left = 1 + sum(row.state != "done" for row in batch.rows[number:])
        until = share_until(now, batch.deadline.at, left)
    if not was_done:
        batch.rows[number - 1] = replace(batch.rows[number - 1], state="running")
    batch.save("running")
    place = {"number": number, "of": len(batch.jobs), "name": job.name}
    told = None if was_done else until  # a finished job is skipped, and needs no share
    batch.hear({"event": "job started", **place, "until": told, "seconds": None if told is None else told - now})
    lacking = batch.rows[number - 1].lacking
    batch.rows[number - 1] = row = replace(_row_after(batch, job, until, quiet=was_done), lacking=lacking)
    try:
        batch.save("running")
    except ResourceMissing as error:
        if row.error:  # of the two, what the job failed of is what there is to be learned
            raise ResourceMissing(f"the job {job.name!r} failed: {row.error}\nAnd {error}") from error
        raise
    batch.hear({"event": "job ended", **place, "state": row.state, "error": row.error, "seconds": row.seconds})


def _row_after(batch: _Batch, job: Job, until: float | None, *, quiet: bool) -> JobRow:
    """Do the job's run. Raises: Interrupted, Terminated; whatever `hear` raises, which is not the job's fault."""
    of_hear: list[Exception] = []

    def hear(event: Mapping[str, Any]) -> None:
        if quiet and event["event"] == "stage skipped":
            return  # ten lines for each job that an earlier command has done
        try:
            batch.hear(event)
        except Exception as error:  # whatever it is, it is the listener's, and raised on
            of_hear.append(error)
            raise

    request = _run_of(batch.request, job, until)
    began = time.monotonic()
    try:
        return done_row(job, execute(request, hear))
    except (Interrupted, Terminated):
        raise
    except RunInUse as error:
        return ended_row(job, in_batch_words(error, request), time.monotonic() - began)
    except AutomlError as error:
        return ended_row(job, error, time.monotonic() - began)
    except Exception as error:  # a fault of ours in one job must not cost the night's other jobs
        if error in of_hear:
            raise
        words = f"{type(error).__name__}: {error}. This is a fault of automl; please report {_written(batch, job)}"
        return ended_row(job, StageFailed(words), time.monotonic() - began)


def _written(batch: _Batch, job: Job) -> str:
    """Where the traceback of the fault at hand can be read."""
    try:
        return f"what {write_fault(batch.folder, job.name)} says"
    except OSError as error:
        return f"this; its log could not be written: {error.strerror}"


def _refuse_wrong_options(request: BatchRequest) -> None:
    """Raises: UsageError, WrongWeights: said once and at once, instead of once for each job."""
    resources.need_two_folders(request.runs, request.exports)
    load_entry(NEED_WEIGHTS_FOLDERS)(request.weights)


def _refuse_datasets(jobs: tuple[Job, ...], runs: Path, exports: Path) -> None:
    """Raises: DataError: some dataset cannot be listed; no image is opened, and no archive is extracted."""
    refused = []
    for job in jobs:
        try:
            refuse_dataset(job.dataset, job.recipe.recipe, RunFolder(runs / job.name), own=(runs, exports))
        except AutomlError as error:
            refused.append(f"  {job.name}: {error}\n")
    if refused:
        raise DataError(
            f"--strict: {len(refused)} of {len(jobs)} dataset(s) are refused, so no job was started:\n"
            + "".join(refused)
            + "Correct them, or leave out --strict: then the other jobs are done."
        )
