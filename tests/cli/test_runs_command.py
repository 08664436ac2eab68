"""`automl runs`: one damaged run spoils neither the list nor the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from automl.cli.runs import runs as runs_command
from automl.errors import UsageError

WHOLE = {"schema": 1, "name": "whole", "state": "done", "settings": {}, "images": 1200, "classes": ["a", "b"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of runs with a whole one."""
    add(tmp_path, "whole", WHOLE)
    return tmp_path


def add(folder: Path, name: str, facts: dict[str, object]) -> None:
    (folder / name).mkdir()
    (folder / name / "lock").touch()
    (folder / name / "run.json").write_text(json.dumps({**facts, "name": name}))


def said(*words: object) -> str:
    done = CliRunner().invoke(runs_command, [str(word) for word in words], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        assert done.stdout == ""  # nothing, or all
        raise done.exception
    return done.stdout


def test_the_list_has_a_row_for_a_damaged_run(folder):
    add(folder, "odd", {**WHOLE, "metrics": []})
    lines = said("list", "--runs", folder).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["odd", "unreadable"], ["whole", "done"]]


def test_texts_that_no_terminal_can_print_are_spelled_out_in_the_list(folder):
    add(folder, "odd", {**WHOLE, "recipe": "\ud800", "state": "\x1b[2J"})
    assert said("list", "--runs", folder).splitlines()[1].split()[:3] == ["odd", r"'\x1b[2J'", r"'\ud800'"]


@pytest.mark.parametrize(
    "damage",
    [
        {"metrics": []},
        {"stages": None},
        {"stages": {"check": {"seconds": 10**400}}},
        {"stages": {"check": 1}},
        {"metrics": {"test": {"accuracy": {"value": "0.9"}}}},
        {"metrics": {"validation": {"accuracy": 1}}},
        {"variants": [{}], "chosen": "fp32"},
        {"variants": [{"name": "fp32", "file": "", "note": []}]},
        {"variants": 3, "chosen": "fp32"},
        {"images": "x"},
        {"gate": []},
        {"warnings": 5},
    ],
)
def test_a_damaged_run_cannot_be_shown_and_its_file_is_named(folder, damage):
    add(folder, "odd", {**WHOLE, **damage})
    with pytest.raises(UsageError, match=r"odd/run\.json cannot be understood \("):
        said("show", "odd", "--runs", folder)
    assert "1,200 images, 2 classes" in said("show", "whole", "--runs", folder)


def test_clean_failed_takes_unreadable_runs_and_leaves_whole_ones(folder):
    add(folder, "odd", {**WHOLE, "stages": None})
    assert said("clean", "--failed", "--yes", "--runs", folder).startswith("1 run(s) deleted")
    assert [path.name for path in folder.iterdir()] == ["whole"]
