"""The loop over jobs, with a run that does nothing in the pipeline's place: what ends one job, and what ends all."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automl.batches import loop
from automl.batches.folder import BatchFolder
from automl.batches.loop import execute_batch
from automl.errors import (
    AutomlError,
    DataError,
    Interrupted,
    ResourceMissing,
    RunLocked,
    StageFailed,
)
from tests.batches.fake_runs import JOBS, quiet, request_in, states


def test_all_jobs_are_done_one_after_another_and_batch_json_holds_what_is_returned(tmp_path, runs_that_end):
    runs = runs_that_end()
    facts = execute_batch(request_in(tmp_path), quiet)
    assert runs.names == ["a", "b", "c"]
    assert [request.dataset for request in runs.asked] == [tmp_path / name for name in "abc"]
    assert facts["state"] == "done"
    assert facts["jobs"][1] == {
        "name": "b", "dataset": str(tmp_path / "b"), "recipe": "quick", "state": "done", "exit_code": 0, "error": "",
        "seconds": 60.0, "accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}, "chosen": "int8", "size_bytes": 4,
        "latency_ms": 1.5, "bundle": str(tmp_path / "exports" / "b"),
        "report": str(tmp_path / "runs" / "b" / "report" / "report.html"),
        "warnings": ["1 image is there twice", "the bundle is unverified"], "lacking": "",
    }  # fmt: skip
    folder = tmp_path / "runs" / "_batches" / "night"
    assert json.loads((folder / "batch.json").read_text()) == facts
    assert facts["page"] == str(folder / "batch.html")
    assert '<a href="../../b/report/report.html">' in (folder / "batch.html").read_text()


def test_an_error_or_a_fault_of_ours_costs_its_own_job_and_is_put_down_in_words(tmp_path, runs_that_end):
    runs = runs_that_end(a=DataError("one class"), b=ZeroDivisionError("half of nothing"))
    events = []
    facts = execute_batch(request_in(tmp_path), events.append)
    assert runs.names == ["a", "b", "c"]
    assert facts["state"] == "failed"
    assert [(job["state"], job["exit_code"]) for job in facts["jobs"]] == [("refused", 3), ("failed", 5), ("done", 0)]
    assert facts["jobs"][0]["error"] == "one class"
    log = tmp_path / "runs" / "_batches" / "night" / "log.txt"
    assert facts["jobs"][1]["error"] == (
        f"ZeroDivisionError: half of nothing. This is a fault of automl; please report what {log} says"
    )
    assert "Traceback" in log.read_text()
    ended = [(event["name"], event["state"], event["error"]) for event in events if event["event"] == "job ended"]
    assert ended[0] == ("a", "refused", "one class")
    assert ended[2] == ("c", "done", "")


def test_a_run_that_another_process_works_on_is_marked_locked(tmp_path, runs_that_end):
    runs_that_end(b=RunLocked("process 7 works on it"))
    facts = execute_batch(request_in(tmp_path), quiet)
    assert states(facts) == ["done", "locked", "done"]
    assert facts["jobs"][1]["exit_code"] == 6


@pytest.mark.parametrize("end", [Interrupted("Ctrl-C"), KeyboardInterrupt()], ids=lambda end: type(end).__name__)
def test_an_interrupt_ends_the_whole_batch_and_the_next_command_goes_on(tmp_path, runs_that_end, end):
    runs_that_end(b=end)
    with pytest.raises(type(end)) as caught:
        execute_batch(request_in(tmp_path), quiet)
    folder = tmp_path / "runs" / "_batches" / "night"
    facts = json.loads((folder / "batch.json").read_text())
    assert facts["state"] == "interrupted"
    assert states(facts) == ["done", "interrupted", "waiting"]
    if isinstance(end, AutomlError):
        assert caught.value.jobs == facts["jobs"]
    assert "the same command goes on" in (folder / "batch.html").read_text()
    again = runs_that_end()
    assert execute_batch(request_in(tmp_path), quiet)["state"] == "done"
    assert again.names == ["a", "b", "c"]


def test_what_the_listener_raises_is_not_put_down_to_a_job(tmp_path, runs_that_end):
    runs = runs_that_end()

    def broken(event: Mapping[str, Any]) -> None:
        if event["event"] == "warning":
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        execute_batch(request_in(tmp_path), broken)
    assert runs.names == ["a"]


def test_the_time_left_is_shared_among_the_jobs_left_and_done_ones_cost_nothing(tmp_path, runs_that_end):
    runs_that_end(b=StageFailed("no"))
    execute_batch(request_in(tmp_path), quiet)
    runs = runs_that_end(b=StageFailed("no"))
    text = JOBS + "  - {dataset: d}\n"
    began = time.time()
    facts = execute_batch(request_in(tmp_path, text, deadline="1h"), quiet)
    shares = [request.deadline_at - began for request in runs.asked]
    # b and d are left when a is skipped and b begins; c was done; nothing here takes time
    assert shares == pytest.approx([1200, 1800, 1800, 3600], abs=20)
    assert facts["deadline"] == {"text": "1h", "at": pytest.approx(began + 3600, abs=20)}
    again = runs_that_end()
    execute_batch(request_in(tmp_path, text), quiet)
    assert [(request.deadline_at, request.keep_deadline) for request in again.asked] == [(None, False)] * 4, (
        "every job was tried, so the deadline is over with that command"
    )


def test_a_batch_cut_short_goes_on_by_the_same_deadline(tmp_path, runs_that_end):
    runs_that_end(b=Interrupted("Ctrl-C"))
    with pytest.raises(Interrupted):
        execute_batch(request_in(tmp_path, deadline="1h"), quiet)
    folder = BatchFolder.of(tmp_path / "night.yaml", tmp_path / "runs")
    facts = json.loads(folder.batch_json.read_text())
    facts["deadline"]["at"] -= 3000
    folder.batch_json.write_text(json.dumps(facts))
    for given in ("1h", None):
        runs = runs_that_end(c=Interrupted("Ctrl-C"))
        with pytest.raises(Interrupted):
            execute_batch(request_in(tmp_path, deadline=given), quiet)
        assert runs.asked[-1].deadline_at == pytest.approx(facts["deadline"]["at"], abs=0.01)
    runs = runs_that_end()
    execute_batch(request_in(tmp_path, deadline="2h"), quiet)
    assert runs.asked[-1].deadline_at == pytest.approx(time.time() + 7200, abs=20)


def test_stages_of_jobs_done_before_are_not_told_one_by_one(tmp_path, runs_that_end):
    runs_that_end(c=StageFailed("no"))
    events = []
    execute_batch(request_in(tmp_path), quiet)
    execute_batch(request_in(tmp_path), events.append)
    assert [event["event"] for event in events] == [
        "job started", "warning", "job ended",
        "job started", "warning", "job ended",
        "job started", "stage skipped", "warning", "job ended",
    ]  # fmt: skip


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """So many tables are still written."""
    real, left = loop.save_batch, iter(range(after))

    def save(*args: Any, **more: Any) -> dict[str, Any]:
        if next(left, None) is None:
            raise ResourceMissing("the table cannot be written")
        return real(*args, **more)

    monkeypatch.setattr(loop, "save_batch", save)


def test_a_full_disk_under_the_table_does_not_hide_what_the_job_failed_of(tmp_path, runs_that_end, monkeypatch):
    runs_that_end(b=StageFailed("no room: the run takes 700 MB"))
    full_disk(monkeypatch, after=3)
    with pytest.raises(ResourceMissing) as caught:
        execute_batch(request_in(tmp_path), quiet)
    assert str(caught.value) == "the job 'b' failed: no room: the run takes 700 MB\nAnd the table cannot be written"
    assert [row["state"] for row in caught.value.jobs] == ["done", "failed", "waiting"]


def test_a_full_disk_hides_no_interrupt_and_no_fault_of_ours(tmp_path, runs_that_end, monkeypatch):
    def no_room(*_: object) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(loop, "write_fault", no_room)
    runs_that_end(a=ZeroDivisionError("half of nothing"), b=Interrupted("Ctrl-C"))
    full_disk(monkeypatch, after=3)
    with pytest.raises(Interrupted) as caught:
        execute_batch(request_in(tmp_path), quiet)
    assert caught.value.jobs[0]["error"] == (
        "ZeroDivisionError: half of nothing. This is a fault of automl; please report this; its log could not be "
        "written: No space left on device"
    )
    assert caught.value.jobs[1]["state"] == "interrupted"
