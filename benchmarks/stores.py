"""Where packed pixels may lie: raw maps, re-encoded JPEG, or the dataset's own files; what each costs and changes.

    nice -n 19 .venv/bin/python benchmarks/stores.py [--model RUN/compress/fp32.onnx] DATASET

Packs at most 500 images of a folder of classes at 160 px, seeded, and reads them by turns, three times, in batches of
32 in a shuffled order, in one thread. Told are the CPU time of one image and the bytes that it takes; of JPEG (4:4:4)
the difference to the exact pixels in grey levels, and, with a model trained on that dataset, that of its
probabilities: the gate allows 0.001 between the packed pixels and the file. A row each is appended to
benchmarks/stores.jsonl.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from PIL import Image

from automl.bundle.gate import TOLERANCE
from automl.bundle.resize import load_pixels
from automl.compressors.measure import describe_cpu
from automl.data.layouts import list_dataset
from automl.data.store import FilePixels, RawWriter, StoreFacts, open_pixels, rows_per_shard, write_facts
from automl.graph.session import open_session, predict

ROWS = Path(__file__).with_suffix(".jsonl")
SEED, SIZE_PX, MOST, BATCH, TURNS, QUALITIES = 1, 160, 500, 32, 3, (90, 95, 98)


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="fp32.onnx of a run on this dataset")
def main(dataset: Path, model: Path | None) -> None:
    """Measure one dataset, print all rows."""
    listing = list_dataset(dataset)
    drawn = random.Random(SEED).sample(listing.files, min(MOST, len(listing.files)))
    data = [(Path(listing.root) / file.path).read_bytes() for file in drawn]
    exact = np.stack([load_pixels(one, SIZE_PX) for one in data])
    answers = None if model is None else predict(open_session(model), exact)[0]
    with tempfile.TemporaryDirectory() as work:
        names = [(file.path, hashlib.sha256(one).hexdigest()) for file, one in zip(drawn, data, strict=True)]
        from_files = FilePixels(Path(listing.root), names, SIZE_PX, 64)
        readers: dict[str, tuple[Callable[[int], Any], float]] = {
            "raw": (write_raw(Path(work), exact).__getitem__, float(exact[0].nbytes)),
            "files": (from_files.__getitem__, 0.0),
        }
        changes: dict[str, dict[str, float]] = {"raw": {}, "files": {}}
        for quality in QUALITIES:
            name, encoded = f"jpeg {quality}", [encode(picture, quality) for picture in exact]
            readers[name] = (lambda row, encoded=encoded: decode(encoded[row]), float(np.mean([*map(len, encoded)])))
            changes[name] = difference(exact, np.stack([decode(one) for one in encoded]), model, answers)
        cpu_ms: dict[str, list[float]] = {name: [] for name in readers}
        for turn in range(TURNS):
            for name, (read, _) in readers.items():
                cpu_ms[name].append(read_all(read, len(exact), turn))
    with ROWS.open("a") as file:
        for name, (_, size) in readers.items():
            row = {
                "cpu": describe_cpu(), "dataset": dataset.name, "n": len(exact), "store": name, "bytes": size,
                "file_bytes": float(np.mean([*map(len, data)])), "cpu_ms": cpu_ms[name], **changes[name],
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    tell()


def write_raw(folder: Path, exact: np.ndarray) -> Any:
    """As check packs it."""
    writer = RawWriter(folder, SIZE_PX, 0)
    for picture in exact:
        writer.write(picture)
    writer.close()
    facts = StoreFacts(kind="raw", n_images=len(exact), size_px=SIZE_PX, rows_per_shard=rows_per_shard(SIZE_PX))
    write_facts(folder, facts)
    return open_pixels(folder)


def encode(picture: np.ndarray, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


def decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def read_all(read: Callable[[int], Any], n: int, turn: int) -> float:
    """CPU milliseconds of one image."""
    order = np.random.default_rng([SEED, turn]).permutation(n)
    started = time.process_time()
    for start in range(0, n, BATCH):
        np.stack([read(int(row)) for row in order[start : start + BATCH]])
    return 1e3 * (time.process_time() - started) / n


def difference(exact: np.ndarray, other: np.ndarray, model: Path | None, answers: Any) -> dict[str, float]:
    """Of pixels in grey levels, and of probabilities."""
    apart = np.abs(exact.astype(np.int16) - other)
    found = {"mean_levels": float(apart.mean()), "max_levels": float(apart.max())}
    if model is not None:
        again = predict(open_session(model), other)[0]
        worst = np.abs(again - answers).max(axis=1)
        found |= {
            "worst_probability": float(worst.max()),
            "beyond_the_gate": float((worst > TOLERANCE).mean()),
            "other_class": float((again.argmax(axis=1) != answers.argmax(axis=1)).mean()),
        }
    return found


def tell() -> None:
    """A line a row."""
    click.echo(
        "| set | n | store | bytes an image (its file) | CPU ms an image | / raw | grey levels apart: mean, most "
        "| probabilities apart: most, share beyond .001, other class |\n|" + " --- |" * 8
    )
    raw = 1.0
    for row in map(json.loads, ROWS.read_text().splitlines()):
        own = median(row["cpu_ms"])
        raw = own if row["store"] == "raw" else raw
        pixels = f"{row['mean_levels']:.2f}, {row['max_levels']:.0f}" if "mean_levels" in row else "0, 0"
        told = (
            f"{row['worst_probability']:.3f}, {row['beyond_the_gate']:.2f}, {row['other_class']:.3f}"
            if "worst_probability" in row
            else ""
        )
        click.echo(
            f"| {row['dataset']} | {row['n']} | {row['store']} | {row['bytes']:,.0f} ({row['file_bytes']:,.0f}) "
            f"| {own:.3f} | {own / raw:.1f} | {pixels} | {told} |"
        )


if __name__ == "__main__":
    main()
