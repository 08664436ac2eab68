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
        (json.dumps({**WHOLE, "metrics": []}), "its 'metrics' is no JSON object"),
        (json.dumps({**WHOLE, "stages": None}), "its 'stages' is no JSON object"),
        (json.dumps({**WHOLE, "metrics": {"test": {"accuracy": {"value": "0.9"}}}}), "its test accuracy is '0.9'"),
        (json.dumps({**WHOLE, "metrics": {"test": {"accuracy": {"value": 10**400}}}}), "its test accuracy is 1000"),
        ("[" * 100_000, "maximum recursion"),
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


def test_a_link_is_no_run_and_its_target_is_left_alone(flowers: RunFolder, tmp_path: Path) -> None:
    flowers.stage("check").mkdir()
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "linked").symlink_to(flowers.root)
    assert list_runs(runs) == []
    with pytest.raises(UsageError, match="linked is a link"):
        show_run("linked", runs)
    with pytest.raises(UsageError, match="linked is a link"):
        remove_runs(["linked"], runs)
    assert (runs / "linked").is_symlink()
    assert flowers.stage("check").is_dir()


def test_a_link_among_the_names_keeps_all_of_them(flowers: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(flowers.root)
    with pytest.raises(UsageError, match="linked is a link"):
        remove_runs(["flowers", "linked"], tmp_path)
    assert flowers.run_json.exists()


def test_a_folder_that_may_not_be_looked_into_is_passed_over(
    flowers: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may look into any folder, so the refusal is put in by hand."""
    (flowers.root.parent / "closed").mkdir()
    whole = Path.is_file

    def refusing(path: Path) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(Path, "is_file", refusing)
    assert [row.name for row in list_runs(flowers.root.parent)] == ["flowers"]
    with pytest.raises(UsageError, match="no run named 'closed'"):
        remove_runs(["closed"], flowers.root.parent)


def test_a_run_that_is_named_twice_is_removed_once(flowers: RunFolder) -> None:
    remove_runs(["flowers", "flowers"], flowers.root.parent)
    assert not flowers.root.exists()
