"""The probe: nearest neighbours and logistic regression on frozen features. It ranks backbones and starts the head.

Pure: arrays in, numbers out, the same for the same seed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from automl.nets.folds import assign_folds, stratified_subset
from automl.nets.logistic import (
    SHIPPED,
    Rotated,
    fit_logistic,
    fit_path,
    log_losses,
    mean_and_spread,
    mean_of,
    predict_rotated,
    rotate,
    softmax,
)
from automl.nets.neighbours import knn_accuracy

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

GRID: Final = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # of C, strongest regularisation first
MOST_IMAGES: Final = 4000  # C, the out-of-fold predictions and the neighbours are taken on no more
NOISE_SE: Final = 3.0  # standard errors of a paired difference that count as noise; the best of eight looks too good
NOISE_ACCURACY: Final = 0.01  # so little is noise always: fine-tuning moves the accuracy by more
NOISE_LOSS: Final = 0.1  # nats; a probe above the best by more is too unsure to ship as it is
LEAST_SPREAD: Final = 1e-7  # of a live feature; Keras' Normalization divides by no less, so the head could not follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What cross-validation says of one C."""

    c: float
    accuracy: float
    loss: float  # nats


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What the probe says of features: softmax(((features - mean) / scale) @ kernel + bias)."""

    mean: Floats  # (d,)
    scale: Floats  # (d,), positive
    kernel: Floats  # (d, classes)
    bias: Floats  # (classes,)

    def predict(self, features: Floats) -> Floats:
        """Probabilities, float32 (n, classes), of features (n, d)."""
        return softmax(self.standardise(features) @ self.kernel + self.bias)

    def standardise(self, features: Floats) -> Floats:
        """Features (n, d) as the probe weighs them: of mean 0 and spread 1 over the training part."""
        standardised: Floats = (features - self.mean) / self.scale
        return standardised


def read_probe(path: Path) -> Probe:
    """The probe that lies in a .npz file, each field by its name."""
    with np.load(path, allow_pickle=False) as arrays:
        return Probe(**arrays)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFit:
    """A fitted probe, and how it fared on images that it was not fitted on."""

    probe: Probe
    c: float | None  # None: a discriminant, see discriminant.py
    grid: tuple[Fold, ...]
    out_of_fold: NDArray[np.bool_]  # (m,): whether each image was right when it was held out; m = min(n, 4000)
    held_out: Floats  # (n, classes): each image's probabilities by a fit that had not seen it
    knn_accuracy: float


def fit_probe(
    features: Floats,
    labels: Ints,
    n_classes: int,
    *,
    weights: Floats | None = None,
    folds: int,
    neighbours: int,
    seed: int,
) -> ProbeFit:
    """Choose the regularisation by cross-validation and fit on all images.

    C is the inverse of the L2 penalty beside the *sum* of the losses, as in scikit-learn. It is the strongest
    regularisation (smallest C) of the grid that loses no more than noise: out-of-fold accuracy within three standard
    errors of the paired difference to the best one (or within a point), out-of-fold log loss within 0.1 nats of the
    lowest. A head chosen for its score alone has large weights, whose first steps wreck the backbone when it is
    fine-tuned (docs/design.md, decision 15).

    Above 4,000 images C, the out-of-fold predictions and the neighbours come from a stratified subset of 4,000, the
    same for every backbone; the fit at the end uses all, and the other images' held-out probabilities come from a fit
    on the subset. Features are standardised once, over all images given: the held-out ones lend the folds their mean
    and spread, but no label.

    A weight of 2 is an image that is there twice: in mean and spread, in the losses that the penalty stands beside,
    and in the choice of C. What is *told* counts each image as one: out_of_fold, and the neighbours' accuracy.
    Args:
        features: float32 (n, d), of the training part. labels: int64 (n,), in [0, n_classes).
        weights: (n,), at least 0, their sum above 0 in each class; None: the images count alike.
        folds: at least 2; fewer are made where there are fewer images.
        neighbours: k of the nearest neighbours.
    """
    mean, scale = _mean_and_scale(features, weights)
    x = ((features - mean) / scale).astype(np.float32)
    chosen = stratified_subset(labels, MOST_IMAGES, seed=seed)
    some_x, some_labels = x[chosen], labels[chosen]
    some_weights = None if weights is None else weights[chosen]
    # BLAS threads wait for each other at every product of this shape: on two busy cores one thread took a tenth of
    # the time of two. The folds run side by side instead.
    with threadpool_limits(1):
        some = rotate(some_x)
        probabilities = cross_validate(some, some_labels, n_classes, some_weights, folds=folds, seed=seed)
        losses = [log_losses(one, some_labels) for one in probabilities]
        right = [one.argmax(axis=1) == some_labels for one in probabilities]
        picked = choose_c(losses, right, some_weights)
        held_out = np.empty((len(x), n_classes), np.float32)
        held_out[chosen] = probabilities[picked]
        whole = some
        if len(chosen) < len(x):
            whole, others = rotate(x), np.setdiff1d(np.arange(len(x)), chosen)
            fitted = fit_logistic(some, some_labels, n_classes, GRID[picked], None, some_weights, tolerance=SHIPPED)
            held_out[others] = predict_rotated(x[others] @ some.basis, fitted)
    return ProbeFit(
        probe=_fit_rotated(mean, scale, whole, labels, n_classes, GRID[picked], weights),
        c=GRID[picked],
        grid=tuple(
            Fold(c=c, accuracy=float(hits.mean()), loss=float(loss.mean()))
            for c, loss, hits in zip(GRID, losses, right, strict=True)
        ),
        out_of_fold=right[picked],
        held_out=held_out,
        knn_accuracy=knn_accuracy(some_x, some_labels, neighbours=neighbours),
    )


def fit_at(features: Floats, labels: Ints, n_classes: int, *, c: float, weights: Floats | None = None) -> Probe:
    """The probe of these images with that C, which nothing is held out for; see fit_probe."""
    mean, scale = _mean_and_scale(features, weights)
    x = ((features - mean) / scale).astype(np.float32)
    with threadpool_limits(1):
        rotated = rotate(x)
    return _fit_rotated(mean, scale, rotated, labels, n_classes, c, weights)


def _mean_and_scale(features: Floats, weights: Floats | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, spread = mean_and_spread(features, weights)
    return mean, np.where(spread > max(1e-6 * spread.max(), LEAST_SPREAD), spread, 1.0)  # a dead feature stays 0


def _fit_rotated(
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    rotated: Rotated,
    labels: Ints,
    n_classes: int,
    c: float,
    weights: Floats | None,
) -> Probe:
    with threadpool_limits(1):
        fitted = fit_logistic(rotated, labels, n_classes, c, None, weights, tolerance=SHIPPED)
    return Probe(
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        kernel=(rotated.basis @ fitted[:-1]).astype(np.float32),
        bias=fitted[-1].astype(np.float32),
    )


def choose_c(losses: list[NDArray[np.float64]], right: list[NDArray[np.bool_]], weights: Floats | None = None) -> int:
    """The place in the grid of the strongest regularisation that loses no more than noise; see fit_probe.

    Args:
        losses: for each C, strongest regularisation first, the out-of-fold log loss of each image (n,).
        right: for each C, whether each image was right (n,).
        weights: (n,); None: the images count alike. The noise is that of Kish's effective number of images.
    """
    n = len(losses[0]) if weights is None else np.square(weights.sum(dtype=np.float64)) / np.square(weights).sum()
    best = right[int(np.argmax([mean_of(one, weights) for one in right]))].astype(np.float64)
    lowest = min(mean_of(one, weights) for one in losses)
    for place, (loss, hits) in enumerate(zip(losses, right, strict=True)):
        difference = best - hits
        spread = (
            difference.std()
            if weights is None
            else np.sqrt(mean_of(np.square(difference - mean_of(difference, weights)), weights))
        )
        noise = max(NOISE_ACCURACY, NOISE_SE * spread / np.sqrt(n))
        if mean_of(difference, weights) <= noise and mean_of(loss, weights) <= lowest + NOISE_LOSS:
            return place
    # The most accurate and the surest are two, and none is near both.
    return int(np.argmin([mean_of(one, weights) for one in losses]))


def cross_validate(
    data: Rotated, labels: Ints, n_classes: int, sample_weights: Floats | None, *, folds: int, seed: int
) -> Floats:
    """For each C of the grid, the out-of-fold probabilities: float32 (grid, n, classes)."""
    fold = assign_folds(labels, folds, seed=seed)
    probabilities = np.empty((len(GRID), len(labels), n_classes), np.float32)

    def hold_out(number: int) -> None:
        held = fold == number
        part = Rotated(data.z[~held], data.basis, data.power)
        own = None if sample_weights is None else sample_weights[~held]
        for place, weights in enumerate(fit_path(part, labels[~held], n_classes, GRID, own)):
            probabilities[place, held] = predict_rotated(data.z[held], weights)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(hold_out, range(int(fold.max()) + 1)))
    return probabilities
