"""`automl doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.option("--weights", type=click.Path(path_type=Path), help="Folder with pretrained weights, looked into first.")
@click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of all runs."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(weights: Path | None, runs: Path, as_json: bool) -> None:
    """Can `automl run` work on this machine? Exit code 1 if it cannot."""
    from automl import api
    from automl.cli.tables import print_table
    from automl.errors import AnswerIsNo

    answers = api.doctor(weights=weights, runs=runs)
    if as_json:
        click.echo(json.dumps([asdict(answer) for answer in answers], indent=2))
    else:
        print_table(
            ("", "question", "answer"),
            [("ok" if answer.ok else "NO", answer.question, answer.answer) for answer in answers],
        )
    if failed := [answer.question for answer in answers if not answer.ok]:
        raise AnswerIsNo(f"`automl run` cannot work here: see {', '.join(failed)} above.")
