"""`automl batch`: read options, call the api, show progress on stderr and the table of all jobs on stdout."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from automl.cli.options import EXPORTS, RUNS, WEIGHTS
from automl.cli.run import state_after
from automl.errors import AutomlError, Interrupted, JobsFailed, Terminated


@click.command()
@click.argument("jobs", type=click.Path(path_type=Path, dir_okay=False), metavar="JOBS.yaml")
@click.option("--until", metavar="07:00", help="The time of day when all must have ended.")
@click.option("--deadline", metavar="90s|3m|8h", help="The same, from now on.")
@RUNS
@EXPORTS
@WEIGHTS
@click.option("--strict", is_flag=True, help="Start nothing if any dataset is refused (exit code 3).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def batch(jobs: Path, as_json: bool, **options: Any) -> None:
    """Do `automl run` for each job in JOBS.yaml, one after another.

    \b
    jobs:
      - dataset: flowers            # paths are relative to this file's folder
      - dataset: dogcat
        name: pets                  # default: the name of the dataset's folder
        recipe: best                # default: quick
        set: {tune.trials: 4}

    The file is checked whole before anything starts, and that no name is taken by a run with another dataset or other
    settings (exit code 2). Then the pretrained weights that the jobs need are found, or fetched, before the first of
    them begins, and jobs that lack some are told. A dataset that is refused, or a job that fails, is marked, and
    the others go on; the exit code is 5 then. The time left is shared among the jobs left. The same command again
    skips what is done, goes on with what was cut short, by the same deadline, and tries again what failed.
    """
    from automl import api
    from automl.cli.batch_summary import print_batch
    from automl.cli.console import watching

    try:
        with watching() as hear:
            facts = api.batch(jobs, hear=hear, **options)
    except AutomlError as error:
        if as_json:
            ended = {"state": state_after(error), "error": str(error), "exit_code": error.exit_code}
            _print_json({**ended, "jobs": list(error.jobs)})
        if isinstance(error, Interrupted | Terminated):
            command = shlex.join(["automl", *sys.argv[1:]])
            raise type(error)(f"{error}. What was finished is kept; to go on: {command}") from None
        raise
    if as_json:
        _print_json(facts)
    else:
        print_batch(facts)
    if left := [job["name"] for job in facts["jobs"] if job["state"] != "done"]:
        raise JobsFailed(
            f"{len(left)} of {len(facts['jobs'])} job(s) are not done: {', '.join(left)}. Wanted: all of them. Correct "
            "what is told of each, then run the same command again: finished jobs are skipped."
        )


def _print_json(value: Mapping[str, object]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
