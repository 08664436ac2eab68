"""How far the parts' sizes are from their shares, over seeds, and how many old images move when a set grows.

    .venv/bin/python benchmarks/split_spread.py DATASET...

Each image of a folder of classes is a content of its own (its path stands for its bytes: a hash knows no difference).
Beside the cut by content it measures one by rank, each class's images in the order of their hash and the exact share of
them taken. "moved": the last fifth of the files, drawn by the seed, is taken away and added again. Prints the
table of docs/measurements.md.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from pathlib import Path

import click
import numpy as np

from automl.data.duplicates import Copies
from automl.data.layouts import list_dataset
from automl.data.split import assign_parts
from automl.recipe.model import Split
from automl.types import Image, Part

SEEDS = range(1, 201)
SHARES: dict[Part, float] = {"test": 0.15, "validation": 0.15}


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(datasets: tuple[Path, ...]) -> None:
    """Cut each dataset by 200 seeds in both ways."""
    click.echo(
        "| dataset | images | cut | test, seed 1 | test, mean +- sd | least to most | a class's share of test, sd "
        "| moved when a fifth is added | most |"
    )
    click.echo("|" + " --- |" * 9)
    for dataset in datasets:
        images = images_of(dataset)
        for name, cut in (("by content", by_content), ("by rank", by_rank)):
            sizes, classes, moved = [], [], []
            for seed in SEEDS:
                parts = cut(images, seed)
                kept = random.Random(seed).sample(images, len(images) * 4 // 5)
                before = cut(kept, seed)
                moved.append(sum(part != parts[path] for path, part in before.items()))
                sizes.append(sum(part == "test" for part in parts.values()))
                per_class = defaultdict(list)
                for image in images:
                    per_class[image.label].append(parts[image.path] == "test")
                classes += [np.mean(inside) for inside in per_class.values()]
            spread = f"{np.mean(sizes):.1f} +- {np.std(sizes):.1f}"
            click.echo(
                f"| {dataset.name} | {len(images):,} | {name} | {sizes[0]} | {spread} "
                f"| {min(sizes)} to {max(sizes)} | {np.std(classes):.3f} | {np.mean(moved):.1f} | {max(moved)} |"
            )


def images_of(dataset: Path) -> list[Image]:
    """The listed files as images that no one has opened."""
    return [
        Image(
            path=file.path, label=file.label, part=None, sha256=hashlib.sha256(file.path.encode()).hexdigest(),
            width_px=1, height_px=1, mode="RGB", format="PNG", size_bytes=1, row=row,
        )
        for row, file in enumerate(list_dataset(dataset).files)
    ]  # fmt: skip


def by_content(images: list[Image], seed: int) -> dict[str, Part]:
    """What the stage does."""
    return assign_parts(images, Copies(), Split(), seed).parts


def by_rank(images: list[Image], seed: int) -> dict[str, Part]:
    """The exact share of each class, its images in the order of their hash."""
    parts: dict[str, Part] = {image.path: "train" for image in images}
    for label in {image.label for image in images}:
        own = sorted(
            (image for image in images if image.label == label),
            key=lambda image: hashlib.sha256(f"{seed}\0{image.sha256}".encode()).digest(),
        )
        start = 0
        for part, share in SHARES.items():
            count = round(share * len(own))
            parts |= {image.path: part for image in own[start : start + count]}
            start += count
    return parts


if __name__ == "__main__":
    main()
