"""Shortcuts: how much of the label the outside of an image gives away, its size or file format, say. Pure.

Where pictures were pooled from several sources, a network can learn the source and look good for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from automl.types import Image

Table = NDArray[np.float64]
Ints = NDArray[np.int64]

HALF_WAY: Final = 0.5  # from chance to the probe
SURE_SE: Final = 3.0  # standard errors that a gain must lie above nothing
MOST_IMAGES: Final = 2000  # that facts are judged by
FOLDS: Final = 5
FEWEST: Final = 20  # images, below which nothing is said
LEAST_PROBABILITY: Final = 1e-7  # as the probe counts
ALL: Final = "all of these together"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """What one kind of facts says of the label."""

    facts: str  # "size and aspect", "colour mode", ...
    accuracy: float  # of a linear model that sees nothing else, cross-validated
    way: float  # from chance to the probe in log loss: 0 knows nothing, 1 knows what the probe knows
    sure: bool  # that it knows anything is more than noise


def judge_shortcuts(
    images: Sequence[Image], colours: NDArray[np.floating], labels: Ints, probabilities: NDArray[np.floating]
) -> tuple[Shortcut, ...]:
    """Each kind of facts alone, and all together, against the probe on the same images; the most telling first.

    Log loss and not accuracy, because facts may part classes into groups and know nothing within them: the colour mode
    alone tells facial_csv's upper-case labels from its lower-case ones, and goes .39 of the way in accuracy, .64 in log
    loss; on five other sets nothing goes further than .34 (docs/measurements.md).
    Args:
        images: n of them. colours: float (n, 3), mean red, green, blue, 0..255. labels: int64 (n,).
        probabilities: the probe's, (n, classes), each from a fit that had not seen its image.
    Returns: nothing where there are fewer than FEWEST images or one class.
    """
    n_classes = probabilities.shape[1]
    frequency = np.bincount(labels, minlength=n_classes) / max(len(labels), 1)
    if len(labels) < FEWEST or frequency.max() == 1:
        return ()
    chance = _losses(np.tile(frequency, (len(labels), 1)), labels)
    probe_gain = float((chance - _losses(probabilities, labels)).mean())
    tables = facts_of(images, colours)
    found = []
    for name, table in {**tables, ALL: np.column_stack(list(tables.values()))}.items():
        if not table.size:
            continue
        predicted = _out_of_fold(table, labels, n_classes)
        gain = chance - _losses(predicted, labels)
        found.append(
            Shortcut(
                facts=name,
                accuracy=float((predicted.argmax(axis=1) == labels).mean()),
                # A probe that knows nothing is reached by whatever knows something.
                way=float(gain.mean() / max(probe_gain, 1e-3)),
                sure=bool(gain.mean() > SURE_SE * gain.std() / np.sqrt(len(gain))),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.way))


def loud(shortcuts: Sequence[Shortcut]) -> tuple[Shortcut, ...]:
    """Those that go at least half of the way, beyond noise."""
    return tuple(one for one in shortcuts if one.sure and one.way >= HALF_WAY)


def facts_of(images: Sequence[Image], colours: NDArray[np.floating]) -> Mapping[str, Table]:
    """Kind of facts -> float64 (n, columns), standardised; no column where all images are the same.

    Lengths as logarithms, names as one column each. The size of the file in bytes is not among them: a network cannot
    see it, and it says how well the content compresses (it went .43 of the way on steel_defects' textures).
    """
    wide = np.log([max(image.width_px, 1) for image in images])
    high = np.log([max(image.height_px, 1) for image in images])
    return {
        "size and aspect": _standardised(np.column_stack([wide, high])),
        "colour mode": _standardised(_indicators([image.mode for image in images])),
        "file format": _standardised(_indicators([image.format for image in images])),
        "mean colour": _standardised(np.asarray(colours, dtype=np.float64)),
    }


def _indicators(names: Sequence[str]) -> Table:
    every = sorted(set(names))
    return np.array([[name == one for one in every] for name in names], dtype=np.float64)


def _standardised(columns: Table) -> Table:
    spread = columns.std(axis=0)
    kept = spread > 1e-9
    return np.asarray((columns[:, kept] - columns[:, kept].mean(axis=0)) / spread[kept], dtype=np.float64)


def _out_of_fold(table: Table, labels: Ints, n_classes: int) -> Table:
    """Probabilities (n, n_classes) of a multinomial logistic regression, C = 1, each image held out once."""
    fold = np.empty(len(labels), np.int64)
    shuffled = np.random.default_rng(1).permutation(len(labels))
    # As even in each class as its number allows; a class may be smaller than the folds.
    fold[shuffled[np.argsort(labels[shuffled], kind="stable")]] = np.arange(len(labels)) % FOLDS
    predicted = np.full((len(labels), n_classes), LEAST_PROBABILITY)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 steps are near enough
        for number in range(FOLDS):
            held = fold == number
            if len(np.unique(labels[~held])) < 2:
                predicted[held, labels[~held][0]] = 1.0
                continue
            model = LogisticRegression(max_iter=200).fit(table[~held], labels[~held])
            predicted[np.ix_(held, model.classes_)] = model.predict_proba(table[held])
    return predicted


def _losses(probabilities: NDArray[np.floating], labels: Ints) -> Table:
    own = np.asarray(probabilities, dtype=np.float64)[np.arange(len(labels)), labels]
    return -np.log(np.clip(own, LEAST_PROBABILITY, 1.0))
