"""The leakage test on real photos: 20 exact and 20 altered copies planted across given parts of each dataset.

    .venv/bin/python benchmarks/planted_copies.py DATASET...

For each of five seeds the photos of a folder of classes are dealt to three parts, 40 of them are drawn, and each is put
into another part as well: 20 byte for byte, the others re-encoded (JPEG, quality 60), resized (to 0.7) or shifted by a
pixel in turn. Pixels are packed at 160 px as `check` does. A false pair is one that is neither planted nor among the
photos' own near copies as found without the planted ones, which are counted apart. Rows are appended to benchmarks/
planted_copies.jsonl; prints the table of docs/measurements.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
from PIL import Image as PillowImage

from automl.bundle.resize import load_pixels
from automl.compressors.measure import describe_cpu
from automl.data.duplicates import Copies, find_copies
from automl.data.layouts import list_dataset
from automl.data.shared import leakage
from automl.data.split import assign_parts
from automl.recipe.model import Split
from automl.types import PARTS, Image
from tests.photos import ALTERATIONS

ROWS = Path(__file__).with_suffix(".jsonl")
SIZE_PX = 160
COLUMNS = (
    "| dataset | photos | exact found of 20 | altered found of 20 | false pairs | own near pairs "
    "| leakage after the cut |"
)


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(datasets: tuple[Path, ...]) -> None:
    """Plant, look, and count; five seeds a dataset."""
    rows = [row_of(dataset) for dataset in datasets]
    with ROWS.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    click.echo(COLUMNS + "\n|" + " --- |" * 7)
    for row in rows:
        click.echo(
            f"| {row['dataset']} | {row['photos']:,} | {told(row['exact'])} | {told(row['altered'])} "
            f"| {told(row['false'])} | {row['own']} | {told(row['leakage'])} |"
        )


def row_of(dataset: Path) -> dict:
    """One line of the file: a list has a figure a seed."""
    listing = list_dataset(dataset)
    photos = {f"{file.label}/{file.path}": (Path(listing.root) / file.path).read_bytes() for file in listing.files}
    packed = {path: load_pixels(data, SIZE_PX) for path, data in photos.items()}
    own = pairs_of(look(photos, packed, {})[1])
    row: dict = {"dataset": dataset.name, "photos": len(photos), "own": len(own)}
    seconds = []
    for seed in range(1, 6):
        chosen = random.Random(seed).sample(sorted(photos), 40)
        files, pixels, planted = dict(photos), dict(packed), {}
        given = {path: PARTS[at % 3] for at, path in enumerate(random.Random(seed).sample(sorted(photos), len(photos)))}
        for at, path in enumerate(chosen):
            copy = f"{path}.copy"
            planted[copy] = path
            given[copy] = PARTS[(PARTS.index(given[path]) + 1 + at % 2) % 3]
            files[copy] = photos[path] if at < 20 else ALTERATIONS[at % 3](upright(photos[path]))
            pixels[copy] = load_pixels(files[copy], SIZE_PX)
        started = time.process_time()
        images, copies = look(files, pixels, given)
        seconds.append(time.process_time() - started)
        at_path = {image.path: image for image in images}
        same = {copy for copy in planted if copies.key(at_path[copy]) == copies.key(at_path[planted[copy]])}
        found = pairs_of(copies)
        wanted = {frozenset(pair) for pair in planted.items()}
        stripped = {frozenset(path.removesuffix(".copy") for path in pair) for pair in found - wanted}
        cut = assign_parts(images, copies, Split(), seed)
        row.setdefault("exact", []).append(sum(copy in same for copy in list(planted)[:20]))
        row.setdefault("altered", []).append(
            sum(copy in same or frozenset((copy, planted[copy])) in found for copy in list(planted)[20:])
        )
        row.setdefault("false", []).append(len(stripped - own))
        row.setdefault("leakage", []).append(sum(leakage(images, copies, cut.parts).values()))
    return row | {
        "cpu_seconds": [round(value, 2) for value in seconds],
        "machine": describe_cpu(),
        "written": datetime.now(UTC).isoformat("T", "seconds"),
    }


def look(files: dict[str, bytes], pixels: dict[str, np.ndarray], given: dict[str, str]) -> tuple[list[Image], Copies]:
    """Images as check writes them, and their copies."""
    images = []
    for row, path in enumerate(sorted(files)):
        with PillowImage.open(io.BytesIO(files[path])) as image:
            width, height = image.size
        images.append(
            Image(
                path=path, label=path.split("/")[0], part=None, sha256=hashlib.sha256(files[path]).hexdigest(),
                width_px=width, height_px=height, mode="RGB", format="PNG", size_bytes=len(files[path]), row=row,
            )
        )  # fmt: skip
        if given:
            images[-1] = replace(images[-1], part=given[path])
    return images, find_copies(images, np.stack([pixels[image.path] for image in images]))


def upright(data: bytes) -> np.ndarray:
    """The decoded photo, uint8 (height, width, 3)."""
    with PillowImage.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def pairs_of(copies: Copies) -> set[frozenset[str]]:
    """Both paths of each near pair."""
    return {frozenset((pair.first, pair.second)) for pair in copies.near}


def told(values: list[int]) -> str:
    """The figures of the seeds."""
    return ", ".join(map(str, values))


if __name__ == "__main__":
    main()
