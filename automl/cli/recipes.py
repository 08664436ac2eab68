"""automl recipes: which recipes there are, and what one says."""

from __future__ import annotations

import json
import sys

import click

from automl.cli.tables import print_table, stdout
from automl.errors import UsageError
from automl.recipe.shipped import purpose, shipped_recipes


@click.group()
def recipes() -> None:
    """List the recipes that come with the tool, or show one."""


@recipes.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def list_recipes(as_json: bool) -> None:
    """List each recipe and what it is for."""
    rows = [(name, purpose(path.read_text(encoding="utf-8"))) for name, path in shipped_recipes().items()]
    if as_json:
        click.echo(json.dumps({"recipes": [{"name": name, "purpose": what} for name, what in rows]}, indent=2))
    else:
        print_table(("recipe", "what for"), rows)


@recipes.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, the text within it.")
def show(name: str, as_json: bool) -> None:
    """Show the text of the recipe NAME; saved to a file, it is the start of a recipe of your own."""
    shipped = shipped_recipes()
    if name not in shipped:
        raise UsageError(
            f"There is no recipe {name!r}. Wanted: one of {', '.join(shipped)}. See `automl recipes list`."
        )
    text = shipped[name].read_text(encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"name": name, "text": text}, indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        from rich.syntax import Syntax

        stdout().print(Syntax(text, "yaml", background_color="default"))
    else:
        click.echo(text, nl=False)
