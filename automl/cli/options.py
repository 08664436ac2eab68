"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

RUNS = click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of all runs."
)
EXPORTS = click.option(
    "--exports",
    type=click.Path(path_type=Path),
    default=Path("exports"),
    show_default=True,
    help="Folder of all bundles.",
)
WEIGHTS = click.option(
    "--weights", type=click.Path(path_type=Path), help="Folder with pretrained weights, looked into first."
)
