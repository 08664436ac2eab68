"""Planted label errors, foreign pictures and edited copies: what pick's search for suspects finds of them.

    .venv/bin/python benchmarks/suspects.py --weights WEIGHTS --work FOLDER DATASET...

Each DATASET is a folder of a folder a class. Features are MobileNetV3Small's at 160 px, computed once, kept in FOLDER.
Planted are: flipped labels (2, 5 and 10 %, to a random other class; files that are there twice are left out), 1 % of
foreign pictures from another set, and edited copies of 100 images. A row each is appended to benchmarks/suspects.jsonl;
those there are not measured again. Prints the table of docs/measurements.md: how many of those planted are found, and
how many others; where nothing is planted, the false alarms.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import click
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from automl.bundle.resize import decode
from automl.data.suspects import find_label_errors, find_outliers, find_twins
from automl.nets.probe import fit_probe

ROWS = Path(__file__).with_suffix(".jsonl")

BACKBONE, SIZE_PX = "mobilenetv3small", 160
COPIED = 100  # images of a set that copies are made of
KINDS = ("jpeg q60", "mirrored", "crop 0.9", "crop 0.8", "crop 0.8, mirrored", "crop 0.7")


def read(dataset: Path) -> tuple[list[bytes], list[str], list[str]]:
    """The files' bytes, labels and paths of a folder of classes, sorted."""
    files = sorted(file for file in dataset.rglob("*") if file.is_file())
    return [f.read_bytes() for f in files], [f.relative_to(dataset).parts[0] for f in files], [str(f) for f in files]


def edited(data: bytes, kind: str) -> bytes:
    """A copy as people make them: cut to a share of each side (a little off the middle), mirrored, saved anew."""
    picture = ImageOps.exif_transpose(PillowImage.open(io.BytesIO(data))).convert("RGB")
    if kind.startswith("crop"):
        share = float(kind.split()[1].rstrip(","))
        width, height = picture.size
        left, top = int((1 - share) * width * 0.6), int((1 - share) * height * 0.4)
        picture = picture.crop((left, top, left + int(share * width), top + int(share * height)))
    if kind.endswith("mirrored"):
        picture = ImageOps.mirror(picture)
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=60 if kind == "jpeg q60" else 88)
    return file.getvalue()


def features_of(dataset: Path, weights: Path, work: Path) -> dict[str, np.ndarray]:
    """Features and facts of a set, and of the edited copies of some of its images; computed once."""
    kept = work / f"{dataset.name}.npz"
    if not kept.exists():
        data, labels, paths = read(dataset)
        copied = np.sort(np.random.default_rng(7).permutation(len(data))[:COPIED])
        headers, pixels = zip(*(decode(one, SIZE_PX) for one in data), strict=True)
        copies = [decode(edited(data[at], kind), SIZE_PX)[1] for kind in KINDS for at in copied]
        seen = extract(np.stack([*pixels, *copies]), weights)
        np.savez(
            work / f".{kept.name}",
            features=seen[: len(data)],
            copies=seen[len(data) :].reshape(len(KINDS), len(copied), -1),
            copied=copied,
            labels=np.unique(labels, return_inverse=True)[1],
            names=np.unique(labels),
            paths=paths,
            size_bytes=[len(one) for one in data],
            width=[one.width_px for one in headers],
            height=[one.height_px for one in headers],
            mode=[one.mode for one in headers],
            format=[one.format for one in headers],
            colour=np.stack([one.mean(axis=(0, 1)) for one in pixels]),
        )
        (work / f".{kept.name}").rename(kept)
    with np.load(kept) as arrays:
        return dict(arrays)


def extract(pixels: np.ndarray, weights: Path) -> np.ndarray:
    """The backbone's features, as pick computes them."""
    from automl.nets.build import build_backbone, build_extractor, load_pretrained
    from automl.nets.catalogue import backbone_named
    from automl.nets.features import extract_features
    from automl.nets.weights import in_folder

    row = backbone_named(BACKBONE)
    backbone = build_backbone(row, SIZE_PX)
    load_pretrained(backbone, in_folder(row, weights))
    return extract_features(build_extractor(backbone), pixels, batch_size=32).features


def measure(name: str, sets: dict[str, dict[str, np.ndarray]], plant: str, seed: int) -> dict:
    """One row: what is planted into a set, found, and found of what was not planted."""
    rng = np.random.default_rng(seed)
    found = sets[name]
    features, labels = found["features"], found["labels"].astype(np.int64)
    if plant.startswith("flips"):
        kept = unambiguous(found["paths"], labels)
        features, truth = features[kept], labels[kept]
        share, n_classes = float(plant.split()[1]), int(truth.max()) + 1
        at = rng.permutation(len(truth))[: round(share * len(truth))]
        labels = truth.copy()
        labels[at] = (truth[at] + rng.integers(1, n_classes, len(at))) % n_classes
        fitted = fit_probe(features, labels, n_classes, folds=5, neighbours=5, seed=1)
        rows = [error.row for error in find_label_errors(fitted.held_out, labels)]
        return {"accuracy": float(fitted.out_of_fold.mean()), **counted(rows, set(at.tolist()), len(truth))}
    if plant.startswith("foreign"):
        guests = sets[plant.split()[1]]["features"]
        n = 0 if plant.endswith(name) else max(4, round(0.01 * len(features)))
        joined = np.concatenate([features, guests[rng.permutation(len(guests))[:n]]])
        rows = [outlier.row for outlier in find_outliers(joined)]
        return counted(rows, set(range(len(features), len(joined))), len(joined))
    copies = found["copies"][KINDS.index(plant.removeprefix("copies "))]
    joined = np.concatenate([features, copies])
    pairs = {(twins.first, twins.second) for twins in find_twins(joined)}
    planted = {(int(at), len(features) + number) for number, at in enumerate(found["copied"])}
    own = {pair for pair in pairs if pair[1] < len(features)}
    same = {
        pair for pair in own if Path(found["paths"][pair[0]]).read_bytes() == Path(found["paths"][pair[1]]).read_bytes()
    }
    return {"n": len(joined), "planted": len(planted), "found": len(pairs & planted), "others": len(own - same)}


def counted(rows: list[int], planted: set[int], n: int) -> dict:
    hits = len(planted & set(rows))
    return {"n": n, "planted": len(planted), "found": hits, "others": len(rows) - hits}


def unambiguous(paths: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows of files whose bytes no other file has: check leaves the others out, or tells of them."""
    sums = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    alone = {one for one, n in Counter(sums).items() if n == 1}
    return np.array([row for row, one in enumerate(sums) if one in alone])


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="needed to measure")
@click.option("--work", type=click.Path(path_type=Path), help="for features; needed to measure")
def main(datasets: tuple[Path, ...], weights: Path | None, work: Path | None) -> None:
    """Measure what is missing, print all rows."""
    if datasets and (weights is None or work is None):
        raise click.UsageError("measuring needs --weights and --work")
    sets = {}
    for dataset in datasets:
        work.mkdir(parents=True, exist_ok=True)
        sets[dataset.name] = features_of(dataset, weights, work)
    plants = [f"flips {share}" for share in (0.0, 0.02, 0.05, 0.1)]
    plants += [f"foreign {guest}" for guest in sets] + [f"copies {kind}" for kind in KINDS]
    for name in sets:
        for plant, seed in [(one, seed) for one in plants for seed in ((1, 2) if "flips" in one else (1,))]:
            known = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
            if not any((row["set"], row["plant"], row["seed"]) == (name, plant, seed) for row in known):
                row = {"set": name, "plant": plant, "seed": seed, **measure(name, sets, plant, seed)}
                with ROWS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    show()


def show() -> None:
    """The table of docs/measurements.md: a line for what was planted, a cell a set; seeds are added up."""
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    names = list(dict.fromkeys(row["set"] for row in rows))
    click.echo(f"| planted | {' | '.join(names)} |\n|{' --- |' * (1 + len(names))}")
    for plant in dict.fromkeys(row["plant"] for row in rows):
        cells = []
        for name in names:
            own = [row for row in rows if (row["set"], row["plant"]) == (name, plant)]
            planted, found, others = (sum(row[key] for row in own) for key in ("planted", "found", "others"))
            n = sum(row["n"] for row in own)
            cells.append(f"{found} of {planted}, {others} others" if planted else f"{others} of {n}" if own else "")
        click.echo(f"| {plant} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
