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
