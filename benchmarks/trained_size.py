"""Two weights files of one backbone, trained at two sizes: which one sees images of a third size better?

    .venv/bin/python benchmarks/trained_size.py --weights WEIGHTS DATASET...

Each DATASET is a folder of a folder a class; WEIGHTS has a weights.yaml that lists MobileNetV2 0.35 at 128 and 224 px.
The images are packed at 96, 128 and 160 px; judged is the probe that pick fits, out of its five folds, with three seeds
for the folds. A row a set, size and file is appended to benchmarks/trained_size.jsonl; those there are not measured
again. Prints the table of docs/measurements.md: both accuracies, and their difference on the same images with its 95 %
interval.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from automl.bundle.resize import decode
from automl.metrics.bootstrap import paired_difference
from automl.nets.build import build_backbone, build_extractor, load_pretrained
from automl.nets.catalogue import backbone_named
from automl.nets.features import extract_features
from automl.nets.listing import read_listing
from automl.nets.probe import fit_probe
from automl.types import WeightsFound

ROWS = Path(__file__).with_suffix(".jsonl")
BACKBONE, SMALL_PX, LARGE_PX = "mobilenetv2_035", 128, 224
PACKED_PX = (96, 128, 160)
SEEDS = (1, 2, 3)


def read(dataset: Path, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """The pictures as a run packs them, and their labels."""
    files = sorted(file for file in dataset.rglob("*") if file.is_file())
    labels = np.unique([file.relative_to(dataset).parts[0] for file in files], return_inverse=True)[1]
    return np.stack([decode(file.read_bytes(), size_px)[1] for file in files]), labels.astype(np.int64)


def measure(dataset: Path, packed_px: int, trained_px: int, weights: Path) -> dict:
    """One row; "right" holds, for each seed, which images the probe was right on, as digits."""
    row = backbone_named(BACKBONE)
    entry = next(one for one in read_listing(weights) if one.fits(row) and one.size_px == trained_px)
    found = WeightsFound(backbone=row.name, source="folder", path=str(weights / entry.file), sha256=entry.sha256)
    pixels, labels = read(dataset, packed_px)
    backbone = build_backbone(row, packed_px)
    load_pretrained(backbone, found)
    features = extract_features(build_extractor(backbone), pixels, batch_size=32).features
    fits = [fit_probe(features, labels, int(labels.max()) + 1, folds=5, neighbours=5, seed=seed) for seed in SEEDS]
    return {
        "set": dataset.name,
        "packed_px": packed_px,
        "trained_px": trained_px,
        "n": len(labels),
        "accuracy": round(float(np.mean([fit.out_of_fold for fit in fits])), 5),
        "knn": round(fits[0].knn_accuracy, 5),
        "c": [fit.c for fit in fits],
        "right": ["".join("01"[int(one)] for one in fit.out_of_fold) for fit in fits],
    }


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="needed to measure")
def main(datasets: tuple[Path, ...], weights: Path | None) -> None:
    """Measure what is missing, print all rows."""
    if datasets and weights is None:
        raise click.UsageError("measuring needs --weights")
    for dataset in datasets:
        for packed_px in PACKED_PX:
            for trained_px in (SMALL_PX, LARGE_PX):
                if (dataset.name, packed_px, trained_px) not in known():
                    with ROWS.open("a") as file:
                        file.write(json.dumps(measure(dataset, packed_px, trained_px, weights)) + "\n")
    show()


def known() -> dict[tuple[str, int, int], dict]:
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    return {(row["set"], row["packed_px"], row["trained_px"]): row for row in rows}


def show() -> None:
    """The table of docs/measurements.md. The interval is that of the first seed's folds, about its own difference."""
    rows = known()
    click.echo("| dataset | images | packed px | trained at 128 px | at 224 px | 128 minus 224, points | kNN, points |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    for name, packed_px in dict.fromkeys((name, packed_px) for name, packed_px, _ in rows):
        small, large = rows[name, packed_px, SMALL_PX], rows[name, packed_px, LARGE_PX]
        gains = [paired_difference(as_right(a), as_right(b), resamples=2000, seed=1)
                 for a, b in zip(small["right"], large["right"], strict=True)]  # fmt: skip
        mean, half = np.mean([gain.value for gain in gains]), np.mean([(gain.high - gain.low) / 2 for gain in gains])
        click.echo(
            f"| {name} | {small['n']:,} | {packed_px} | {small['accuracy']:.3f} | {large['accuracy']:.3f} "
            f"| {100 * mean:+.1f} +- {100 * half:.1f} | {100 * (small['knn'] - large['knn']):+.1f} |"
        )


def as_right(digits: str) -> np.ndarray:
    return np.array([one == "1" for one in digits])


if __name__ == "__main__":
    main()
