"""Multinomial logistic regression on features in their principal axes: the probe's solver. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

JUDGED: Final = 3e-4  # tolerance of the folds' fits, each of which starts at the one before
SHIPPED: Final = 1e-5  # of fits that start at nothing
REMEMBERED: Final = 5  # steps of L-BFGS; with ten it takes as many and pays for each
LEAST_PROBABILITY: Final = 1e-7  # log loss counts no probability as smaller


@dataclass(frozen=True, slots=True)
class Rotated:
    """Standardised features in their principal axes: the same inner products, fewer columns, a known curvature."""

    z: Floats  # (n, r)
    basis: Floats  # (d, r), orthonormal columns; x = z @ basis.T
    power: NDArray[np.float64]  # (r,): mean square of each column of z


def rotate(x: Floats) -> Rotated:
    """Rotate into the principal axes, r = min(n, d). An L2-regularised fit is the same there, and much quicker."""
    n, d = x.shape
    # Divide and conquer takes a quarter of the time of LAPACK's default, as exactly.
    values, vectors = eigh(x.T @ x if d <= n else x @ x.T, driver="evd")
    kept = values > 1e-6 * values[-1]
    basis = vectors[:, kept] if d <= n else x.T @ (vectors[:, kept] / np.sqrt(values[kept]))
    return Rotated(np.ascontiguousarray(x @ basis), basis, values[kept].astype(np.float64) / n)


def fit_logistic(
    data: Rotated,
    labels: Ints,
    n_classes: int,
    c: float,
    start: NDArray[np.float64] | None,
    sample_weights: Floats | None = None,
    *,
    tolerance: float = JUDGED,
) -> NDArray[np.float64]:
    """Multinomial logistic regression with an L2 penalty on all but the bias, by L-BFGS.

    Losses are multiplied by the sample weights, and C stands beside their sum, as in scikit-learn. A class without
    images is allowed; its bias falls until the others' gradient vanishes.
    Args:
        start: weights to start from, or None for zeros.
        sample_weights: (n,), at least 0; None: 1 each. A fold that holds nothing above 0 is fitted as if all were 1.
        tolerance: the largest slope (of the mean loss, in units of the curvature) at which it stops.
    Returns: float64 (r + 1, n_classes), the bias last.
    """
    if sample_weights is not None and not sample_weights.any():
        sample_weights = None
    n = len(labels) if sample_weights is None else float(sample_weights.sum(dtype=np.float64))
    penalty = 1.0 / (c * n)
    # Steps are taken in units of the curvature: the penalty's, and the loss's p(1 - p) along each axis, with the p of
    # a start at which all classes are equally likely.
    curvature = (1 - 1 / n_classes) / n_classes * np.append(data.power, 1.0)
    unit = 1.0 / np.sqrt(curvature + penalty)
    rows = np.arange(len(labels))

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(n_classes, -1) * unit  # a class a row: products with few columns are slow
        single = weights.astype(np.float32)
        wrong = softmax(data.z @ single[:, :-1].T + single[:, -1])
        loss = mean_of(log_losses(wrong, labels), sample_weights) + 0.5 * penalty * np.square(weights[:, :-1]).sum()
        wrong[rows, labels] -= 1
        if sample_weights is not None:
            wrong *= sample_weights[:, None]
        turned = np.ascontiguousarray(wrong.T)
        slope = np.column_stack([turned @ data.z, turned.sum(axis=1)]).astype(np.float64) / n
        slope[:, :-1] += penalty * weights[:, :-1]
        return float(loss), (slope * unit).ravel()

    first = np.zeros((n_classes, len(unit))) if start is None else start.T / unit
    options = {"maxiter": 300, "gtol": tolerance, "ftol": tolerance**2, "maxcor": REMEMBERED}
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray((found.x.reshape(n_classes, -1) * unit).T, dtype=np.float64)


def fit_path(
    data: Rotated,
    labels: Ints,
    n_classes: int,
    grid: Sequence[float],
    sample_weights: Floats | None = None,
    *,
    tolerance: float = JUDGED,
) -> Iterator[NDArray[np.float64]]:
    """The fit at each C of a grid that rises; each begins where a straight line through the two before it leads.

    The line takes half of the steps that the fit before takes as a start, and ends nearer to the solution.
    """
    before: list[NDArray[np.float64]] = []
    for place, c in enumerate(grid):
        start = before[-1] if before else None
        if len(before) == 2:
            ahead = log(c / grid[place - 1]) / log(grid[place - 1] / grid[place - 2])
            start = before[1] + ahead * (before[1] - before[0])
        before = [*before[-1:], fit_logistic(data, labels, n_classes, c, start, sample_weights, tolerance=tolerance)]
        yield before[-1]


def predict_rotated(z: Floats, weights: NDArray[np.float64]) -> Floats:
    """Probabilities, float32 (m, classes), of rotated features (m, r)."""
    return softmax(z @ weights[:-1].astype(np.float32) + weights[-1].astype(np.float32))


def log_losses(probabilities: Floats, labels: Ints) -> NDArray[np.float64]:
    """Log loss of each image, nats (n,)."""
    truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(truth, LEAST_PROBABILITY, 1.0))


def mean_of(values: NDArray[Any], weights: Floats | None) -> float:
    """The mean of values (n,), weighted where there are weights (n,)."""
    return float(values.mean() if weights is None else np.average(values, weights=weights.astype(np.float64)))


def mean_and_spread(features: Floats, weights: Floats | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column, float64 (d,) each, as of rows that are there `weights` times."""
    if weights is None:
        return features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    share = weights.astype(np.float64) / weights.sum(dtype=np.float64)
    mean = share @ features
    return mean, np.sqrt(share @ np.square(features - mean))


def softmax(logits: NDArray[np.floating]) -> Floats:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)
