"""evaluate: the test set is read, once, for the float and the chosen model together, after all choices are made."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from automl.code import load_entry
from automl.data.images import read_images
from automl.data.pack import read_index
from automl.data.store import open_pixels, store_name
from automl.graph.session import open_session, predict
from automl.nets.baselines import unbeaten
from automl.records import Compressed, Evaluated, Mistake, Trained
from automl.runs.atomic import write_text
from automl.runtime.context import StageContext
from automl.stages.baselines import baseline_answers, compare
from automl.task_table import task_named
from automl.types import ON_FEATURES, PixelRows, Scores

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

REFERENCE: Final = "fp32"
BATCH: Final = 32
MISTAKES: Final = 24


def run(ctx: StageContext) -> Evaluated:
    """Score the float and the chosen variant on the test part, and the chosen one on validation.

    pick's baselines answer for the same test images, in the same reading; nothing is fitted or chosen here.

    Reads: check/images.csv, check/pixels-SIZE/, pack/PART-{rows,labels}.npy, compress/NAME.onnx; pick/baselines.npz,
        chosen/features.npy and probe.npz.
    Writes: evaluate/predictions.csv, the chosen variant's answers for each test image.
    """
    compressed, trained = ctx.record(Compressed), ctx.record(Trained)
    files = {variant.name: ctx.input("compress", variant.file) for variant in compressed.variants if variant.file}
    classes, size_px = trained.network.classes, trained.network.size_px
    pixels = open_pixels(ctx.input("check", store_name(size_px)))
    models = {name: files[name] for name in dict.fromkeys((REFERENCE, compressed.chosen))}
    rows, labels = read_index(ctx.folder.stage("pack"), "validation")
    validation = answers({compressed.chosen: models[compressed.chosen]}, pixels, rows)[compressed.chosen]
    validation_scores = scores(ctx, validation, labels, classes)
    read_at = datetime.fromtimestamp(ctx.now(), UTC).isoformat("T", "seconds")
    rows, labels = read_index(ctx.folder.stage("pack"), "test")
    test = answers(models, pixels, rows)
    path_of = {image.row: image.path for image in read_images(ctx.input("check", "images.csv"))}
    paths = [path_of[int(row)] for row in rows]
    write_predictions(ctx.output("predictions.csv"), paths, labels, test[compressed.chosen], classes)
    right = test[compressed.chosen].argmax(axis=1) == labels
    plain = baseline_answers(ctx, pixels, read_index(ctx.folder.stage("pack"), "train"), rows)
    against = compare(plain, labels, right, resamples=ctx.recipe.evaluate.bootstrap, seed=ctx.recipe.seed)
    # Where the probe was kept it is the model, which need not beat itself.
    others = [one for one in against if one.baseline != "linear probe" or trained.winner != "probe"]
    text = unbeaten(others, len(rows), compressed.chosen)
    if any(one.gain.low <= 0 for one in others if one.baseline not in ON_FEATURES):
        ctx.warn(text)
    return Evaluated(
        scores={name: scores(ctx, probabilities, labels, classes) for name, probabilities in test.items()},
        chosen=compressed.chosen,
        validation=validation_scores,
        mistakes=surest_mistakes(paths, rows, labels, test[compressed.chosen], classes),
        read_at=read_at,
        against=against,
        unbeaten=text,
    )


def scores(ctx: StageContext, probabilities: FloatArray, labels: IntArray, classes: Sequence[str]) -> Scores:
    """As the task's row scores them."""
    score = load_entry(task_named(ctx.recipe.task).evaluate)
    found = score(probabilities, labels, classes, bootstrap=ctx.recipe.evaluate.bootstrap, seed=ctx.recipe.seed)
    assert isinstance(found, Scores)
    return found


def answers(models: dict[str, Path], pixels: PixelRows, rows: IntArray) -> dict[str, FloatArray]:
    """Each model's probabilities float32 (n, classes) for these rows of the store; every row is read once."""
    sessions = {name: open_session(path) for name, path in models.items()}
    found: dict[str, list[FloatArray]] = {name: [] for name in models}
    for start in range(0, len(rows), BATCH):
        batch = pixels[rows[start : start + BATCH]]
        for name, session in sessions.items():
            found[name].append(predict(session, batch)[0])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def write_predictions(
    path: Path, paths: Sequence[str], labels: IntArray, probabilities: FloatArray, classes: Sequence[str]
) -> None:
    """Write CSV: path, truth, predicted, probability, then one column a class."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "truth", "predicted", "probability", *(f"p({name})" for name in classes)])
    for image, label, row in zip(paths, labels, probabilities, strict=True):
        best = int(row.argmax())
        writer.writerow([image, classes[label], classes[best], f"{row[best]:.6f}", *(f"{value:.6f}" for value in row)])
    write_text(path, text.getvalue())


def surest_mistakes(
    paths: Sequence[str], rows: IntArray, labels: IntArray, probabilities: FloatArray, classes: Sequence[str]
) -> tuple[Mistake, ...]:
    """The images that were got wrong, the highest probability of the wrong class first, at most 24."""
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]
    return tuple(
        Mistake(
            path=paths[index],
            row=int(rows[index]),
            truth=classes[labels[index]],
            predicted=classes[predicted[index]],
            probability=float(sure[index]),
        )
        for index in order
    )
