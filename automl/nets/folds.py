"""Which images are held out, and which stand for all: every class by its share. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def stratified_order(labels: Ints, *, seed: int) -> Ints:
    """All rows in an order of which each beginning holds every class by its share."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    position = np.empty(len(labels))  # of each image within its class, 0..1
    for label in np.unique(labels):
        own = shuffled[labels[shuffled] == label]
        position[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.argsort(position, kind="stable")


def stratified_subset(labels: Ints, most: int, *, seed: int) -> Ints:
    """Rows of at most `most` images, ascending, each class by its share; all rows where they suffice."""
    if len(labels) <= most:
        return np.arange(len(labels))
    return np.sort(stratified_order(labels, seed=seed)[:most])


def assign_folds(labels: Ints, folds: int, *, seed: int) -> Ints:
    """A fold for each image, int64 (n,), every class spread over the folds as evenly as its number allows."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[by_class] = np.arange(len(labels)) % min(folds, len(labels))
    return fold
