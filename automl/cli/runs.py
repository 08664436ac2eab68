"""`automl runs list|show|clean`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from automl.cli.options import RUNS

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def runs() -> None:
    """List, show or remove runs."""


@runs.command("list")
@RUNS
@JSON
def list_command(runs: Path, as_json: bool) -> None:
    """All runs: state, recipe, test accuracy, size."""
    from automl import api
    from automl.cli.tables import print_table

    rows = api.list_runs(runs)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    if not rows:
        click.echo(f"no runs in {runs}")
        return
    print_table(
        ("name", "state", "recipe", "stages", "test accuracy", "MB", "updated"),
        [
            (
                _shown(row.name),
                _shown(row.state),
                _shown(row.recipe),
                f"{row.stages}/10",
                "" if row.accuracy is None else f"{row.accuracy:.3f}",
                f"{row.size_mb:,.0f}",
                _shown(row.updated),
            )
            for row in rows
        ],
        right=("stages", "test accuracy", "MB"),
    )


def _shown(text: str) -> str:
    """The text; quoted, odd characters spelled out, where a terminal would obey them or cannot print them."""
    return text if text.isprintable() else repr(text)


@runs.command("show")
@click.argument("name")
@RUNS
@JSON
def show_command(name: str, runs: Path, as_json: bool) -> None:
    """One run: its summary, as far as it got."""
    from automl import api
    from automl.cli.summary import print_stored_summary

    facts = api.show_run(name, runs)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        print_stored_summary(facts, runs / name / "run.json")


@runs.command("clean")
@click.argument("names", nargs=-1)
@click.option("--failed", is_flag=True, help="Also every run that failed, was interrupted or killed, or is unreadable.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@RUNS
def clean_command(names: tuple[str, ...], failed: bool, yes: bool, runs: Path) -> None:
    """Delete runs; published bundles stay."""
    from automl import api
    from automl.errors import UsageError

    chosen = list(dict.fromkeys(names))
    if failed:
        broken = {"failed", "interrupted", "killed", "unreadable"}
        chosen += [row.name for row in api.list_runs(runs) if row.state in broken and row.name not in chosen]
    if not chosen and not failed:
        raise UsageError("no run was named. Wanted: names of runs (see `automl runs list`), or --failed.")
    if chosen and not yes:
        if sys.stdin is None or not sys.stdin.isatty():  # None: closed
            raise UsageError(f"nobody can be asked whether to delete {', '.join(chosen)}. Add --yes to delete.")
        click.confirm(f"Delete {', '.join(chosen)} in {runs}?", abort=True, err=True)
    freed = api.remove_runs(chosen, runs)
    click.echo(f"{len(chosen)} run(s) deleted, {freed:,.0f} MB freed")
