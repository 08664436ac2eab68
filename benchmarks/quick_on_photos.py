"""The whole path on real photos: accuracy and seconds of `automl run --recipe quick`, a row a dataset.

    .venv/bin/python benchmarks/quick_on_photos.py --weights WEIGHTS --runs RUNS DATASET...

Rows are appended to benchmarks/quick_on_photos.jsonl as they come; a finished run is not repeated but read, so the
benchmark goes on after a stop. Seconds are those of the ten stages, each as it finished. Prints the table of
docs/measurements.md; every figure in it is a single run with seed 1.
"""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import click

import automl
from automl.compressors.measure import describe_cpu

ROWS = Path(__file__).with_suffix(".jsonl")
COLUMNS = (
    "| dataset | images | size px | backbone | winner | test accuracy (95 %) | n | fp32 test | chosen | MB | minutes |"
)


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--weights", required=True, type=click.Path(path_type=Path))
@click.option("--runs", required=True, type=click.Path(path_type=Path))
def main(datasets: tuple[Path, ...], weights: Path, runs: Path) -> None:
    """Run quick on each dataset, append its row, print all rows."""
    for dataset in datasets:
        facts = automl.run(
            dataset, recipe="quick", name=dataset.name, runs=runs, exports=runs.parent / "exports", weights=weights
        )
        with ROWS.open("a") as file:
            picked = json.loads((runs / dataset.name / "pick" / "record.json").read_text())
            file.write(json.dumps({**row_of(dataset.name, facts), "size_px": picked["network"]["size_px"]}) + "\n")
    latest = {row["dataset"]: row for row in map(json.loads, ROWS.read_text().splitlines())}
    click.echo(COLUMNS + "\n" + "|" + " --- |" * 11)
    for row in latest.values():
        low, high = row["interval"]
        click.echo(
            f"| {row['dataset']} | {row['images']:,} | {row['size_px']} | {row['backbone']} | {row['winner']} "
            f"| {row['accuracy']:.3f} ({low:.3f} to {high:.3f}) | {row['n']} | {row['fp32_accuracy']:.3f} "
            f"| {row['chosen']} | {row['mb']:.2f} | {row['seconds'] / 60:.1f} |"
        )


def row_of(name: str, facts: dict) -> dict:
    """One line of the file."""
    test = facts["metrics"]["test"]
    chosen = next(variant for variant in facts["variants"] if variant["name"] == facts["chosen"])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=ROWS.parent
    )
    return {
        "dataset": name,
        "images": facts["images"],
        "backbone": facts["backbone"],
        "winner": facts["winner"],
        "accuracy": test["accuracy"]["value"],
        "interval": [test["accuracy"]["low"], test["accuracy"]["high"]],
        "n": test["n"],
        "fp32_accuracy": facts["metrics"]["test_fp32"]["accuracy"]["value"],
        "chosen": facts["chosen"],
        "mb": chosen["size_bytes"] / 1e6,
        "seconds": sum(stage["seconds"] for stage in facts["stages"].values()),
        "stages": {stage: facts["stages"][stage]["seconds"] for stage in facts["stages"]},
        "seed": facts["seed"],
        "run_ended": facts["updated"],
        "read_at_commit": commit.stdout.strip(),
        "machine": f"{describe_cpu()}, {facts['hardware']['cores']} cores",
        "written": datetime.now(UTC).isoformat("T", "seconds"),
    }


if __name__ == "__main__":
    main()
