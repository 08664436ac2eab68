import os

import pytest

from automl.runs.done import faults_of, fingerprint_of, read_done, sweep_temporary, write_done


@pytest.fixture
def stage(tmp_path):
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "small.csv").write_text("a,b\n")
    (folder / "large.u8").write_bytes(bytes(1 << 20))
    (folder / ".tmp-1-left.csv").write_text("half")
    return folder


def test_a_finished_stage_says_from_what_and_with_what(stage):
    write_done(stage, inputs={"seed": 1}, seconds=2.5, finished_at="now")
    done = read_done(stage / "done.json")
    assert done is not None
    assert done.fingerprint == fingerprint_of({"seed": 1})
    assert sorted(done.files) == ["large.u8", "small.csv"]
    assert faults_of(stage, done) == []


@pytest.mark.parametrize("name", ["small.csv", "large.u8"])
def test_a_missing_or_changed_file_is_named(stage, name):
    done = write_done(stage, inputs={}, seconds=1, finished_at="now")
    path = stage / name
    path.write_bytes(b"\1" * path.stat().st_size)
    os.utime(path, ns=(1, 1))
    assert faults_of(stage, done) == [f"{name} has changed"]
    path.unlink()
    assert faults_of(stage, done) == [f"{name} is missing"]


def test_files_that_were_only_touched_as_by_a_copy_of_the_run_are_whole(stage):
    done = write_done(stage, inputs={}, seconds=1, finished_at="now")
    for name in ("small.csv", "large.u8"):
        os.utime(stage / name, ns=(1, 1))
    assert faults_of(stage, done) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stage": "pack"}', '{"files": {"a": {"size": 1}}}'])
def test_a_done_file_that_cannot_be_understood_is_no_done_file(tmp_path, text):
    (tmp_path / "done.json").write_text(text)
    assert read_done(tmp_path / "done.json") is None


def test_left_over_temporary_files_and_folders_are_swept_and_others_stay(stage):
    (stage / ".tmp-9-folder" / "inner").mkdir(parents=True)
    (stage / ".tmp-9-folder" / "inner" / "x").write_text("x")
    sweep_temporary(stage)
    assert sorted(path.name for path in stage.iterdir()) == ["large.u8", "small.csv"]
