"""The start of a batch: what is refused at once, and what an earlier command has left."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
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
from automl.runs.lock import locked
from tests.batches.fake_runs import JOBS, quiet, request_in, states


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


def test_a_fault_of_every_job_is_told_once_and_before_any(tmp_path, runs_that_end, monkeypatch):
    runs = runs_that_end()
    with monkeypatch.context() as there:
        there.setenv("AUTOML_WEIGHTS", str(tmp_path / "no"))
        with pytest.raises(WrongWeights, match=r"no is not a folder.*Correct \$AUTOML_WEIGHTS"):
            execute_batch(request_in(tmp_path), quiet)
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


def test_a_disk_that_is_full_at_the_start_is_told_as_such(tmp_path, runs_that_end, monkeypatch):
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(loop, "locked", no_room)
    runs = runs_that_end()
    with pytest.raises(
        ResourceMissing, match="No space left on device: .*/night. Wanted: room on that disk, which has"
    ):
        execute_batch(request_in(tmp_path), quiet)
    assert not runs.asked
