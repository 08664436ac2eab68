"""The probe where a class has few images: linear discriminant analysis with a shrunk covariance. Pure.

On 5 to 25 images a class it is right more often than logistic regression (docs/design.md, decision 6). Further views of
an image are rows of their own, which go where the image goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar
from threadpoolctl import threadpool_limits

from automl.nets.folds import assign_folds
from automl.nets.logistic import LEAST_PROBABILITY, log_losses, mean_and_spread, mean_of, rotate, softmax
from automl.nets.neighbours import knn_accuracy
from automl.nets.probe import LEAST_SPREAD, Probe, ProbeFit

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW: Final = 25  # training images a class on average, up to which this is the probe
SHRINKAGES: Final = (0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)  # shares of the multiple of one in the covariance
NOISE_LOSS: Final = 0.05  # nats that the answers may lose by being less sure; see fit_few
STEP: Final = 0.9  # by which the answers are made less sure at a time
LEAST: Final = 0.01  # where nothing is known of the classes, being less sure costs nothing


def is_few(n_images: int, n_classes: int) -> bool:
    """Whether so many training images are few."""
    return n_images <= FEW * n_classes


def fit_few(
    features: Floats,
    labels: Ints,
    n_classes: int,
    *,
    views: Floats | None = None,
    weights: Floats | None = None,
    folds: int,
    neighbours: int,
    seed: int,
    noise_loss: float = NOISE_LOSS,
) -> ProbeFit:
    """Choose the shrinkage by cross-validation, and fit on all images and all their views.

    Features are divided by a moderated spread: one more image is counted in it, whose variance is the features' mean
    one. Else a feature that is all but dead in ten images, as ReLU6 leaves many, outweighs the others on the next.
    The shrinkage has the lowest out-of-fold log loss, at its best temperature. Then the answers are made less sure
    until that costs 0.05 nats: classes stay, weights become smaller, and a network begins to be fine-tuned more gently
    (docs/measurements.md).

    Args:
        features: float32 (n, d), of the training part. labels: int64 (n,), in [0, n_classes).
        views: float32 (v, n, d), of further views of the same images; a fold takes all views of its images along, and
            out of fold the images alone are judged.
        weights, folds, neighbours: as in probe.fit_probe. One weight is of an image, whatever its views.
        noise_loss: nats that being less sure may cost.
    """
    rows = features if views is None else np.concatenate([features, *views])
    n, times = len(features), len(rows) // len(features)
    row_labels = np.tile(labels, times)
    row_weights = np.tile(np.ones(n) if weights is None else weights.astype(np.float64), times) / times
    mean, scale = _moderated(rows, row_weights)
    x = ((rows - mean) / scale).astype(np.float32)
    shares = np.bincount(row_labels, row_weights, n_classes) / row_weights.sum()
    prior = np.log(np.maximum(shares, LEAST_PROBABILITY))
    with threadpool_limits(1):  # as in probe.fit_probe
        rotated = rotate(x)
        fold = assign_folds(labels, folds, seed=seed)
        scores = np.empty((len(SHRINKAGES), n, n_classes))
        for number in range(int(fold.max()) + 1):
            held, kept = fold == number, np.tile(fold != number, times)
            fits = discriminants(rotated.z[kept], row_labels[kept], n_classes, row_weights[kept], d=x.shape[1])
            for place, (kernel, bias) in enumerate(fits):
                scores[place, held] = rotated.z[:n][held] @ kernel + bias
        surest = [best_sureness(one, labels, prior, weights) for one in scores]
        losses = [loss_at(sure, one, labels, prior, weights) for sure, one in zip(surest, scores, strict=True)]
        place = int(np.argmin(losses))
        kernel, bias = list(discriminants(rotated.z, row_labels, n_classes, row_weights, d=x.shape[1]))[place]
    # Score and prior alike: a factor of the scores alone would leave the prior to decide, and change classes.
    sure, logits = 1.0, surest[place] * scores[place] + prior
    while sure > LEAST and loss_at(STEP * sure, logits, labels, 0.0, weights) <= losses[place] + noise_loss:
        sure *= STEP
    held_out = softmax(sure * logits)
    factor = sure * surest[place]
    return ProbeFit(
        probe=Probe(
            mean=mean.astype(np.float32),
            scale=scale.astype(np.float32),
            kernel=(factor * (rotated.basis @ kernel)).astype(np.float32),
            bias=(factor * bias + sure * prior).astype(np.float32),
        ),
        c=None,
        grid=(),
        out_of_fold=held_out.argmax(axis=1) == labels,
        held_out=held_out,
        knn_accuracy=knn_accuracy(x[:n], labels, neighbours=neighbours),
    )


def discriminants(
    z: Floats, labels: Ints, n_classes: int, weights: Doubles, *, d: int
) -> Iterator[tuple[Doubles, Doubles]]:
    """Kernel (r, classes) and bias (classes,) for each shrinkage, of scores that lack the classes' prior.

    The covariance within the classes is (1 - s) times the one found plus s times a multiple of one of equal trace, as
    scikit-learn's `LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)` has it. A class without images stands in the
    middle of all.
    Args:
        z: float32 (n, r), features in their principal axes, of mean 0. weights: (n,); all 0 counts as all 1.
        d: of the features before the rotation.
    """
    weights = weights if weights.any() else np.ones(len(z))
    of_class = np.eye(n_classes)[labels] * weights[:, None]
    means = (of_class.T @ z) / np.maximum(of_class.sum(axis=0), 1e-12)[:, None]
    within = (z - means[labels]) * np.sqrt(weights / weights.sum())[:, None]
    values, axes = eigh(within.T @ within, driver="evd")
    values, turned = np.maximum(values, 0), means @ axes
    level = values.sum() / d or 1.0  # one image a class: no covariance is known
    for shrinkage in SHRINKAGES:
        kernel = turned / ((1 - shrinkage) * values + shrinkage * level)
        yield axes @ kernel.T, -0.5 * (kernel * turned).sum(axis=1)


def loss_at(sure: float, scores: Doubles, labels: Ints, prior: Doubles | float, weights: Floats | None) -> float:
    """Mean log loss (nats) of scores (n, classes) times a factor, with the classes' prior."""
    return mean_of(log_losses(softmax(sure * scores + prior), labels), weights)


def best_sureness(scores: Doubles, labels: Ints, prior: Doubles, weights: Floats | None) -> float:
    """The factor of the scores (n, classes) at which the log loss is least.

    The truth is taken as a little unsure, as in Platt's scaling (Platt 1999): else few images, all of them right,
    would ask for no end of sureness.
    """
    n, n_classes = scores.shape
    spread = float(scores.std())
    if spread == 0:
        return 1.0
    truth = np.full((n, n_classes), 1 / (n + 2) / n_classes)
    truth[np.arange(n), labels] += (n + 1) / (n + 2)

    def loss(power: float) -> float:
        scaled = np.exp(power) * scores / spread + prior
        return mean_of(np.logaddexp.reduce(scaled, axis=1) - (truth * scaled).sum(axis=1), weights)

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 6), method="bounded").x) / spread)


def _moderated(rows: Floats, weights: Doubles) -> tuple[Doubles, Doubles]:
    """Mean and moderated spread of each feature (d,); see fit_few."""
    mean, spread = mean_and_spread(rows, weights.astype(np.float32))
    n, power = weights.sum(), np.square(spread)
    return mean, np.maximum(np.sqrt((n * power + power.mean()) / (n + 1)), LEAST_SPREAD)
