"""What pick's choice costs: each candidate is fine-tuned with one short schedule, the choice compared with the best.

    .venv/bin/python benchmarks/pick_regret.py --weights WEIGHTS --work FOLDER [--minutes M] DATASET...

A candidate is a file that WEIGHTS/weights.yaml lists. For each set (at most 2,000 images of smiles, all of the others;
copies once, contradictions not at all) its features and probe are fitted on the training images as pick does it, then
the probe's network is fine-tuned by the tool's own defaults (upper half, AdamW 3e-4, BatchNorm frozen), four epochs, no
mirroring; the better of the two on the validation images (a seventh) is kept, as train keeps it. Sets under 1,000
images are scored out of fold (4 folds), the others on one of the folds. A row for each (set, fold, candidate) is
appended to benchmarks/pick_regret.jsonl as it comes; run again, the benchmark goes on.

It prints the tables of docs/measurements.md: each candidate's held-out accuracy (its probe's in brackets), and what is
lost against the best candidate by pick's first choice, by its shortlist (its best member), by the probe's accuracy
alone, the published accuracy alone, and at random; in brackets what lies beyond its paired 95 % interval.
"""

from __future__ import annotations

import gc
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np

from automl.metrics.bootstrap import accuracy_interval, is_tie, paired_difference
from automl.nets.catalogue import BACKBONES, Backbone
from automl.nets.folds import assign_folds, stratified_subset
from automl.nets.listing import read_listing
from automl.nets.ranking import Judged, rank, shortlist
from automl.types import BackboneScore, Interval, WeightsFound

ROWS = Path(__file__).with_suffix(".jsonl")
SIZES_PX = {"cifar10_6k": 96}
SIZE_PX = 128
MOST = {"smiles": 2000}
FOLDS, ALONE, EPOCHS, BATCH = 4, 1000, 4, 32
"""Folds of every set; from so many images on, the first alone is scored."""
RESAMPLES = 2000

Right = np.ndarray  # bool (n,): whether each held-out image was right


@dataclass(frozen=True)
class Candidate:
    """A file of weights, and the backbone whose it is."""

    name: str
    row: Backbone
    weights: WeightsFound


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="needed to measure")
@click.option("--work", type=click.Path(path_type=Path), help="for pixels and features; needed to measure")
@click.option("--minutes", type=float, default=1e9, help="no fine-tuning is begun after so many")
def main(datasets: tuple[Path, ...], weights: Path | None, work: Path | None, minutes: float) -> None:
    """Measure what is missing, print the tables."""
    stop_at = time.monotonic() + 60 * minutes
    for dataset in datasets:
        if weights is None or work is None:
            raise click.UsageError("measuring needs --weights and --work")
        measure(dataset, candidates_in(weights), work, stop_at)
    show(read_rows())


def candidates_in(folder: Path) -> list[Candidate]:
    """Each listed file with its row; two files of one row are told apart by the size they were trained at."""
    found = []
    for entry in read_listing(folder):
        row = next(row for row in BACKBONES if entry.fits(row))
        name = row.name if entry.size_px == row.size_px else f"{row.name} ({entry.size_px} px)"
        path = folder / entry.file
        weights = WeightsFound(backbone=row.name, source="folder", path=str(path), sha256=entry.sha256)
        found.append(Candidate(name, row, weights))
    return found


def measure(dataset: Path, candidates: list[Candidate], work: Path, stop_at: float) -> None:
    """All candidates on all folds of one set, the cheapest first."""
    done = {(row["dataset"], row["fold"], row["candidate"]) for row in read_rows()}
    pixels, labels = pixels_of(dataset, work)
    folds = range(FOLDS if len(labels) < ALONE else 1)
    for candidate in sorted(candidates, key=lambda one: one.row.gmacs):
        missing = [fold for fold in folds if (dataset.name, fold, candidate.name) not in done]
        for fold in missing:
            if time.monotonic() > stop_at:
                return
            started = time.monotonic()
            row = {"dataset": dataset.name, "fold": fold, "candidate": candidate.name, "size_px": pixels.shape[1]}
            row |= measure_one(candidate, pixels, labels, fold, work / f"{dataset.name}-{candidate.name}.npz")
            row |= {
                "seconds": round(time.monotonic() - started, 1),
                "written": datetime.now(UTC).isoformat("T", "seconds"),
            }
            with ROWS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            click.echo(f"{dataset.name} {fold} {candidate.name}: {row['seconds']} s", err=True)


def pixels_of(dataset: Path, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, size, size, 3) and int64 (n,) of a folder of classes, as the tool decodes them; kept in the folder."""
    from automl.bundle.resize import decode

    work.mkdir(parents=True, exist_ok=True)
    size_px, kept = SIZES_PX.get(dataset.name, SIZE_PX), work / f"{dataset.name}.npz"
    if not kept.exists():
        files = sorted(file for file in dataset.rglob("*") if file.suffix.lower() in {".jpg", ".png"})
        by_content: dict[str, list[Path]] = {}
        for file in files:
            by_content.setdefault(hashlib.sha256(file.read_bytes()).hexdigest(), []).append(file)
        label_of = {file: file.relative_to(dataset).parts[0] for file in files}
        single = sorted(own[0] for own in by_content.values() if len({label_of[file] for file in own}) == 1)
        labels = np.unique([label_of[file] for file in single], return_inverse=True)[1].astype(np.int64)
        some = stratified_subset(labels, MOST.get(dataset.name, len(labels)), seed=0)
        pixels = np.stack([decode(single[at].read_bytes(), size_px)[1] for at in some])
        np.savez(work / f".{kept.name}", pixels=pixels, labels=labels[some])
        (work / f".{kept.name}").rename(kept)
    with np.load(kept) as arrays:
        return arrays["pixels"], arrays["labels"]


def measure_one(candidate: Candidate, pixels: np.ndarray, labels: np.ndarray, fold: int, kept: Path) -> dict[str, Any]:
    """Probe and fine-tuning of one candidate on one fold."""
    from automl.nets.probe import fit_probe

    features, images_s = features_of(candidate, pixels, kept)
    held = assign_folds(labels, FOLDS, seed=1) == fold
    others = np.flatnonzero(~held)
    for_choice = assign_folds(labels[others], 7, seed=2) == 0
    train, validation, held_out = others[~for_choice], others[for_choice], np.flatnonzero(held)
    n_classes = int(labels.max()) + 1
    fitted = fit_probe(features[train], labels[train], n_classes, folds=5, neighbours=5, seed=1)
    model = network_of(candidate, pixels.shape[1], n_classes, fitted.probe)
    tuned, start, best = fine_tune(model, pixels, labels, train, validation)
    return {
        "n_train": len(train),
        "n_held": len(held_out),
        "images_s": round(images_s, 1),
        "c": fitted.c,
        "knn": round(fitted.knn_accuracy, 4),
        "out_of_fold": as_text(fitted.out_of_fold),
        "held_probe": as_text(fitted.probe.predict(features[held_out]).argmax(axis=1) == labels[held_out]),
        "held_tuned": as_text(answers(tuned, pixels, held_out) == labels[held_out]),
        "validation_probe": start,
        "validation_tuned": best,
    }


def features_of(candidate: Candidate, pixels: np.ndarray, kept: Path) -> tuple[np.ndarray, float]:
    """float32 (n, d), and images a second; kept in the file."""
    from automl.nets.build import build_backbone, build_extractor, load_pretrained
    from automl.nets.features import extract_features

    if not kept.exists():
        backbone = build_backbone(candidate.row, pixels.shape[1])
        load_pretrained(backbone, candidate.weights)
        one_pass = extract_features(build_extractor(backbone), pixels, batch_size=BATCH)
        np.savez(kept.with_name(f".{kept.name}"), features=one_pass.features, images_s=one_pass.images_s)
        kept.with_name(f".{kept.name}").rename(kept)
    with np.load(kept) as arrays:
        return arrays["features"], float(arrays["images_s"])


def network_of(candidate: Candidate, size_px: int, n_classes: int, probe: Any) -> Any:
    """The probe as a whole network, as train gets it."""
    import keras

    from automl.nets.build import attach_head, build_backbone, build_extractor, load_pretrained
    from automl.nets.head import set_head
    from automl.types import Network

    keras.utils.clear_session()
    gc.collect()
    backbone = build_backbone(candidate.row, size_px)
    load_pretrained(backbone, candidate.weights)
    classes = tuple(str(number) for number in range(n_classes))
    network = Network(backbone=candidate.row.name, size_px=size_px, classes=classes, dropout=0.2)
    model = attach_head(build_extractor(backbone), network)
    set_head(model, mean=probe.mean, scale=probe.scale, kernel=probe.kernel, bias=probe.bias)
    return model


def fine_tune(
    model: Any, pixels: np.ndarray, labels: np.ndarray, train: np.ndarray, validation: np.ndarray
) -> tuple[Any, tuple[float, float], tuple[float, float]]:
    """The model after the schedule, and (accuracy, loss) on the validation images before and after."""
    from automl.data.feed import batches, steps_per_epoch, training_batches
    from automl.recipe.model import Train
    from automl.training.defaults import default_settings
    from automl.training.fit import Feed, classification_loss, fit

    feed = Feed(
        training=lambda epoch: training_batches(pixels, train, labels[train], batch_size=BATCH, seed=1, epoch=epoch),
        steps=steps_per_epoch(len(train), BATCH),
        validation=lambda: batches(pixels, validation, labels[validation], BATCH),
    )
    settings = default_settings(Train(epochs=EPOCHS), n_images=len(train), pretrained=True, flip=False)
    settings = replace(settings, batch_size=min(BATCH, len(train)))
    fitted = fit(model, feed, settings, loss=classification_loss(0.0), metrics=("accuracy",), seed=1)
    best = fitted.best or fitted.start
    after = (
        (best.validation_accuracy, best.validation_loss) if fitted.best else (fitted.start.accuracy, fitted.start.loss)
    )
    return model, (fitted.start.accuracy, fitted.start.loss), after


def answers(model: Any, pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The class of each image."""
    found = []
    for start in range(0, len(rows), BATCH):
        batch = np.zeros((BATCH, *pixels.shape[1:]), np.uint8)
        own = pixels[rows[start : start + BATCH]]
        batch[: len(own)] = own
        found.append(np.asarray(model.predict_on_batch(batch)[0])[: len(own)].argmax(axis=1))
    return np.concatenate(found)


def as_text(right: Right) -> str:
    """Bits as "n:hex"."""
    return f"{len(right)}:{np.packbits(right).tobytes().hex()}"


def as_bits(text: str) -> Right:
    """What as_text wrote."""
    n, bits = text.split(":")
    return np.unpackbits(np.frombuffer(bytes.fromhex(bits), np.uint8))[: int(n)].astype(bool)


def read_rows() -> list[dict[str, Any]]:
    """All that was measured."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def kept_of(row: dict[str, Any]) -> Right:
    """The held-out answers of what train would keep: the better on validation, the probe where they are equal."""
    (probe, probe_loss), (tuned, tuned_loss) = row["validation_probe"], row["validation_tuned"]
    better = (tuned, -tuned_loss) > (probe, -probe_loss)
    return as_bits(row["held_tuned" if better else "held_probe"])


@dataclass(frozen=True)
class Cell:
    """All candidates on one set: those rows that every fold has, by candidate, in the order of the folds."""

    dataset: str
    rows: dict[str, list[dict[str, Any]]]

    def kept(self, chosen: list[str]) -> Right:
        """The held-out answers of a user who takes in each fold what is chosen there."""
        return np.concatenate([kept_of(self.rows[name][fold]) for fold, name in enumerate(chosen)])

    def accuracy(self, name: str) -> float:
        return float(self.kept([name] * self.folds).mean())

    @property
    def folds(self) -> int:
        return len(next(iter(self.rows.values())))

    @property
    def best(self) -> str:
        """The candidate that a user should have taken."""
        return max(self.rows, key=self.accuracy)

    def regret(self, chosen: list[str]) -> Interval:
        """What the choice loses against the best candidate, paired."""
        return paired_difference(self.kept([self.best] * self.folds), self.kept(chosen), resamples=RESAMPLES, seed=1)


def cells_of(rows: list[dict[str, Any]]) -> list[Cell]:
    """The sets of which every candidate was measured on every fold, in the order of the rows."""
    latest = {(row["dataset"], row["candidate"], row["fold"]): row for row in rows}
    names = list(dict.fromkeys(row["candidate"] for row in rows))
    cells = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        folds = sorted({fold for of, _, fold in latest if of == dataset})
        own = {name: [latest.get((dataset, name, fold)) for fold in folds] for name in names}
        whole = {name: [row for row in of if row] for name, of in own.items()}
        if all(len(of) == len(folds) for of in whole.values()):
            cells.append(Cell(dataset, whole))
    return cells


def judged_in(cell: Cell, fold: int) -> list[Judged]:
    """What pick would have known of each candidate."""
    found = []
    for name, rows in cell.rows.items():
        row, backbone = rows[fold], row_of(name)
        right = as_bits(row["out_of_fold"])
        score = BackboneScore(
            backbone=name, weights=WeightsFound(backbone=name, source="folder", path="", sha256=""),
            params_m=backbone.params_m, size_px=row["size_px"], n_features=backbone.n_features,
            images_s=row["images_s"], knn_accuracy=row["knn"],
            probe_accuracy=accuracy_interval(right, resamples=RESAMPLES, seed=1), probe_c=row["c"],
            n_images=row["n_train"], seconds=1.0, top1=backbone.top1,
        )  # fmt: skip
        found.append(Judged(score=score, out_of_fold=right))
    return found


def row_of(name: str) -> Backbone:
    """The catalogue's row of a candidate."""
    return next(row for row in BACKBONES if row.name == name.split(" ", maxsplit=1)[0])


Choice = Callable[[Cell, int], list[str]]  # who may be taken in a fold; of several the best one counts

CHOICES: dict[str, Choice] = {
    "pick's first": lambda cell, fold: [rank(judged_in(cell, fold), seed=1)[0][0].backbone],
    "pick's shortlist": lambda cell, fold: [one.backbone for one in shortlist(rank(judged_in(cell, fold), seed=1)[0])],
    "probe alone": lambda cell, fold: [
        max(judged_in(cell, fold), key=lambda one: one.score.probe_accuracy.value).score.backbone
    ],
    "published alone": lambda cell, fold: [max(cell.rows, key=lambda name: row_of(name).top1 or 0.0)],
}


def losses(cell: Cell) -> dict[str, tuple[float, float]]:
    """By way of choosing: what it loses, and what of that lies beyond its paired 95 % interval."""
    found = {}
    for way, choose in CHOICES.items():
        chosen = [max(choose(cell, fold), key=cell.accuracy) for fold in range(cell.folds)]
        found[way] = _loss(cell.regret(chosen))
    each = [_loss(cell.regret([name] * cell.folds)) for name in cell.rows]
    found["at random"] = (float(np.mean([loss for loss, _ in each])), float(np.mean([sure for _, sure in each])))
    return found


def _loss(regret: Interval) -> tuple[float, float]:
    return regret.value, 0.0 if is_tie(regret) else regret.value


def show(rows: list[dict[str, Any]]) -> None:
    """A table of the candidates' accuracies, and one of what each way of choosing loses."""
    cells = cells_of(rows)
    if not cells:
        return
    names = sorted(cells[0].rows, key=lambda name: row_of(name).gmacs)
    click.echo("| set (n, folds, px) | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    for cell in cells:
        n = len(cell.kept([cell.best] * cell.folds))
        facts = f"{cell.dataset} ({n}, {cell.folds}, {cell.rows[names[0]][0]['size_px']})"
        told = []
        for name in names:
            probe = np.concatenate([as_bits(row["held_probe"]) for row in cell.rows[name]]).mean()
            bold = "**" if name == cell.best else ""
            told.append(f"{bold}{100 * cell.accuracy(name):.1f}{bold} ({100 * probe:.1f})")
        click.echo(f"| {facts} | " + " | ".join(told) + " |")
    ways = [*CHOICES, "at random"]
    click.echo("\n| set | pick's first choice by fold | " + " | ".join(ways) + " |\n|" + " --- |" * (len(ways) + 2))
    every = {cell.dataset: losses(cell) for cell in cells}
    for cell in cells:
        firsts = Counter(CHOICES["pick's first"](cell, fold)[0] for fold in range(cell.folds))
        told = [f"{100 * loss:.1f} ({100 * sure:.1f})" for loss, sure in (every[cell.dataset][way] for way in ways)]
        click.echo(f"| {cell.dataset} | {', '.join(firsts)} | " + " | ".join(told) + " |")
    means = [tuple(100 * np.mean([every[name][way][at] for name in every]) for at in (0, 1)) for way in ways]
    click.echo("| **mean** | | " + " | ".join(f"{loss:.2f} ({sure:.2f})" for loss, sure in means) + " |")


if __name__ == "__main__":
    main()
