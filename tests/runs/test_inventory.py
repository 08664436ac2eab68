from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from automl.errors import UsageError
from automl.runs.folder import RunFolder
from automl.runs.inventory import list_runs, read_run_json, remove_runs, show_run

WHOLE = {"schema": 1, "name": "flowers", "state": "done", "settings": {"seed": 1}}


@pytest.fixture
def flowers(tmp_path: Path) -> RunFolder:
    """A run that has just begun."""
    folder = RunFolder(tmp_path / "flowers")
    folder.root.mkdir()
    folder.lock.write_text("")
    folder.run_json.write_text(json.dumps(WHOLE))
    return folder


def test_a_run_says_what_it_was_begun_with(flowers: RunFolder) -> None:
    assert read_run_json(flowers) == show_run("flowers", flowers.root.parent) == WHOLE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "it holds no JSON object"),
        ("{}", "its schema is None, not 1"),
        (json.dumps({**WHOLE, "schema": 2}), "its schema is 2, not 1"),
        (json.dumps({**WHOLE, "settings": None}), "its 'settings' is missing"),
        (json.dumps({"schema": 1, "settings": {}}), "its 'name' is missing"),
    ],
)
def test_a_run_json_that_is_not_ours_is_refused_and_the_run_can_be_removed(
    flowers: RunFolder, text: str, why: str
) -> None:
    flowers.run_json.write_text(text)
    runs = flowers.root.parent
    with pytest.raises(UsageError, match=rf"cannot be understood \({why}.*runs clean flowers --runs"):
        show_run("flowers", runs)
    assert [row.state for row in list_runs(runs)] == ["unreadable"]
    remove_runs(["flowers"], runs)
    assert not flowers.root.exists()


def test_a_folder_with_somebody_elses_run_json_is_no_run_and_never_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").write_text("{}")
    assert list_runs(tmp_path) == []
    with pytest.raises(UsageError, match="no run named 'mine'"):
        remove_runs(["mine"], tmp_path)
    assert (tmp_path / "mine" / "run.json").exists()


def test_a_removal_that_was_cut_short_can_be_done_again(flowers: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    (flowers.stage("check")).mkdir()
    flowers.done_json("check").write_text("{}")
    whole = shutil.rmtree

    def killed(path: Path) -> None:
        whole(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_runs(["flowers"], flowers.root.parent)
    monkeypatch.undo()
    assert not flowers.stage("check").exists()
    remove_runs(["flowers"], flowers.root.parent)
    assert not flowers.root.exists()
