"""Nearest neighbours by cosine: the plainest that features can be asked. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

CHUNK: Final = 512  # images compared with all others at once


def knn_accuracy(x: Floats, labels: Ints, *, neighbours: int) -> float:
    """Leave-one-out accuracy of the k nearest by cosine; they vote with their similarity, which decides ties.

    Args:
        x: float32 (n, d), standardised; n >= 2.
    """
    unit = _unit(x)
    right = 0
    for start in range(0, len(x), CHUNK):
        similarity = unit[start : start + CHUNK] @ unit.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf
        answers = _vote(similarity, labels, min(neighbours, len(x) - 1))
        right += int(np.count_nonzero(answers == labels[start : start + CHUNK]))
    return right / len(x)


def nearest_classes(known: Floats, labels: Ints, x: Floats, *, neighbours: int) -> Ints:
    """What the k nearest of the known images vote for, int64 (m,), by the same vote.

    Args:
        known: float32 (n, d), standardised; n >= 1. labels: int64 (n,).
        x: float32 (m, d), standardised likewise; none of them is among the known.
    """
    unit, asked = _unit(known), _unit(x)
    found = [
        _vote(asked[start : start + CHUNK] @ unit.T, labels, min(neighbours, len(known)))
        for start in range(0, len(x), CHUNK)
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _vote(similarity: Floats, labels: Ints, k: int) -> Ints:
    rows = np.arange(len(similarity))
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    votes = np.zeros((len(rows), int(labels.max()) + 1))
    np.add.at(votes, (rows[:, None], labels[nearest]), 1.0 + 1e-3 * similarity[rows[:, None], nearest])
    return np.asarray(votes.argmax(axis=1), dtype=np.int64)


def _unit(x: Floats) -> Floats:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), dtype=np.float32)
