"""pick's time beside that of a bare script which builds each network, loads its weights and predicts once.

    .venv/bin/python benchmarks/pick_speed.py --weights WEIGHTS --work FOLDER [--turns 3] FLOWERS DOGCAT

1,000 photos (600 and 400 of the two sets, a folder a class) at 160 px, every backbone whose weights the folder lists.
Both do the same networks, by turns: pick as the stage of a run, from its start to its end (processes, probes,
baselines, learning curve, suspects and the saved network included), the script in one process; its imports are not
counted, for those of pick's processes lie in the forkserver. A row a turn is appended to benchmarks/pick_speed.jsonl.
Prints the table of docs/measurements.md, and what a second pick with one more candidate takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import click

from automl.compressors.measure import describe_cpu
from automl.nets.catalogue import BACKBONES
from automl.nets.listing import read_listing

ROWS = Path(__file__).with_suffix(".jsonl")
SIZE_PX, BATCH, TAKEN = 160, 32, (600, 400)


class Enough(Exception):
    """pick has ended; the run is not needed any further."""


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="needed to measure")
@click.option("--work", type=click.Path(path_type=Path), help="needed to measure")
@click.option("--turns", default=3)
@click.option("--bare", is_flag=True, hidden=True)
def main(datasets: tuple[Path, ...], weights: Path | None, work: Path | None, turns: int, *, bare: bool) -> None:
    """Measure, and print all turns."""
    if bare:
        assert weights is not None
        click.echo(json.dumps(bare_script(datasets[0], weights)))
        return
    if datasets:
        if weights is None or work is None:
            raise click.UsageError("measuring needs --weights and --work")
        photos = gather(datasets, work)
        for turn in range(turns):
            measure(photos, weights.resolve(), work, turn)
    show([json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else [])


def gather(datasets: tuple[Path, ...], work: Path) -> Path:
    """1,000 photos in a folder a class; copied."""
    folder = work / "photos"
    if not folder.exists():
        partial = work / ".photos"
        shutil.rmtree(partial, ignore_errors=True)
        for dataset, most in zip(datasets, TAKEN, strict=True):
            classes = sorted(one for one in dataset.iterdir() if one.is_dir())
            for of_class in classes:
                (partial / of_class.name).mkdir(parents=True)
                for file in sorted(of_class.iterdir())[: most // len(classes)]:
                    shutil.copy2(file, partial / of_class.name)
        partial.rename(folder)
    return folder


def names_in(weights: Path) -> list[str]:
    """The backbones whose weights the folder lists, the cheapest first."""
    listed = read_listing(weights)
    rows = [row for row in BACKBONES if any(entry.fits(row) for entry in listed)]
    return [row.name for row in sorted(rows, key=lambda row: row.gmacs)]


def measure(photos: Path, weights: Path, work: Path, turn: int) -> None:
    """Both once, and pick again with one more candidate; a row."""
    names = names_in(weights)
    shutil.rmtree(work / "runs", ignore_errors=True)
    one_less = pick(photos, weights, work, names[:-1], redo=False)
    one_more = pick(photos, weights, work, names, redo=True)
    shutil.rmtree(work / "runs", ignore_errors=True)
    ours = pick(photos, weights, work, names, redo=False)
    command = [sys.executable, __file__, "--bare", "--weights", weights, photos]
    told = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ).stdout  # fmt: skip
    row = {
        "turn": turn, "networks": len(names), "pick": ours, "one less": one_less, "one more": one_more,
        "bare": json.loads(told.splitlines()[-1]), "cpu": describe_cpu(), "load": os.getloadavg()[0],
        "written": datetime.now(UTC).isoformat("T", "seconds"),
    }  # fmt: skip
    with ROWS.open("a") as file:
        file.write(json.dumps(row) + "\n")


def pick(photos: Path, weights: Path, work: Path, names: list[str], *, redo: bool) -> float:
    """Seconds of the stage pick, from its start to its end as the run tells them."""
    import automl

    marks: dict[str, float] = {}

    def hear(event: Mapping[str, Any]) -> None:
        if event.get("stage") == "pick" and event["event"] in {"stage started", "stage done"}:
            marks[event["event"]] = time.monotonic()
            if event["event"] == "stage done":
                raise Enough

    with contextlib.suppress(Enough):
        automl.run(
            photos,
            settings={"backbones": names, "pack.size_px": SIZE_PX, "weights.download": False},
            name="speed",
            runs=work / "runs",
            exports=work / "exports",
            weights=weights,
            hear=hear,
            redo="pick" if redo else None,
        )
    return round(marks["stage done"] - marks["stage started"], 2)


def bare_script(photos: Path, weights: Path) -> float:
    """Build, load, predict once, each network; what a user would write to have features."""
    import keras
    import numpy as np

    from automl.bundle.resize import decode
    from automl.nets.build import build_backbone, build_extractor, load_pretrained
    from automl.nets.catalogue import backbone_named
    from automl.nets.weights import in_folder

    files = sorted(file for file in photos.rglob("*") if file.is_file())
    pixels = np.stack([decode(file.read_bytes(), SIZE_PX)[1] for file in files])
    started = time.monotonic()
    for name in names_in(weights):
        row = backbone_named(name)
        backbone = build_backbone(row, SIZE_PX)
        found = in_folder(row, weights)
        assert found is not None
        load_pretrained(backbone, found)
        build_extractor(backbone).predict(pixels, batch_size=BATCH, verbose=0)
        keras.utils.clear_session()
    return round(time.monotonic() - started, 2)


def show(rows: list[dict[str, Any]]) -> None:
    """A line a turn, and the medians."""
    click.echo(
        "| turn | networks | bare, s | pick, s | pick / bare | without the last, s | then with it, s |\n|"
        + " --- |" * 7
    )
    for row in rows:
        bare, ours = row["bare"], row["pick"]
        click.echo(
            f"| {row['turn'] + 1} | {row['networks']} | {bare:.1f} | {ours:.1f} | {ours / bare:.2f} "
            f"| {row['one less']:.1f} | {row['one more']:.1f} |"
        )
    if rows:
        ratios = [row["pick"] / row["bare"] for row in rows]
        click.echo(f"| **median** | | | | {median(ratios):.2f} | | |")


if __name__ == "__main__":
    main()
