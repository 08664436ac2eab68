"""`automl run`: read options, call the api, show progress on stderr and the summary on stdout."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from automl.cli.options import DEADLINE, EXPORTS, REDO, RUNS, SEED, SETTINGS, SUMMARY_JSON, WEIGHTS
from automl.errors import AutomlError, Interrupted, RunLocked, Terminated

STATES: Final = {Interrupted: "interrupted", Terminated: "interrupted", RunLocked: "locked"}
"""What --json says of a run that ended by such an error; of all others "failed", as run.json does."""

DONE_ONCE_BEGUN: Final = ("--redo", "--deadline")
"""Given again, the one throws away what was done since, and the other, where it is a span, starts the clock anew."""


@click.command()
@click.argument("dataset")
@click.option("--recipe", default="quick", show_default=True, metavar="NAME|FILE", help="See `automl recipes list`.")
@SETTINGS
@click.option("--name", help="Of the run and its bundle.  [default: DATASET-RECIPE]")
@RUNS
@EXPORTS
@WEIGHTS
@DEADLINE
@SEED
@REDO
@SUMMARY_JSON
def run(dataset: str, as_json: bool, **options: Any) -> None:
    """Train, compress, verify and export a classifier of the images in DATASET.

    DATASET holds one folder a class, or train/ (val/, test/) folders of classes, or images and a manifest such as
    labels.csv, which can be given itself; or it is a .zip or .tar of these; or a name, tfds:NAME[/CONFIG][:VERSION] or
    hf:[OWNER/]NAME[:CONFIG] (pip install 'automl[tfds]' or 'automl[hf]'). The same command again goes on with an
    interrupted run, and skips what is finished.
    """
    if not dataset:  # an unset variable of the user's shell; Path("") would mean the folder we are in
        raise click.UsageError("DATASET is empty. Wanted: a folder of images.")
    run_and_print(Path(dataset), as_json=as_json, **options)


def run_and_print(dataset: Path, *, as_json: bool = False, **options: Any) -> dict[str, Any]:
    """Call automl.api.run with these options; progress to stderr, the result to stdout. Raises: AutomlError."""
    from automl import api
    from automl.cli.console import watching
    from automl.cli.summary import print_summary

    begun = False
    try:
        with watching() as show:

            def hear(event: Mapping[str, Any]) -> None:
                nonlocal begun
                begun = begun or event["event"] == "run started"
                show(event)

            facts = api.run(dataset, hear=hear, **options)
    except AutomlError as error:
        if as_json:
            name = options.get("name") or api.default_name(dataset, Path(options.get("recipe", "")).stem)
            failed = {"name": name, "state": state_after(error), "error": str(error), "exit_code": error.exit_code}
            click.echo(json.dumps(failed, ensure_ascii=False, indent=2))
        if isinstance(error, Interrupted | Terminated):
            raise type(error)(
                f"{error}. What was finished is kept; to go on: {_to_go_on(sys.argv[1:], begun)}"
            ) from None
        raise
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        print_summary(facts)
    return facts


def state_after(error: AutomlError) -> str:
    """What --json says of a run, or a batch, that an error ended."""
    return next((state for kind, state in STATES.items() if isinstance(error, kind)), "failed")


def _to_go_on(words: Sequence[str], begun: bool) -> str:
    """The command after an interruption. Args: words: those of this one; begun: the run has acted on them."""
    return shlex.join(["automl", *(without_done_options(words) if begun else words)])


def without_done_options(words: Sequence[str]) -> list[str]:
    """A command's words without the options that its run has acted on, or stored, as soon as it has begun."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":  # what follows is no option
            return [*kept, word, *rest]
        if word in DONE_ONCE_BEGUN:
            next(rest, None)  # its value
        elif word.partition("=")[0] not in DONE_ONCE_BEGUN:
            kept.append(word)
    return kept
