"""`automl demo`: the whole path on scikit-learn's handwritten digits, with the recipe `demo`."""

from __future__ import annotations

from pathlib import Path

import click

from automl.cli.options import EXPORTS, RUNS


@click.command()
@RUNS
@EXPORTS
@click.option(
    "--data", type=click.Path(path_type=Path), help="Where the digits go.  [default: demo-data beside --runs]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the summary.")
def demo(runs: Path, exports: Path, data: Path | None, as_json: bool) -> None:
    """Train, compress, verify and export a reader of handwritten digits.

    Writes the 1,797 digits that come inside scikit-learn as one folder of PNGs a class, and calls `automl run` on them
    with the recipe `demo`. Nothing is downloaded.
    """
    from automl.cli.run import run_and_print
    from automl.demo_data import write_digits

    folder = (runs.absolute().parent / "demo-data" if data is None else data) / "digits"
    write_digits(folder)
    run_and_print(folder, recipe="demo", name="demo", runs=runs, exports=exports, as_json=as_json)
