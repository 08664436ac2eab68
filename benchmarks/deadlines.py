"""What a run makes of a deadline: the demo's digits with little time and with enough.

    .venv/bin/python benchmarks/deadlines.py --work FOLDER [DEADLINE...]

Each deadline (default: 45s 60s 90s 3m 6m) is one run of the recipe `demo` as a command. A row each is appended to
benchmarks/deadlines.jsonl as it comes; those there for the same deadline and CPU are not measured again.
Seconds are those of the whole command, and must be fewer than the deadline's. Prints the table of docs/measurements.md.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from automl.compressors.measure import describe_cpu
from automl.demo_data import write_digits

ROWS = Path(__file__).with_suffix(".jsonl")


@click.command()
@click.argument("deadlines", nargs=-1)
@click.option("--work", required=True, type=click.Path(path_type=Path), help="for digits, runs and bundles")
def main(deadlines: tuple[str, ...], work: Path) -> None:
    """Measure what is missing, print all rows."""
    cpu = describe_cpu()
    work.mkdir(parents=True, exist_ok=True)
    write_digits(work / "digits")
    for deadline in deadlines or ("45s", "60s", "90s", "3m", "6m"):
        known = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
        if not any((row["deadline"], row["cpu"]) == (deadline, cpu) for row in known):
            row = {"deadline": deadline, "cpu": cpu, **measure(deadline, work)}
            with ROWS.open("a") as file:
                file.write(json.dumps(row) + "\n")
    click.echo(
        "| CPU | deadline | seconds | exit code | trials | epochs of train | goes on | test accuracy | variant |\n|"
        + " --- |" * 9
    )
    for row in map(json.loads, ROWS.read_text().splitlines()):
        accuracy = "" if row["accuracy"] is None else f"{row['accuracy']:.3f} (n = {row['n']})"
        click.echo(
            f"| {row['cpu']} | {row['deadline']} | {row['seconds']:.0f} | {row['exit_code']} | {row['trials']} "
            f"| {row['epochs']} | {row['winner']} | {accuracy} | {row['chosen']} |"
        )


def measure(deadline: str, work: Path) -> dict:
    """One run from nothing."""
    name = f"d{deadline}"
    for folder in (work / "runs" / name, work / "exports" / name):
        shutil.rmtree(folder, ignore_errors=True)
    started = time.monotonic()
    ended = subprocess.run(
        [
            Path(sys.executable).with_name("automl"), "run", work / "digits", "--recipe", "demo", "--name", name,
            "--deadline", deadline, "--runs", work / "runs", "--exports", work / "exports", "--json",
        ],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - started
    facts = json.loads(ended.stdout)
    test = facts.get("metrics", {}).get("test", {})
    record = work / "runs" / name / "train" / "record.json"
    return {
        "seconds": seconds,
        "exit_code": ended.returncode,
        "trials": facts.get("trials"),
        "epochs": len(json.loads(record.read_text())["epochs"]) if record.exists() else None,
        "winner": facts.get("winner"),
        "accuracy": test.get("accuracy", {}).get("value"),
        "n": test.get("n"),
        "chosen": facts.get("chosen"),
        "written": datetime.now(UTC).isoformat("T", "seconds"),
    }


if __name__ == "__main__":
    main()
