"""`automl run`: read options, call the api, show progress on stderr and the summary on stdout."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any, Final

import click

from automl.cli.options import EXPORTS, RUNS, WEIGHTS
from automl.errors import AutomlError, Interrupted, RunLocked, Terminated

STATES: Final = {Interrupted: "interrupted", Terminated: "interrupted", RunLocked: "locked"}
"""What --json says of a run that ended by such an error; of all others "failed", as run.json does."""


@click.command()
@click.argument("dataset")
@click.option("--recipe", default="quick", show_default=True, metavar="NAME|FILE", help="See `automl recipes list`.")
@click.option("--set", "settings", multiple=True, metavar="a.b=value", help="Change one key of the recipe; repeatable.")
@click.option("--name", help="Of the run and its bundle.  [default: DATASET-RECIPE]")
@RUNS
@EXPORTS
@WEIGHTS
@click.option("--deadline", metavar="90s|3m|2h|07:00", help="When the run must have ended.")
@click.option("--seed", type=int, help="Same seed, same result.  [default: the recipe's]")
@click.option("--redo", metavar="STAGE", help="Throw this stage of the run away, and all after it, and do them again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the summary.")
def run(dataset: str, as_json: bool, **options: Any) -> None:
    """Train, compress, verify and export a classifier of the images in DATASET.

    DATASET holds one folder a class, or train/ (val/) test/ folders of classes. The same command again goes on with
    an interrupted run, and skips what is finished.
    """
    if not dataset:  # an unset variable of the user's shell; Path("") would mean the folder we are in
        raise click.UsageError("DATASET is empty. Wanted: a folder of images.")
    run_and_print(Path(dataset), as_json=as_json, **options)


def run_and_print(dataset: Path, *, as_json: bool = False, **options: Any) -> dict[str, Any]:
    """Call automl.api.run with these options; progress to stderr, the result to stdout. Raises: AutomlError."""
    from automl import api
    from automl.cli.console import watching
    from automl.cli.summary import print_summary

    try:
        with watching() as hear:
            facts = api.run(dataset, hear=hear, **options)
    except AutomlError as error:
        if as_json:
            name = options.get("name") or api.default_name(dataset, Path(options.get("recipe", "")).stem)
            failed = {"name": name, "state": state_after(error), "error": str(error), "exit_code": error.exit_code}
            click.echo(json.dumps(failed, ensure_ascii=False, indent=2))
        if isinstance(error, Interrupted | Terminated):
            raise type(error)(f"{error}. What was finished is kept; to go on: {_command()}") from None
        raise
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        print_summary(facts)
    return facts


def state_after(error: AutomlError) -> str:
    """What --json says of a run, or a batch, that an error ended."""
    return next((state for kind, state in STATES.items() if isinstance(error, kind)), "failed")


def _command() -> str:
    return shlex.join(["automl", *sys.argv[1:]])
