"""automl recipes list and show."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from automl.cli.recipes import recipes
from automl.errors import UsageError
from automl.recipe.load import load_recipe
from automl.recipe.shipped import purpose, shipped_recipes


def output_of(*words: str) -> str:
    result = CliRunner().invoke(recipes, words, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_listing_off_a_terminal_is_one_plain_line_a_recipe() -> None:
    _, *lines = output_of("list").splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_recipes())
    assert all(character.isprintable() for line in lines for character in line)
    assert lines[-1].rstrip().endswith(purpose(shipped_recipes()["quick"].read_text(encoding="utf-8")))


def test_the_listing_as_json_holds_names_and_purposes() -> None:
    rows = json.loads(output_of("list", "--json"))["recipes"]
    assert [row["name"] for row in rows] == list(shipped_recipes())
    assert all(row["purpose"].endswith(".") for row in rows)


def test_show_prints_the_file_as_it_is() -> None:
    text = shipped_recipes()["demo"].read_text(encoding="utf-8")
    assert output_of("show", "demo") == text
    assert json.loads(output_of("show", "demo", "--json")) == {"name": "demo", "text": text}


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shown_recipe_saved_to_a_file_is_the_same_recipe(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(output_of("show", name), encoding="utf-8")
    assert load_recipe(str(tmp_path / "mine.yaml")).recipe == load_recipe(name).recipe


def test_on_a_terminal_the_text_is_coloured_and_still_the_same() -> None:
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", "from automl.cli.recipes import recipes; recipes(['show', 'demo'])"],
        stdout=theirs, check=True, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    assert "\x1b[" in shown
    assert "backbones: [smallnet]" in re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_showing_an_unknown_recipe_is_a_usage_error_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"There is no recipe 'fast'. Wanted: one of balanced, best, demo, quick"):
        CliRunner().invoke(recipes, ["show", "fast"], catch_exceptions=False)
