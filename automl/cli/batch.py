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
    settings (exit code 2). A dataset that is refused, or a job that fails, is marked, and
    the others go on; the exit code is 5 then. The time left is shared among the jobs left. The same command again
    skips what is done, goes on with what was cut short, by the same deadline, and tries again what failed.
    """
    from automl import api
    from automl.cli.console import watching

    try:
        with watching() as hear:
            facts = api.batch(jobs, hear=hear, **options)
    except AutomlError as error:
        interrupted = isinstance(error, Interrupted | Terminated)
        if as_json:
            state = "interrupted" if interrupted else "failed"
            _print_json({"state": state, "error": str(error), "exit_code": error.exit_code, "jobs": []})
        if interrupted:
            command = shlex.join(["automl", *sys.argv[1:]])
            raise type(error)(f"{error}. What was finished is kept; to go on: {command}") from None
        raise
    if as_json:
        _print_json(facts)
    else:
        _print_summary(facts)
    if left := [job["name"] for job in facts["jobs"] if job["state"] != "done"]:
        raise JobsFailed(
            f"{len(left)} of {len(facts['jobs'])} job(s) are not done: {', '.join(left)}. Wanted: all of them. Correct "
            "what is told of each, then run the same command again: finished jobs are skipped."
        )


def _print_json(value: Mapping[str, object]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _print_summary(facts: Mapping[str, Any]) -> None:
    """The table of all jobs, what ended those that are not done, and where the page lies."""
    from rich.text import Text

    from automl.cli.tables import print_table, stdout

    print_table(
        ("job", "state", "test accuracy", "variant", "MB", "ms", "min"),
        [_cells(job) for job in facts["jobs"]],
        right=("MB", "ms", "min"),
    )
    console = stdout()
    for job in facts["jobs"]:
        if job["error"]:
            console.print(Text(f"  {job['name']} (exit code {job['exit_code']}): {job['error']}"), soft_wrap=True)
    console.print(Text(f"page  {facts['page']}"), soft_wrap=True)


def _cells(job: Mapping[str, Any]) -> tuple[str, ...]:
    accuracy = job["accuracy"]
    return (
        job["name"],
        job["state"],
        f"{accuracy['value']:.3f} ({accuracy['low']:.3f}-{accuracy['high']:.3f})" if accuracy else "",
        job["chosen"],
        "" if job["size_bytes"] is None else f"{job['size_bytes'] / 1e6:.2f}",
        "" if job["latency_ms"] is None else f"{job['latency_ms']:.2f}",
        "" if job["seconds"] is None else f"{job['seconds'] / 60:.1f}",
    )
