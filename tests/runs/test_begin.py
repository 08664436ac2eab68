"""What a command takes over from the one before it: its deadline, its settings, its unfinished work."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automl.errors import RunInUse
from automl.recipe.load import load_recipe
from automl.runs.atomic import write_json
from automl.runs.begin import PASSED, Request, Run, begin, list_dataset_of, set_aside
from automl.runs.done import write_done
from automl.runs.folder import RunFolder
from automl.runs.pipeline import _inputs, _make_ready
from automl.stage_table import STAGES

CHECK = STAGES[0]
COMPRESS = next(stage for stage in STAGES if stage.name == "compress")
FASTER = ("compress.latency_repeats=12",)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of a small dataset with all stages finished."""
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "data" / label / f"{number}.png").touch()
    folder = RunFolder(tmp_path / "runs" / "tiny")
    folder.root.mkdir(parents=True)
    folder.lock.touch()
    run = command(folder)
    for stage in STAGES:
        folder.stage(stage.name).mkdir()
        write_done(folder.stage(stage.name), inputs=_inputs(run, stage), seconds=1, finished_at="now")
    run.save("done")
    return folder


def command(folder: RunFolder, *settings: str, heard: list[Mapping[str, Any]] | None = None, **options: Any) -> Run:
    """A command's run, begun. Args: options: of the request."""
    request = Request(
        dataset=folder.root.parents[1] / "data",
        recipe=load_recipe("demo", settings, None),
        name="tiny",
        runs=folder.root.parent,
        exports=folder.root.parents[1] / "exports",
        **options,
    )
    listing = list_dataset_of(request.dataset, request.recipe.recipe, own=(request.runs,))
    return begin(request, folder, listing, (heard if heard is not None else []).append)


def left_by(folder: RunFolder, state: str, *, seconds: float) -> float:
    """Let the last command have ended so, its deadline so far from now. Returns: that moment."""
    until = time.time() + seconds
    write_json(folder.run_json, {**json.loads(folder.run_json.read_text()), "state": state, "deadline_at": until})
    return until


@pytest.mark.parametrize(
    ("state", "told"), [("interrupted", "interrupted"), ("failed", "failed"), ("running", "killed")]
)
def test_the_deadline_of_a_command_that_was_cut_short_holds_and_that_is_told(folder, state, told):
    until = left_by(folder, state, seconds=3600)
    heard: list[Mapping[str, Any]] = []
    assert command(folder, heard=heard).deadline_at == until
    first, kept = heard
    assert (first["event"], first["layout"]) == ("run started", "folder per class: a/, b/")
    assert (kept["event"], kept["until"], kept["of"]) == ("deadline kept", until, told)
    assert kept["seconds"] == pytest.approx(3600, abs=60)
    assert json.loads(folder.run_json.read_text())["deadline_at"] == until


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_the_deadline_of_a_finished_run_is_over(folder, seconds):
    left_by(folder, "done", seconds=seconds)
    heard: list[Mapping[str, Any]] = []
    assert command(folder, heard=heard, redo="compress").deadline_at is None
    assert [event["event"] for event in heard] == ["run started"]
    assert json.loads(folder.run_json.read_text())["deadline_at"] is None


def test_a_deadline_that_has_passed_holds_no_more_and_a_given_one_or_a_batchs_none_replaces_any(folder):
    heard: list[Mapping[str, Any]] = []
    left_by(folder, "interrupted", seconds=-5)
    assert command(folder, heard=heard).deadline_at is None
    assert heard[-1]["text"] == PASSED
    given = left_by(folder, "interrupted", seconds=3600) + 60
    for options, wanted in (({"deadline_at": given}, given), ({"keep_deadline": False}, None)):
        heard.clear()
        left_by(folder, "interrupted", seconds=3600)
        assert command(folder, heard=heard, **options).deadline_at == wanted
        assert [event["event"] for event in heard] == ["run started"]


def test_a_redo_that_was_cut_short_goes_on_without_redo_from_what_was_done_since(folder):
    with pytest.raises(RunInUse, match="--redo compress"):
        command(folder, *FASTER)
    run = command(folder, *FASTER, redo="compress")
    _make_ready(folder.stage("compress"), _inputs(run, COMPRESS))
    item = folder.stage("compress") / "fp32.json"
    item.write_text("finished since")
    run.save("interrupted")

    again = command(folder, *FASTER)  # the settings were stored
    _make_ready(folder.stage("compress"), _inputs(again, COMPRESS))
    assert item.read_text() == "finished since"

    once_more = command(folder, *FASTER, redo="compress")  # what the hint after an interruption must not say
    _make_ready(folder.stage("compress"), _inputs(once_more, COMPRESS))
    assert not item.exists()


def grow(folder: RunFolder) -> None:
    (folder.root.parents[1] / "data" / "a" / "new.png").touch()


def test_a_grown_dataset_is_refused_and_redo_check_keeps_what_was_decoded(folder):
    mark = folder.stage("check") / "scan.jsonl"
    mark.write_text("decoded before")
    grow(folder)
    with pytest.raises(RunInUse, match="--redo check, which decodes the new and changed ones and does all else again"):
        command(folder)
    assert mark.exists()

    run = command(folder, redo="check")

    assert not folder.stage("check").exists()
    assert not folder.stage("split").exists()
    assert (folder.earlier("check") / "scan.jsonl").read_text() == "decoded before"
    assert (folder.earlier("check") / "done.json").exists()  # by whose checksums it is judged
    _make_ready(folder.stage("check"), _inputs(run, CHECK))
    assert [path.name for path in folder.stage("check").iterdir()] == ["begun.json"]
    assert (folder.earlier("check") / "scan.jsonl").exists()


def test_redo_check_of_the_same_files_decodes_them_all(folder):
    (folder.stage("check") / "scan.jsonl").write_text("decoded before")

    command(folder, redo="check")

    assert not folder.stage("check").exists()
    assert not folder.earlier("check").exists()


def test_a_check_that_was_cut_short_before_the_dataset_grew_is_kept_too(folder):
    run = command(folder, redo="check")
    _make_ready(folder.stage("check"), _inputs(run, CHECK))
    (folder.stage("check") / "scan.jsonl").write_text("a part")
    grow(folder)

    again = command(folder)
    _make_ready(folder.stage("check"), _inputs(again, CHECK))

    assert (folder.earlier("check") / "scan.jsonl").read_text() == "a part"
    (folder.stage("check") / "scan.jsonl").write_text("less")
    (folder.root.parents[1] / "data" / "a" / "newer.png").touch()
    once_more = command(folder)
    _make_ready(folder.stage("check"), _inputs(once_more, CHECK))
    assert (folder.earlier("check") / "scan.jsonl").read_text() == "a part"


def test_a_finished_check_takes_the_place_of_what_a_kill_left_set_aside(folder):
    folder.earlier("check").mkdir()
    (folder.earlier("check") / "old").touch()

    set_aside(folder, "check")

    assert [path.name for path in folder.earlier("check").iterdir()] == ["done.json"]


def test_redo_pick_with_another_setting_keeps_what_was_computed_and_with_none_it_does_not(folder):
    (folder.stage("pick") / "features").write_text("computed before")
    command(folder, "backbones=[smallnet, mobilenetv2]", redo="pick")
    assert not folder.stage("pick").exists()
    assert (folder.earlier("pick") / "features").read_text() == "computed before"
    assert (folder.earlier("pick") / "done.json").exists()  # by whose checksums it is judged


def test_redo_pick_alone_computes_all_anew(folder):
    command(folder, redo="pick")
    assert not folder.stage("pick").exists()
    assert not folder.earlier("pick").exists()


def test_redo_of_a_later_stage_leaves_pick_where_it_is(folder):
    command(folder, *FASTER, redo="compress")
    assert folder.done_json("pick").exists()


@pytest.mark.parametrize(("redo", "stays"), [("check", False), ("pick", False), ("tune", True)])
def test_redo_of_pick_or_what_is_before_it_takes_the_users_own_backbones_anew(folder, redo, stays):
    (folder.backbones / "mine.keras").mkdir(parents=True)
    command(folder, redo=redo)
    assert folder.backbones.exists() == stays
