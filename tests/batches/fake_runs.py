"""A run that does nothing, for the loop over jobs to call in the pipeline's place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl.batches.loop import BatchRequest
from automl.runs.begin import Request, settings_of
from automl.runs.done import write_done

JOBS = "jobs:\n  - {dataset: a}\n  - {dataset: b}\n  - {dataset: c}\n"


class FakeRuns:
    """Stands for the pipeline: remembers what it was asked for, and ends as told; leaves a run.json as a run does."""

    def __init__(self, ends: Mapping[str, BaseException | None]) -> None:
        self.ends = dict(ends)
        self.asked: list[Request] = []

    def __call__(self, request: Request, hear: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
        self.asked.append(request)
        hear({"event": "stage skipped", "stage": "check", "number": 1, "of": 10, "seconds": 1.0})
        hear({"event": "warning", "stage": "check", "text": f"of {request.name}"})
        if error := self.ends.get(request.name):
            raise error
        root = request.runs.absolute() / request.name
        facts = {**finished(root, request.exports), "settings": settings_of(request)}
        (root / "check").mkdir(parents=True, exist_ok=True)
        (root / "run.json").write_text(json.dumps(facts))
        (root / "lock").touch()
        write_done(root / "check", inputs={}, seconds=20.0, finished_at="")
        return facts

    @property
    def names(self) -> list[str]:
        return [request.name for request in self.asked]


def finished(root: Path, exports: Path) -> dict[str, Any]:
    """What a batch reads of a finished run's run.json."""
    return {
        "schema": 1,
        "name": root.name,
        "state": "done",
        "stages": {"check": {"seconds": 20.0}, "train": {"seconds": 40.0}},
        "metrics": {"test": {"n": 50, "accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}}},
        "variants": [{"name": "fp32", "size_bytes": 9, "latency_ms": 2.5}, {"name": "int8", "size_bytes": 4,
                     "latency_ms": 1.5}],
        "chosen": "int8",
        "bundle": str(exports.absolute() / root.name),
        "report": str(root / "report" / "report.html"),
        "warnings": ["1 image is there twice", "the bundle is unverified"],
    }  # fmt: skip


def request_in(folder: Path, text: str = JOBS, **more: object) -> BatchRequest:
    path = folder / "night.yaml"
    path.write_text(text)
    plain = {"until": None, "deadline": None, "weights": None, "strict": False}
    return BatchRequest(jobs_file=path, runs=folder / "runs", exports=folder / "exports", **{**plain, **more})


def quiet(event: Mapping[str, Any]) -> None:
    pass


def states(facts: Mapping[str, Any]) -> list[str]:
    return [job["state"] for job in facts["jobs"]]
