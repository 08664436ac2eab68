import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl.cli.main import COMMANDS, cli
from automl.recipe.keys import KEYS
from tests.cli.write_docs import CLI_MD


def test_the_page_of_the_command_line_is_what_the_program_says():
    # In a process of its own: click keeps the help option of a command as the first test had called it.
    code = "import sys; from tests.cli.write_docs import text; sys.stdout.buffer.write(text().encode())"
    root = Path(__file__).parents[2]
    where = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root, env=where, check=True).stdout
    assert CLI_MD.read_text() == said.decode(), "refresh it: .venv/bin/python -m tests.cli.write_docs"


def test_every_command_and_every_recipe_key_stands_on_the_page_with_its_meaning():
    page = CLI_MD.read_text()
    for name in COMMANDS:
        assert f"\n## automl {name}\n" in page
    assert len(KEYS) > 40
    for key, schema in KEYS.items():
        assert f"| `{key}` |" in page
        assert schema["description"]


def test_the_groups_help_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)
