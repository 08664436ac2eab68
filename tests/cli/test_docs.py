import pytest

from automl.cli.main import COMMANDS, cli
from automl.recipe.keys import KEYS
from tests.cli.write_docs import CLI_MD, text


def test_the_page_of_the_command_line_is_what_the_program_says():
    assert CLI_MD.read_text() == text(), "refresh it: .venv/bin/python -m tests.cli.write_docs"


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
