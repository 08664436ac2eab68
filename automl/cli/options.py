"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from automl.errors import UsageError


def _named(_: click.Context, option: click.Parameter, folder: str) -> Path:
    """Raises: UsageError: the text is empty, which as a path would be the current folder."""
    if not folder.strip():
        raise UsageError(f"--{option.name} is empty. Wanted: a folder. Give its path, or leave the option out.")
    return Path(folder)


RUNS = click.option(
    "--runs", type=click.Path(), default="runs", show_default=True, callback=_named, help="Folder of all runs."
)
EXPORTS = click.option(
    "--exports",
    type=click.Path(),
    default="exports",
    show_default=True,
    callback=_named,
    help="Folder of all bundles.",
)
WEIGHTS = click.option(
    "--weights", type=click.Path(path_type=Path), help="Folder with pretrained weights, looked into first."
)
SETTINGS = click.option(
    "--set", "settings", multiple=True, metavar="a.b=value", help="Change one key of the recipe; repeatable."
)
DEADLINE = click.option(
    "--deadline",
    metavar="90s|3m|2h|07:00",
    help="When the run must have ended. An interrupted run keeps its own, unless another is given.",
)
SEED = click.option("--seed", type=int, help="Same seed, same result.  [default: the recipe's]")
REDO = click.option(
    "--redo",
    metavar="STAGE",
    help="Throw this stage of the run away, and all after it, and do them again. Given again, it throws away what was "
    "done since; leave it out to go on.",
)
SUMMARY_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the summary.")
