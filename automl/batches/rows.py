"""What a job came to, as a row: from its run's run.json, or from the error that ended it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from automl.batches.jobs_file import Job
from automl.errors import AutomlError, DataError, RunLocked
from automl.runs.folder import RunFolder
from automl.types import Interval, JobRow, JobState

_STATES: Final[dict[int, JobState]] = {DataError.exit_code: "refused", RunLocked.exit_code: "locked"}


def waiting_row(job: Job) -> JobRow:
    """A job that was not tried yet."""
    return JobRow(name=job.name, dataset=str(job.dataset.absolute()), recipe=job.recipe.name, state="waiting")


def first_row(job: Job, runs: Path) -> JobRow:
    """A job before it is tried: done, where its run says so; the run itself is compared when its turn comes."""
    try:
        facts = json.loads(RunFolder(runs / job.name).run_json.read_bytes())
        return done_row(job, facts) if facts["state"] == "done" else waiting_row(job)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none there, or none that we understand
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
