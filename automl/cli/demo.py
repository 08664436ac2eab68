"""`automl demo`: the whole path on scikit-learn's handwritten digits, with the recipe `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from automl.cli.options import DEADLINE, EXPORTS, REDO, RUNS, SEED, SETTINGS, SUMMARY_JSON


@click.command()
@SETTINGS
@click.option("--name", default="demo", show_default=True, help="Of the run and its bundle.")
@RUNS
@EXPORTS
@click.option(
    "--data", type=click.Path(path_type=Path), help="Where the digits go.  [default: demo-data beside --runs]"
)
@DEADLINE
@SEED
@REDO
@SUMMARY_JSON
def demo(runs: Path, data: Path | None, **options: Any) -> None:
    """Train, compress, verify and export a reader of handwritten digits.

    Writes the 1,797 digits that come inside scikit-learn as one folder of PNGs a class, and calls `automl run` on them
    with the recipe `demo`. Nothing is downloaded.
    """
    from automl.cli.run import run_and_print
    from automl.demo_data import write_digits

    folder = (runs.absolute().parent / "demo-data" if data is None else data) / "digits"
    write_digits(folder)
    run_and_print(folder, recipe="demo", runs=runs, **options)
