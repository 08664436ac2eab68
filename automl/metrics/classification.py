"""Scores of a classifier against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from automl.metrics.bootstrap import accuracy_interval, percentile_interval
from automl.types import ClassScore, Interval, Scores

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

SMALLEST: Final = float(np.finfo(np.float32).eps)  # probabilities below it count as it: a float32 softmax reaches 0
DRAWN_AT_ONCE: Final = 4_000_000  # counts held in memory by one step of the bootstrap (32 MB)


def score(
    probabilities: FloatArray, labels: IntArray, class_names: Sequence[str], *, bootstrap: int, seed: int
) -> Scores:
    """Accuracy, macro-F1, log loss, per-class table and confusion counts, with 95 % bootstrap intervals.

    Args:
        probabilities: float (n, classes); rows sum to 1. The largest of a row is the prediction, the first of equals.
        labels: int (n,); values in [0, classes).
        bootstrap: how many resamples stand behind each interval.
    Raises: ValueError: n is 0, shapes disagree, a label is out of range, or a probability is not finite.
    """
    check_scored(probabilities, labels, len(class_names))
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_counts(labels, predicted, len(class_names))
    accuracy = accuracy_interval(predicted == labels, resamples=bootstrap, seed=seed)
    return Scores(
        n=len(labels),
        accuracy=accuracy,
        macro_f1=macro_f1_interval(confusion, accuracy, resamples=bootstrap, seed=seed),
        log_loss=log_loss(probabilities, labels),
        per_class=class_scores(confusion, class_names),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def check_scored(probabilities: FloatArray, labels: IntArray, n_classes: int) -> None:
    """Raises: ValueError: these arrays cannot be scored."""
    if probabilities.shape != (len(labels), n_classes) or len(labels) == 0:
        raise ValueError(
            f"probabilities of shape {probabilities.shape} for {len(labels)} label(s) and {n_classes} classes: "
            "wanted one row a label, one column a class, and at least one row"
        )
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(f"labels from {labels.min()} to {labels.max()}: wanted 0 to {n_classes - 1}")
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not finite: the network's outputs are broken")


def confusion_counts(labels: IntArray, predicted: IntArray, n_classes: int) -> npt.NDArray[np.int64]:
    """Counts int64 (classes, classes), indexed [true, predicted]."""
    cells = labels.astype(np.int64) * n_classes + predicted
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def log_loss(probabilities: FloatArray, labels: IntArray) -> float:
    """Mean negative logarithm of the true class's probability, in nats; a wrong certainty costs 15.9, not infinity."""
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(given, SMALLEST, 1)).mean())


def class_scores(confusion: npt.NDArray[np.int64], class_names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of each class; 0 where a ratio has no denominator."""
    hits, true, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        ClassScore(
            label=label,
            n=int(true[index]),
            precision=float(hits[index] / max(predicted[index], 1)),
            recall=float(hits[index] / max(true[index], 1)),
            f1=float(2 * hits[index] / max(true[index] + predicted[index], 1)),
        )
        for index, label in enumerate(class_names)
    )


def macro_f1(hits: IntArray, true: IntArray, predicted: IntArray) -> FloatArray:
    """Mean F1 over the classes that occur, in the truth or among the predictions; others are left out.

    Args:
        hits, true, predicted: counts int (..., classes): right ones, images of the class, predictions of it.
    Returns: float64 (...). The same as sklearn's f1_score(average="macro") with its default labels.
    """
    occurring = true + predicted
    f1 = 2 * hits / np.maximum(occurring, 1)
    mean: FloatArray = f1.sum(axis=-1) / np.maximum((occurring > 0).sum(axis=-1), 1)
    return mean


def macro_f1_interval(confusion: npt.NDArray[np.int64], accuracy: Interval, *, resamples: int, seed: int) -> Interval:
    """Macro-F1 with its percentile-bootstrap interval.

    A resample of the images is a multinomial draw over the occupied (true, predicted) cells. Where all are right,
    or all wrong, the draws cannot differ, and the bounds of the accuracy (Wilson's there) stand in.
    """
    value = float(macro_f1(np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)))
    if accuracy.value in {0.0, 1.0}:
        return Interval(value=value, low=accuracy.low, high=accuracy.high)
    true, predicted = np.nonzero(confusion)
    counts = confusion[true, predicted]
    n, n_classes = int(counts.sum()), len(confusion)
    rng = np.random.default_rng(seed)
    draws: list[FloatArray] = []
    step = max(1, DRAWN_AT_ONCE // len(counts))
    for start in range(0, resamples, step):
        drawn = rng.multinomial(n, counts / n, size=min(step, resamples - start))  # (resamples, cells)
        hits = by_class(drawn * (true == predicted), true, n_classes)
        draws.append(macro_f1(hits, by_class(drawn, true, n_classes), by_class(drawn, predicted, n_classes)))
    return percentile_interval(value, np.concatenate(draws))


def by_class(drawn: IntArray, classes: IntArray, n_classes: int) -> IntArray:
    """Sum counts (resamples, cells) over the cells of each class: (resamples, classes)."""
    order = np.argsort(classes, kind="stable")
    present, starts = np.unique(classes[order], return_index=True)
    summed = np.zeros((len(drawn), n_classes), dtype=drawn.dtype)
    summed[:, present] = np.add.reduceat(drawn[:, order], starts, axis=1)
    return summed
