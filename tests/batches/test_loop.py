"""The loop over jobs, with a run that does nothing in the pipeline's place: what ends one job, and what ends all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.batches import loop
from automl.batches.folder import BatchFolder
from automl.batches.loop import BatchRequest, execute_batch
from automl.errors import (
    DataError,
    Interrupted,
    ResourceMissing,
    RunInUse,
    RunLocked,
    StageFailed,
    UsageError,
    WrongWeights,
)
from automl.runs.begin import Request, settings_of
from automl.runs.done import write_done
from automl.runs.lock import locked

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
    }  # fmt: skip


@pytest.fixture
def runs_that_end(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeRuns]:
    def make(**ends: BaseException | None) -> FakeRuns:
        fake = FakeRuns(ends)
        monkeypatch.setattr(loop, "execute", fake)
        return fake

    return make


def request_in(folder: Path, text: str = JOBS, **more: object) -> BatchRequest:
    path = folder / "night.yaml"
    path.write_text(text)
    plain = {"until": None, "deadline": None, "weights": None, "strict": False}
    return BatchRequest(jobs_file=path, runs=folder / "runs", exports=folder / "exports", **{**plain, **more})


def quiet(event: Mapping[str, Any]) -> None:
    pass


def states(facts: Mapping[str, Any]) -> list[str]:
    return [job["state"] for job in facts["jobs"]]


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
    with pytest.raises(type(end)):
        execute_batch(request_in(tmp_path), quiet)
    folder = tmp_path / "runs" / "_batches" / "night"
    facts = json.loads((folder / "batch.json").read_text())
    assert facts["state"] == "interrupted"
    assert states(facts) == ["done", "interrupted", "waiting"]
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


def test_strict_lists_every_dataset_first_and_starts_nothing_where_one_is_refused(
    tmp_path, runs_that_end, bars_dataset
):
    runs = runs_that_end()
    text = f"jobs:\n  - {{dataset: {bars_dataset}}}\n  - {{dataset: b}}\n  - {{dataset: night.yaml, name: c}}\n"
    with pytest.raises(DataError) as caught:
        execute_batch(request_in(tmp_path, text, strict=True), quiet)
    message = str(caught.value)
    assert message.startswith("--strict: 2 of 3 dataset(s) are refused, so no job was started:\n")
    assert f"  b: there is no folder {tmp_path / 'b'}." in message
    assert f"  c: {tmp_path / 'night.yaml'} is a file." in message
    assert message.endswith("Correct them, or leave out --strict: then the other jobs are done.")
    assert not runs.asked
    text = f"jobs: [{{dataset: {bars_dataset}}}]"
    assert execute_batch(request_in(tmp_path, text, strict=True), quiet)["state"] == "done"


def test_a_fault_of_every_job_is_told_once_and_before_any(tmp_path, runs_that_end):
    runs = runs_that_end()
    with pytest.raises(WrongWeights, match="is not a folder. Wanted: a folder with weights files"):
        execute_batch(request_in(tmp_path, weights=tmp_path / "no"), quiet)
    (tmp_path / "exports").write_text("")
    with pytest.raises(ResourceMissing, match="cannot be written .* Wanted: a folder for exported bundles"):
        execute_batch(request_in(tmp_path), quiet)
    assert not runs.asked


def test_a_second_command_on_the_same_batch_is_told_who_holds_it(tmp_path, runs_that_end):
    runs = runs_that_end()
    folder = BatchFolder.of(tmp_path / "night.yaml", tmp_path / "runs")
    words = "the batch 'night' is being worked on by process .* stop it, or give the jobs file another name"
    with locked(folder.lock), pytest.raises(RunLocked, match=words):
        execute_batch(request_in(tmp_path), quiet)
    assert not runs.asked


def test_a_batch_of_another_jobs_file_or_of_another_version_is_left_alone(tmp_path, runs_that_end):
    runs_that_end()
    execute_batch(request_in(tmp_path), quiet)
    (tmp_path / "other").mkdir()
    request = request_in(tmp_path / "other", "jobs: [{dataset: d}]")
    same_runs = BatchRequest(
        jobs_file=request.jobs_file, runs=tmp_path / "runs", exports=tmp_path / "exports",
        until=None, deadline=None, weights=None, strict=False,
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"is the batch of another jobs file, .*night.yaml. .*Rename night.yaml"):
        execute_batch(same_runs, quiet)
    batch_json = BatchFolder.of(tmp_path / "night.yaml", tmp_path / "runs").batch_json
    batch_json.write_text('{"schema": 99}')
    with pytest.raises(StageFailed, match="cannot be understood .*schema 99, not 1.* Remove .* the runs stay"):
        execute_batch(request_in(tmp_path), quiet)


def test_the_same_jobs_file_by_another_path_is_the_same_batch_and_paths_are_told_without_dots(tmp_path, runs_that_end):
    (tmp_path / "x").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path)
    runs_that_end()
    text = "jobs: [{dataset: ../data/x/../a}]"
    first = execute_batch(request_in(tmp_path, text), quiet)
    for spelled in (tmp_path / "x" / "..", tmp_path / "linked"):
        facts = execute_batch(request_in(spelled, text), quiet)
        assert {**facts, "updated": ""} == {**first, "updated": ""}
    assert (first["jobs_file"], first["page"]) == (
        str(tmp_path / "night.yaml"), str(tmp_path / "runs/_batches/night/batch.html")
    )  # fmt: skip
    assert first["jobs"][0]["dataset"] == str(tmp_path.parent / "data" / "a")
    assert first["jobs"][0]["bundle"] == str(tmp_path / "exports" / "a")


def test_names_that_are_taken_are_told_all_at_once_and_nothing_starts(tmp_path, runs_that_end):
    runs_that_end()
    execute_batch(request_in(tmp_path), quiet)
    runs = tmp_path / "runs"
    before = (runs / "_batches/night/batch.json").read_text()
    (runs / "c" / "run.json").write_text("{")
    (runs / "d").mkdir()
    (runs / "d" / "holiday.jpg").touch()
    asked = runs_that_end().asked
    text = (
        "jobs:\n  - {dataset: other, name: a}\n  - {dataset: b}\n  - {dataset: c}\n  - {dataset: d}\n"
        "  - {dataset: b, name: new, set: {seed: 9}}\n"
    )
    with pytest.raises(RunInUse) as caught:
        execute_batch(request_in(tmp_path, text), quiet)
    assert str(caught.value) == (
        "3 of 5 job(s) have a name that is taken, and no job was started:\n"
        "  a: a run named 'a' exists and was begun with other settings:\n"
        f"    dataset: was '{tmp_path}/a', is '{tmp_path}/other'\n"
        f"  c: {runs}/c/run.json cannot be understood (Expecting property name enclosed in double quotes: line 1 "
        "column 2 (char 1))\n"
        f"  d: {runs}/d holds 'holiday.jpg' and is no run\n"
        "Wanted: for each a name that is free, or a run to go on with. "
        f"Give each another `name` in the jobs file, or remove the runs: automl runs clean a c --runs {runs}"
    )
    assert not asked
    assert (runs / "_batches/night/batch.json").read_text() == before
    with pytest.raises(RunInUse, match=r"seed: was \d+, is 9\nWanted: .* Give it another `name` in"):
        execute_batch(request_in(tmp_path, "jobs: [{dataset: b, set: {seed: 9}}]"), quiet)


def test_a_run_that_finished_no_stage_gives_its_name_to_other_settings_and_is_not_shown_as_done(
    tmp_path, runs_that_end
):
    runs_that_end()
    execute_batch(request_in(tmp_path), quiet)
    (tmp_path / "runs/a/check/done.json").unlink()
    runs = runs_that_end(c=Interrupted("Ctrl-C"))
    text = JOBS.replace("dataset: a", "dataset: other, name: a")
    seen = []

    def look(event: Mapping[str, Any]) -> None:
        if event["event"] == "job started":
            seen.append(json.loads((tmp_path / "runs/_batches/night/batch.json").read_text()))

    began = time.time()
    with pytest.raises(Interrupted):
        execute_batch(request_in(tmp_path, text, deadline="1h"), look)
    assert states(seen[0]) == ["running", "done", "done"]
    assert seen[0]["jobs"][0]["accuracy"] is None
    assert runs.asked[0].deadline_at == pytest.approx(began + 3600, abs=20)


def test_a_job_whose_files_have_changed_costs_itself_and_its_advice_is_for_a_batch(tmp_path, runs_that_end):
    runs_that_end()
    execute_batch(request_in(tmp_path), quiet)
    runs_that_end(b=RunInUse("files have changed. Choose another --name.", "files have changed"))
    facts = execute_batch(request_in(tmp_path), quiet)
    assert states(facts) == ["done", "failed", "done"]
    assert facts["jobs"][1]["exit_code"] == 2
    assert facts["jobs"][1]["error"] == (
        "files have changed. Wanted: a name that is free, or a run to go on with. Give it another `name` in "
        f"the jobs file, or remove the run: automl runs clean b --runs {tmp_path}/runs"
    )


def test_what_is_refused_at_the_start_leaves_no_folders(tmp_path, runs_that_end):
    runs_that_end()
    with pytest.raises(DataError, match="--strict: 3 of 3"):
        execute_batch(request_in(tmp_path, strict=True), quiet)
    request = request_in(tmp_path)
    with pytest.raises(UsageError, match="--runs and --exports are the same folder"):
        execute_batch(replace(request, exports=tmp_path / "x" / ".." / "runs"), quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["night.yaml"]


def test_a_dataset_whose_path_is_none_costs_its_own_job(tmp_path, runs_that_end):
    text = "jobs:\n  - {dataset: a}\n  - {dataset: " + "x" * 300 + '}\n  - {dataset: "a\\0b", name: c}\n'
    runs_that_end(c=DataError("embedded null byte"))
    for _ in range(2):
        assert states(execute_batch(request_in(tmp_path, text), quiet)) == ["done", "done", "refused"]
    with pytest.raises(DataError, match="cannot be looked at: File name too long"):
        execute_batch(request_in(tmp_path, text, strict=True), quiet)
