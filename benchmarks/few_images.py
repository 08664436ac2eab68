"""The probe where there are few images: settings of its fit, compared on 5, 10 and 25 images a class.

    .venv/bin/python benchmarks/few_images.py --weights WEIGHTS --work FOLDER DATASET...

Each DATASET is a folder of a folder a class, known in SIZES. Of each class 40 % are held out for ever; the others are
what a draw of n images a class comes from ("all": 300 at most). Features of all images, mirrored too, and of three
crops of those that are drawn from, are computed once a set and backbone and kept in FOLDER. A row for each (set,
backbone, n, setting), the mean over the draws, is appended to benchmarks/few_images.jsonl; those there are not measured
again. Without DATASET the tables are printed; docs/measurements.md has their most telling rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from few_images_settings import SETTINGS, Draw, Told
from PIL import Image as PillowImage
from scipy import stats
from threadpoolctl import threadpool_limits

from automl.bundle.resize import decode
from automl.nets.views import as_they_are, mirrored

ROWS = Path(__file__).with_suffix(".jsonl")

SIZES = {"sign_digits": 128, "dogcat": 160, "flowers": 160, "smiles": 96, "steel_defects": 160, "cifar10_6k": 96}
MOST_IMAGES = 2000  # of smiles and cifar10_6k, drawn once; sign_digits stays whole
BACKBONES = ("mobilenetv3small", "mobilenetv2", "mobilenetv2_035", "efficientnetv2b0")
HELD_OUT = 0.4  # of each class
MOST_A_CLASS = 300  # of "all"
CROPS = 3
SIDES = (0.8, 0.95)  # of a crop, as a share of the picture's
N_A_CLASS = (5, 10, 25, 0)  # 0: all
DRAWS = 10
DRAWS_OF_ALL = 1  # the same images every time
TODAY = "logistic regression"


def files_of(dataset: Path) -> tuple[list[Path], np.ndarray]:
    """The set's files, and their labels, int64; of a large set some, the same every time."""
    files = sorted(file for file in dataset.rglob("*") if file.is_file())
    if dataset.name in {"smiles", "cifar10_6k"}:
        rows = np.random.default_rng(11).permutation(len(files))[:MOST_IMAGES]
        files = [files[row] for row in sorted(rows)]
    labels = np.unique([file.relative_to(dataset).parts[0] for file in files], return_inverse=True)[1]
    return files, labels.astype(np.int64)


def hold_out(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to draw from (MOST_A_CLASS of a class at most), and rows held out."""
    shuffled = np.random.default_rng(7).permutation(len(labels))
    pool, held = [], []
    for label in np.unique(labels):
        own = shuffled[labels[shuffled] == label]
        n = round(HELD_OUT * len(own))
        held.append(own[:n])
        pool.append(own[n : n + MOST_A_CLASS])
    return np.sort(np.concatenate(pool)), np.sort(np.concatenate(held))


def cropped(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop of each image (n, size, size, 3), of its own size and place, enlarged again."""
    size, crops = pixels.shape[1], np.empty_like(pixels)
    for place, image in enumerate(pixels):
        side = size * rng.uniform(*SIDES)
        left, top = rng.uniform(0, size - side, 2)
        box = (left, top, left + side, top + side)
        picture = PillowImage.fromarray(image).resize((size, size), PillowImage.Resampling.BILINEAR, box=box)
        crops[place] = np.asarray(picture)
    return crops


def features_of(dataset: Path, backbone: str, weights: Path, work: Path) -> dict[str, np.ndarray]:
    """Features of a set by a backbone, plain, mirrored, cropped; computed once."""
    kept = work / f"{dataset.name}-{backbone}.npz"
    if not kept.exists():
        from automl.nets.build import build_backbone, build_extractor, load_pretrained
        from automl.nets.catalogue import backbone_named
        from automl.nets.features import extract_features, tap_layers
        from automl.nets.weights import in_folder

        files, labels = files_of(dataset)
        pixels = np.stack([decode(file.read_bytes(), SIZES[dataset.name])[1] for file in files])
        pool, held = hold_out(labels)
        row = backbone_named(backbone)
        network = build_backbone(row, SIZES[dataset.name])
        load_pretrained(network, in_folder(row, weights))
        extractor, rng = build_extractor(network), np.random.default_rng(5)
        plain = extract_features(extractor, pixels, batch_size=32).features
        flipped = extract_features(extractor, pixels, batch_size=32, see=mirrored).features
        crops = [
            extract_features(
                extractor, cropped(pixels[pool], rng), batch_size=32, see=mirrored if number == 1 else as_they_are
            ).features
            for number in range(CROPS)
        ]
        np.savez(
            work / f".{kept.name}",
            views=np.stack([plain[pool], flipped[pool], *crops]),
            held=np.stack([plain[held], flipped[held]]),
            labels=labels[pool],
            held_labels=labels[held],
            first_tap=np.array(tap_layers(network)[0].output.shape[-1]),
        )
        (work / f".{kept.name}").rename(kept)
    with np.load(kept) as arrays:
        return dict(arrays)


def draws(found: dict[str, np.ndarray], n_a_class: int) -> Iterator[Draw]:
    """Seeded draws of n images a class, or of all; none where a class has fewer."""
    labels = found["labels"]
    if n_a_class > np.bincount(labels).min():
        return
    for seed in range(1, 1 + (DRAWS if n_a_class else DRAWS_OF_ALL)):
        rows = np.arange(len(labels))
        if n_a_class:
            shuffled = np.random.default_rng(seed).permutation(rows)
            rows = np.sort(np.concatenate([shuffled[labels[shuffled] == one][:n_a_class] for one in np.unique(labels)]))
        yield Draw(
            views=found["views"][:, rows],
            labels=labels[rows],
            n_classes=int(labels.max()) + 1,
            first_tap=int(found["first_tap"]),
            held=found["held"],
            seed=seed,
        )


def measure(found: dict[str, np.ndarray], n_a_class: int, wanted: list[str]) -> Iterator[dict]:
    """A row for each setting: the mean over the draws."""
    told: dict[str, list[Told]] = {}
    with threadpool_limits(1):
        for draw in draws(found, n_a_class):
            for setting in SETTINGS:
                if not set(setting.names) & set(wanted) or (n_a_class == 0 and setting.few_only):
                    continue
                for name, one in setting.fit(draw).items():
                    told.setdefault(name, []).append(one)
    truth = found["held_labels"]
    for name, ones in told.items():
        if name in wanted:
            yield {
                "setting": name,
                "draws": len(ones),
                "d": int(found["views"].shape[2]),
                "images": int(len(found["labels"]) if n_a_class == 0 else n_a_class * (1 + int(truth.max()))),
                "accuracy": round(float(np.mean([(one.held.argmax(axis=1) == truth).mean() for one in ones])), 5),
                "loss": round(float(np.mean([log_loss(one.held, truth) for one in ones])), 5),
                "norm": round(float(np.mean([one.norm for one in ones])), 4),
                "chosen": round(float(np.exp(np.mean([np.log(one.chosen) for one in ones]))), 6),
                "estimate": round(float(np.mean([one.estimate for one in ones])), 5),
            }


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1)).mean())


@click.command()
@click.argument("datasets", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="needed to measure")
@click.option("--work", type=click.Path(path_type=Path), help="for features; needed to measure")
@click.option("--backbone", "backbones", multiple=True, default=BACKBONES, show_default=True)
@click.option("--only", default="", help="settings with this in their names")
def main(
    datasets: tuple[Path, ...], weights: Path | None, work: Path | None, backbones: tuple[str, ...], only: str
) -> None:
    """Measure what is missing, or print all rows."""
    if not datasets:
        show()
        return
    if weights is None or work is None:
        raise click.UsageError("measuring needs --weights and --work")
    work.mkdir(parents=True, exist_ok=True)
    names = [name for setting in SETTINGS for name in setting.names if only in name]
    for backbone in backbones:
        for dataset in datasets:
            for n_a_class in N_A_CLASS:
                known = {one["setting"] for one in read_rows() if at(one) == (dataset.name, backbone, n_a_class)}
                wanted = [name for name in names if name not in known]
                if wanted:
                    found = features_of(dataset, backbone, weights, work)
                    for row in measure(found, n_a_class, wanted):
                        with ROWS.open("a") as file:
                            whole = {"set": dataset.name, "backbone": backbone, "n_a_class": n_a_class, **row}
                            file.write(json.dumps(whole) + "\n")


def read_rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def at(row: dict) -> tuple[str, str, int]:
    return row["set"], row["backbone"], row["n_a_class"]


def show() -> None:
    """A row for each setting: differences to today's rule, means over the cells that have all settings."""
    rows = read_rows()
    by_cell: dict[tuple[str, str, int], dict[str, dict]] = {}
    for row in rows:
        by_cell.setdefault(at(row), {})[row["setting"]] = row
    for title, numbers in (("5, 10 and 25 images a class", (5, 10, 25)), ("all images (300 a class at most)", (0,))):
        names = {row["setting"]: None for row in rows if row["n_a_class"] in numbers}
        cells = {at: cell for at, cell in by_cell.items() if at[2] in numbers and set(names) <= set(cell)}
        click.echo(f"\n{title}: {len(cells)} cells\n")
        heads = ["setting", "accuracy", "better, worse", "log loss", "better, worse", "weights"]
        heads += [f"at {n}" for n in numbers if n]
        click.echo(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
        for name in names:
            columns = [name]
            for key, sign in (("accuracy", 1), ("loss", -1)):
                gains = np.array([cell[name][key] - cell[TODAY][key] for cell in cells.values()])
                level = f"{np.mean([cell[name][key] for cell in cells.values()]):.3f} " if name == TODAY else ""
                columns += [
                    level or f"{gains.mean():+.4f} +- {interval(gains):.4f}",
                    f"{(sign * gains > 0).sum()}, {(sign * gains < 0).sum()}",
                ]
            ratios = [np.log(cell[name]["norm"] / cell[TODAY]["norm"]) for cell in cells.values()]
            columns.append(f"{np.exp(np.mean(ratios)):.2f}")
            for n in filter(None, numbers):
                own = [cell[name]["accuracy"] - cell[TODAY]["accuracy"] for at, cell in cells.items() if at[2] == n]
                columns.append(f"{np.mean(own):+.3f}")
            click.echo(f"| {' | '.join(columns)} |")


def interval(gains: np.ndarray) -> float:
    """Half of the 95 % interval of the mean."""
    n = len(gains)
    return float(stats.t.ppf(0.975, n - 1) * gains.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")


if __name__ == "__main__":
    main()
