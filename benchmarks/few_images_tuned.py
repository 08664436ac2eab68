"""What the probe of few images is worth once the network is fine-tuned from it, and whether it should be.

    .venv/bin/python benchmarks/few_images_tuned.py --weights WEIGHTS --work FOLDER DATASET...

Of each set (a folder of a folder a class) 10, 25 or 60 images a class are drawn to train on and a quarter as many to
validate on; of the others 500 are held out. Each start is fine-tuned by the schedule of pick_regret.py. A row for each
(set, backbone, n, draw, start) is appended to benchmarks/few_images_tuned.jsonl; those there are not measured again.
The tables of all rows are printed: what is held out, by the probe, by the network fine-tuned from it, and by what is
kept of the two: the more accurate on the validation images, and where they are equal the surer, or the probe.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import numpy as np
from few_images import interval, log_loss
from pick_regret import BATCH, Candidate, answers, candidates_in, fine_tune, network_of, pixels_of

from automl.nets.discriminant import fit_few
from automl.nets.probe import Probe, fit_probe
from automl.nets.views import CROPS, cropped

ROWS = Path(__file__).with_suffix(".jsonl")
BACKBONES = ("mobilenetv3small", "mobilenetv2")
N_A_CLASS, DRAWS, HELD = (10, 25, 60), 2, 500
TODAY = "logistic regression"


def starts(features: np.ndarray, labels: np.ndarray, views: np.ndarray) -> Iterator[tuple[str, Probe]]:
    """The probes to begin from, by name."""
    settings = {"folds": 5, "neighbours": 5, "seed": 1}
    n_classes = int(labels.max()) + 1
    yield TODAY, fit_probe(features, labels, n_classes, **settings).probe
    yield "discriminant", fit_few(features, labels, n_classes, views=views, **settings).probe
    surest = fit_few(features, labels, n_classes, views=views, noise_loss=0.0, **settings)
    yield "discriminant, as sure as is best", surest.probe


def measure(candidate: Candidate, pixels: np.ndarray, labels: np.ndarray, n_a_class: int, seed: int) -> Iterator[dict]:
    """Each start on the held-out images, before and after fine-tuning."""
    from automl.nets.build import build_backbone, build_extractor, load_pretrained
    from automl.nets.features import extract_features

    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = [shuffled[labels[shuffled] == label] for label in np.unique(labels)]
    end = n_a_class + max(n_a_class // 4, 1)
    train = np.sort(np.concatenate([own[:n_a_class] for own in by_class]))
    validation = np.sort(np.concatenate([own[n_a_class:end] for own in by_class]))
    others = np.isin(shuffled, np.concatenate([train, validation]), invert=True)
    held = np.sort(shuffled[others][:HELD])
    backbone = build_backbone(candidate.row, pixels.shape[1])
    load_pretrained(backbone, candidate.weights)
    show = partial(extract_features, build_extractor(backbone), pixels, batch_size=BATCH)
    views = np.stack(
        [show(rows=train, see=partial(cropped, number=number, seed=seed)).features for number in range(CROPS)]
    )
    features, asked = show(rows=train).features, show(rows=held).features
    for start, probe in starts(features, labels[train], views):
        model = network_of(candidate, pixels.shape[1], len(by_class), probe)
        tuned, before, after = fine_tune(model, pixels, labels, train, validation)
        told = probe.predict(asked)
        yield {
            "start": start,
            "held": len(held),
            "probe": round(float((told.argmax(axis=1) == labels[held]).mean()), 4),
            "probe_loss": round(log_loss(told, labels[held]), 4),
            "tuned": round(float((answers(tuned, pixels, held) == labels[held]).mean()), 4),
            "validation_probe": before,
            "validation_tuned": after,
            "norm": round(float(np.sqrt(np.square(probe.kernel / probe.scale[:, None]).sum())), 3),
        }


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="needed to measure")
@click.option("--work", type=click.Path(path_type=Path), help="for pixels; needed to measure")
def main(datasets: tuple[Path, ...], weights: Path | None, work: Path | None) -> None:
    """Measure what is missing, print the tables."""
    known = {(*at(row), row["start"]) for row in read_rows()}
    for dataset in datasets:
        if weights is None or work is None:
            raise click.UsageError("measuring needs --weights and --work")
        pixels, labels = pixels_of(dataset, work)
        candidates = [one for one in candidates_in(weights) if one.name in BACKBONES]
        for n_a_class in N_A_CLASS:
            if np.bincount(labels).min() < n_a_class + n_a_class // 4 + 5:
                continue
            for candidate in candidates:
                for seed in range(1, 1 + DRAWS):
                    place = {"set": dataset.name, "backbone": candidate.name, "n_a_class": n_a_class, "seed": seed}
                    if (*place.values(), TODAY) in known:
                        continue
                    rows = [{**place, **row} for row in measure(candidate, pixels, labels, n_a_class, seed)]
                    with ROWS.open("a") as file:
                        file.writelines(json.dumps(row) + "\n" for row in rows)
    show_rows(read_rows())


def read_rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def at(row: dict) -> tuple:
    return row["set"], row["backbone"], row["n_a_class"], row["seed"]


def kept(row: dict, *, surer: bool) -> float:
    """Held-out accuracy of the better on validation; of equals the surer, or the probe."""
    (probe, probe_loss), (tuned, tuned_loss) = row["validation_probe"], row["validation_tuned"]
    better = tuned > probe or (surer and tuned == probe and tuned_loss < probe_loss)
    return row["tuned" if better else "probe"]


def show_rows(rows: list[dict]) -> None:
    """Means over all draws of each number of images, and differences to logistic regression."""
    for n_a_class in N_A_CLASS:
        own = [row for row in rows if row["n_a_class"] == n_a_class]
        today = {at(row): row for row in own if row["start"] == TODAY}
        heads = "start", "probe", "to it", "fine-tuned", "to it", "kept, the surer", "kept, the probe", "to it"
        click.echo(
            f"\n{n_a_class} images a class, {len(today)} draws\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}"
        )
        for start in dict.fromkeys(row["start"] for row in own):
            some = [row for row in own if row["start"] == start]
            columns = [start]
            for value in (
                lambda row: row["probe"],
                lambda row: row["tuned"],
                lambda row: kept(row, surer=True),
                lambda row: kept(row, surer=False),
            ):
                gains = np.array([value(row) - value(today[at(row)]) for row in some])
                columns += [
                    f"{np.mean([value(row) for row in some]):.3f}",
                    f"{gains.mean():+.3f} +- {interval(gains):.3f}",
                ]
            click.echo(f"| {' | '.join(columns[:6] + columns[7:])} |")


if __name__ == "__main__":
    main()
