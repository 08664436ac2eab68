"""automl's quick recipe against Keras' transfer-learning guide: error and wall time on the same images and weights.

    .venv/bin/python benchmarks/vs_keras_guide.py --weights WEIGHTS --work FOLDER [--minutes M] DATASET...

For each split seed (0, 1, 2), backbone and dataset (at most 700 images of it, drawn with a fixed seed, a class as often
as in the whole) both methods run one after the other, as commands, at 160 px, with the same weights file and the same
split, which is automl's. Counted is wall time: for the guide the whole command; for automl from starting the command
to the end of train, and evaluating the float network (its export and compression have no counterpart). A row for each
(dataset, seed, backbone, method) is appended to benchmarks/vs_keras_guide.jsonl as it comes; run again, the benchmark
goes on after the last whole pair. A pair is always measured on one machine. Prints the table of docs/measurements.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

import click
import numpy as np

from automl.compressors.measure import describe_cpu
from automl.nets.catalogue import backbone_named
from automl.nets.weights import in_folder

ROWS = Path(__file__).with_suffix(".jsonl")
GUIDE = Path(__file__).with_name("keras_guide.py")
SEEDS, BACKBONES, SIZE_PX, MOST = (0, 1, 2), ("mobilenetv3small", "efficientnetv2b0"), 160, 700


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="needed to measure")
@click.option("--work", type=click.Path(path_type=Path), help="for runs and drawn sets; needed to measure")
@click.option("--minutes", type=float, default=1e9, help="no pair is begun after so many")
def main(datasets: tuple[Path, ...], weights: Path | None, work: Path | None, minutes: float) -> None:
    """Measure what is missing, print all pairs."""
    stop_at = time.monotonic() + 60 * minutes
    cells = [(seed, backbone, dataset) for seed in SEEDS for backbone in BACKBONES for dataset in datasets]
    for seed, backbone, dataset in cells:
        if (dataset.name, seed, backbone) in whole_pairs() or time.monotonic() > stop_at:
            continue
        if weights is None or work is None:
            raise click.UsageError("measuring needs --weights and --work")
        measure(draw(dataset, work), seed, backbone, weights, work)
    show(whole_pairs())


def draw(dataset: Path, work: Path) -> Path:
    """At most 700 images of a flat folder of classes, a class as often as in the whole; copied."""
    folder = work / "sets" / dataset.name
    files = {one.name: sorted(one.iterdir()) for one in sorted(dataset.iterdir()) if one.is_dir()}
    share = min(1.0, MOST / sum(map(len, files.values())))
    if not folder.exists():
        partial = folder.with_name(f".{folder.name}")
        shutil.rmtree(partial, ignore_errors=True)
        rng = np.random.default_rng(0)
        for label, of_class in files.items():
            (partial / label).mkdir(parents=True)
            for index in sorted(rng.permutation(len(of_class))[: round(share * len(of_class))]):
                shutil.copy2(of_class[index], partial / label)
        partial.rename(folder)
    return folder


def measure(dataset: Path, seed: int, backbone: str, weights: Path, work: Path) -> None:
    """Run both methods, append a row for each."""
    name = f"{dataset.name}-{backbone}-{seed}"
    shutil.rmtree(work / "runs" / name, ignore_errors=True)
    shutil.rmtree(work / "exports" / name, ignore_errors=True)
    began = datetime.now(UTC)
    facts = json.loads(
        output(
            [Path(sys.executable).with_name("automl"), "run", dataset, "--recipe", "quick", "--json", "--name", name,
             "--seed", seed + 1, "--runs", work / "runs", "--exports", work / "exports", "--weights", weights,
             "--set", f"backbones=[{backbone}]", "--set", f"pack.size_px={SIZE_PX}"],
        )
    )  # fmt: skip
    events = [json.loads(line) for line in (work / "runs" / name / "events.jsonl").read_text().splitlines()]
    trained = next(each for each in events if each["event"] == "stage done" and each["stage"] == "train")
    test = facts["metrics"]["test_fp32"]
    ours = {
        "method": "automl quick",
        "accuracy": test["accuracy"]["value"],
        "n": test["n"],
        "seconds": (datetime.fromisoformat(trained["at"]) - began).total_seconds()
        + facts["stages"]["evaluate"]["seconds"],
        "winner": facts["winner"],
        "stages": {stage: each["seconds"] for stage, each in facts["stages"].items()},
    }
    found = in_folder(backbone_named(backbone), weights)
    assert found is not None
    started = time.monotonic()
    told = output(
        [sys.executable, GUIDE, dataset, work / "runs" / name / "split" / "split.csv", backbone, found.path, SIZE_PX,
         seed + 1],
    )  # fmt: skip
    guide = {"method": "keras guide", "seconds": time.monotonic() - started, **json.loads(told.splitlines()[-1])}
    cell = {
        "dataset": dataset.name, "images": facts["images"], "seed": seed, "backbone": backbone, "cpu": describe_cpu(),
        "cores": os.cpu_count(), "written": datetime.now(UTC).isoformat("T", "seconds"),
    }  # fmt: skip
    with ROWS.open("a") as file:  # in one go: a pair is whole, or not there
        file.write("".join(json.dumps({**cell, **row}) + "\n" for row in (ours, guide)))


def output(command: list) -> str:
    """What a command prints; its stderr passes through."""
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )  # fmt: skip
    return done.stdout


def whole_pairs() -> dict[tuple[str, int, str], dict[str, dict]]:
    """By (dataset, seed, backbone) both methods' rows, the latest of each."""
    pairs: dict[tuple[str, int, str], dict[str, dict]] = {}
    for row in map(json.loads, ROWS.read_text().splitlines() if ROWS.exists() else ()):
        pairs.setdefault((row["dataset"], row["seed"], row["backbone"]), {})[row["method"]] = row
    return pairs


def show(pairs: dict[tuple[str, int, str], dict[str, dict]]) -> None:
    """A line for each pair, and the means."""
    click.echo(
        "| dataset | split seed | backbone | n | error guide | error automl | minutes guide | minutes automl | ratio "
        "| winner |\n|" + " --- |" * 10
    )
    for (dataset, seed, backbone), pair in sorted(pairs.items()):
        guide, ours = pair["keras guide"], pair["automl quick"]
        click.echo(
            f"| {dataset} | {seed} | {backbone} | {ours['n']} "
            f"| {1 - guide['accuracy']:.3f} | {1 - ours['accuracy']:.3f} "
            f"| {guide['seconds'] / 60:.1f} | {ours['seconds'] / 60:.1f} | {ours['seconds'] / guide['seconds']:.2f} "
            f"| {ours['winner']} |"
        )
    for title, chosen in means(pairs):
        guide, ours = ([pair[method] for pair in chosen] for method in ("keras guide", "automl quick"))
        errors = [mean(1 - row["accuracy"] for row in rows) for rows in (guide, ours)]
        minutes = [sum(row["seconds"] for row in rows) / 60 for rows in (guide, ours)]
        click.echo(
            f"| **{title}** | {len(chosen)} pairs | | | {errors[0]:.3f} | {errors[1]:.3f} | {minutes[0]:.1f} in all "
            f"| {minutes[1]:.1f} in all | {minutes[1] / minutes[0]:.2f} | |"
        )


def means(pairs: dict[tuple[str, int, str], dict[str, dict]]) -> Iterator[tuple[str, list[dict]]]:
    """Titles with the pairs behind them: each backbone's, and all."""
    for backbone in BACKBONES:
        if chosen := [pair for key, pair in pairs.items() if key[2] == backbone]:
            yield backbone, chosen
    if pairs:
        yield "all", list(pairs.values())


if __name__ == "__main__":
    main()
