"""What enlarging small images gains: the probe's out-of-fold accuracy at several input sizes.

    .venv/bin/python benchmarks/input_size.py --weights WEIGHTS DATASET...

2,000 images of each folder of classes (all, if fewer), decoded at 64, 96, 128 and 160 px as the tool does it; features
and probe as pick computes them. A row for each (set, size, backbone) is appended to benchmarks/input_size.jsonl; those
there are not measured again. Prints the table of docs/measurements.md: accuracy, and images a second.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

ROWS = Path(__file__).with_suffix(".jsonl")
SIZES_PX, BACKBONES, MOST = (64, 96, 128, 160), ("mobilenetv3small", "mobilenetv2"), 2000


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="needed to measure")
def main(datasets: tuple[Path, ...], weights: Path | None) -> None:
    """Measure what is missing, print the table."""
    done = {(row["dataset"], row["size_px"], row["backbone"]) for row in read_rows()}
    for dataset in datasets:
        if weights is None:
            raise click.UsageError("measuring needs --weights")
        files = sorted(file for file in dataset.rglob("*") if file.suffix.lower() in {".jpg", ".png"})
        some = np.sort(np.random.default_rng(0).permutation(len(files))[:MOST])
        chosen = [files[at] for at in some]
        labels = np.unique([file.relative_to(dataset).parts[0] for file in chosen], return_inverse=True)[1]
        for size_px in SIZES_PX:
            for name in BACKBONES:
                if (dataset.name, size_px, name) not in done:
                    row = {"dataset": dataset.name, "size_px": size_px, "backbone": name}
                    row |= measure(chosen, labels.astype(np.int64), size_px, name, weights)
                    with ROWS.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    show(read_rows())


def measure(files: list[Path], labels: np.ndarray, size_px: int, name: str, weights: Path) -> dict[str, Any]:
    """One probe."""
    from automl.bundle.resize import decode
    from automl.nets.build import build_backbone, build_extractor, load_pretrained
    from automl.nets.catalogue import backbone_named
    from automl.nets.features import extract_features
    from automl.nets.probe import fit_probe
    from automl.nets.weights import in_folder

    row = backbone_named(name)
    found = in_folder(row, weights)
    assert found is not None
    pixels = np.stack([decode(file.read_bytes(), size_px)[1] for file in files])
    backbone = build_backbone(row, size_px)
    load_pretrained(backbone, found)
    seen = extract_features(build_extractor(backbone), pixels, batch_size=32)
    fitted = fit_probe(seen.features, labels, int(labels.max()) + 1, folds=5, neighbours=5, seed=1)
    return {
        "n": len(files), "accuracy": round(float(fitted.out_of_fold.mean()), 4), "c": fitted.c,
        "images_s": round(seen.images_s),
    }  # fmt: skip


def read_rows() -> list[dict[str, Any]]:
    """All that was measured."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def show(rows: list[dict[str, Any]]) -> None:
    """A line for each set and backbone."""
    click.echo("| set | n | backbone | " + " | ".join(f"{size} px" for size in SIZES_PX) + " |\n|" + " --- |" * 7)
    by_cell = {(row["dataset"], row["backbone"], row["size_px"]): row for row in rows}
    for dataset, name in dict.fromkeys((row["dataset"], row["backbone"]) for row in rows):
        cells = [by_cell.get((dataset, name, size)) for size in SIZES_PX]
        told = [f"{cell['accuracy']:.4f}, {cell['images_s']}/s" if cell else "" for cell in cells]
        n = next(cell["n"] for cell in cells if cell)
        click.echo(f"| {dataset} | {n} | {name} | " + " | ".join(told) + " |")


if __name__ == "__main__":
    main()
