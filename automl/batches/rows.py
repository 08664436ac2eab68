"""What a job came to, as a row: from its run's run.json, or from the error that ended it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from automl.batches.jobs_file import Job
from automl.errors import AutomlError, DataError, RunLocked
from automl.runs.begin import Request, settings_of
from automl.runs.folder import RunFolder
from automl.types import Interval, JobRow, JobState

_STATES: Final[dict[int, JobState]] = {DataError.exit_code: "refused", RunLocked.exit_code: "locked"}


def waiting_row(job: Job) -> JobRow:
    """A job that was not tried yet."""
    return JobRow(name=job.name, dataset=str(job.dataset), recipe=job.recipe.name, state="waiting")


def first_row(job: Job, request: Request) -> JobRow:
    """A job before it is tried: done where its run says so, and was asked for the same."""
    try:
        facts = json.loads(RunFolder(request.runs / job.name).run_json.read_bytes())
        same = facts["settings"] == settings_of(request)
        return done_row(job, facts) if same and facts["state"] == "done" else waiting_row(job)
    # None there, none that we understand, or a dataset's path that is none: its own job will tell.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return waiting_row(job)


def done_row(job: Job, facts: Mapping[str, Any]) -> JobRow:
    """A job whose run is done. Args: facts: its run.json. Raises: KeyError: it lacks what a finished run has."""
    variant = {row["name"]: row for row in facts["variants"]}[facts["chosen"]]
    accuracy = facts["metrics"]["test"]["accuracy"]
    return replace(
        waiting_row(job),
        state="done",
        exit_code=0,
        seconds=sum(float(stage["seconds"]) for stage in facts["stages"].values()),
        accuracy=Interval(value=accuracy["value"], low=accuracy["low"], high=accuracy["high"]),
        chosen=variant["name"],
        size_bytes=variant["size_bytes"],
        latency_ms=variant["latency_ms"],
        bundle=facts["bundle"],
        report=facts["report"],
        warnings=tuple(map(str, facts["warnings"])),
    )


def ended_row(job: Job, error: AutomlError, seconds: float) -> JobRow:
    """A job that an error ended, after so many seconds of this attempt."""
    return replace(
        waiting_row(job),
        state=_STATES.get(error.exit_code, "failed"),
        exit_code=error.exit_code,
        error=str(error),
        seconds=seconds,
    )
