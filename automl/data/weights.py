"""What an image's weight does: it multiplies the image's loss in training, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.data.images import Assigned
from automl.data.labels import LEAST_OF_A_CLASS
from automl.errors import DataError
from automl.finding_table import NO_WEIGHT
from automl.runs.atomic import write_with
from automl.types import N_EXAMPLES, Finding, Weighting

Weights = NDArray[np.float32]

FILE: Final = "train-weights.npy"
"""In pack's folder, beside train-labels.npy; where the images count alike there is none."""


def relative(weights: Sequence[float]) -> Weights:
    """Weights with a mean of 1, float32 (n,): their unit means nothing, and the learning rate keeps its meaning.

    Args: weights: finite, none below 0, at least one above.
    """
    of_largest = np.asarray(weights, np.float64) / max(weights)  # first, or the sum may pass all bounds
    return np.asarray(of_largest / of_largest.mean(), np.float32)


def effective_number(weights: Sequence[float]) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2: how many images of equal weight say as much.

    Source: L. Kish, Weighting for unequal P_i, Journal of Official Statistics 8(2), 1992, pp. 183-200.
    Args: weights: finite, none below 0, at least one above.
    """
    of_largest = np.asarray(weights, np.float64) / max(weights)
    return float(of_largest.sum() ** 2 / np.square(of_largest).sum())


def weighting_of(assigned: Sequence[Assigned]) -> Weighting | None:
    """How the training part is weighted; None: its images count alike.

    Raises: DataError: all training images of a class have weight 0, so it could not be learned.
    """
    train = [image for image in assigned if image.part == "train"]
    weights = [image.weight for image in train]
    if len(set(weights)) <= 1 and all(weights):
        return None
    largest = max(weights, default=0.0)
    by_class: defaultdict[str, list[float]] = defaultdict(list)
    for image in train:
        by_class[image.label].append(image.weight)
    for label, own in sorted(by_class.items()):
        if not np.float32(max(own) / (largest or 1.0)) > 0:
            raise DataError(
                f"class {label!r} has {len(own)} image(s) in train, and the weight of each is 0 (or nothing beside "
                f"the largest, {largest:g}): it could not be learned. Wanted: at least one with a weight. "
                f"Correct the weights, list {label!r} under check.drop_classes, or do without them by "
                "--set data.weight=none."
            )
    above = [weight for weight in weights if weight > 0]
    return Weighting(
        n=len(above),
        zero=len(weights) - len(above),
        total=float(np.sum(above)),
        smallest=min(above),
        largest=largest,
        effective={label: effective_number(own) for label, own in sorted(by_class.items())},
    )


def taught(assigned: Sequence[Assigned]) -> tuple[Assigned, ...]:
    """All but the training images of weight 0, from which nothing is learned, nor is anything chosen by them."""
    return tuple(image for image in assigned if image.part != "train" or image.weight > 0)


def training_weights(assigned: Sequence[Assigned]) -> Weights | None:
    """Of each training image in the order of its map row, relative; None: they count alike."""
    pairs = sorted((image.row, image.weight) for image in assigned if image.part == "train")
    weights = [weight for _, weight in pairs]
    return None if len(set(weights)) <= 1 else relative(weights)


def write_weights(folder: Path, weights: Weights | None) -> None:
    """Write FILE durably, or have none."""
    if weights is None:
        (folder / FILE).unlink(missing_ok=True)
    else:
        write_with(folder / FILE, partial(np.save, arr=weights))


def read_weights(folder: Path) -> Weights | None:
    """What `write_weights` wrote: float32 (n,), with a mean of 1; None: the images count alike."""
    try:
        weights: Weights = np.load(folder / FILE, allow_pickle=False)
    except FileNotFoundError:
        return None
    return weights


def no_weight(why: str) -> Finding:
    """Args: why: what could not be weighted, what was wanted, and what to do."""
    return Finding(kind=NO_WEIGHT, severity="stop", text=why, count=1)


def findings_of_weights(assigned: Sequence[Assigned], weighting: Weighting | None) -> tuple[Finding, ...]:
    """What the owner of weights should know of them."""
    held_out = [image.path for image in assigned if image.part != "train" and image.weight == 0]
    counts: Mapping[str, int] = _counts(assigned)
    found: list[Finding] = []
    if held_out:
        found.append(
            Finding(
                kind="weight 0 in validation or test",
                severity="warn",
                text=f"{len(held_out)} image(s) of validation and test have weight 0, {held_out[0]!r} for one; there "
                "every image counts as one, whatever its weight.",
                count=len(held_out),
                advice="Take the rows out of the manifest if their labels are wrong, or give them to train.",
                paths=tuple(held_out[:N_EXAMPLES]),
            )
        )
    if weighting is None:
        return tuple(found)
    few = {label: n for label, n in weighting.effective.items() if n < LEAST_OF_A_CLASS <= counts[label]}
    if few:
        label, n = min(few.items(), key=lambda item: item[1])
        found.append(
            Finding(
                kind="weights on few images",
                severity="warn",
                text=f"in {len(few)} class(es) nearly all weight lies on a few training images: {label!r} has "
                f"{counts[label]}, which say as much as {n:.1f} of equal weight (Kish).",
                count=len(few),
                advice="Check the largest weights, or add images to these classes.",
                paths=(),
            )
        )
    everywhere = effective_number([image.weight for image in assigned if image.part == "train"])
    without = f"; {weighting.zero} of weight 0 teach nothing" if weighting.zero else ""
    found.append(
        Finding(
            kind="weights",
            severity="note",
            text=f"{weighting.n} training image(s) have weights from {weighting.smallest:g} to {weighting.largest:g}, "
            f"{weighting.total:g} in all, and say as much as {everywhere:.1f} of equal weight (Kish){without}. "
            "Weights count in training alone: validation and test count every image as one.",
            count=weighting.n,
            advice="To train without them: --set data.weight=none.",
        )
    )
    return tuple(found)


def _counts(assigned: Sequence[Assigned]) -> Mapping[str, int]:
    counts: defaultdict[str, int] = defaultdict(int)
    for image in assigned:
        counts[image.label] += image.part == "train"
    return counts
