"""Images whose features say that something is wrong: likely label errors, outliers, near duplicates. Pure.

They see what one backbone makes of the pictures, so they are a second opinion: exact and perceptual copies are found
before, by check. Thresholds were measured on planted faults (benchmarks/suspects.py, docs/design.md, decision 19).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
T = TypeVar("T")

LEAST_ACCURACY: Final = 0.7  # of the probabilities; facial_csv's probe has .565, and 14 % of its labels were doubted
LEAST_PROBABILITY: Final = 0.5  # of another class than the label's: the probe must have decided
NEIGHBOURS: Final = 20  # the distance to this one is an outlier's; so up to as many foreign pictures cannot hide
REFERENCE: Final = 4000  # images at most that distances are measured to
FAR: Final = 2.0  # robust standard deviations of the log distance
LEAST_SPREAD: Final = 0.01  # of the log distance; images that are all equally far differ by rounding
MOST_OUTLIERS: Final = 0.01  # share of the images that are named
ALIKE: Final = 0.85  # cosine of standardised features: 1 false pair in 700 flowers, 400 cats and dogs, 2,062 hands
AXES: Final = 256  # principal axes that all pairs are compared in; those that pass are compared in full
TWINS: Final = 8  # candidates of an image that are compared in full
MOST_COMPARED: Final = 100_000  # images whose pairs are all compared; the time grows with the square
BLOCK: Final = 1024  # rows a product


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelError:
    """An image that looks like another class than its label's."""

    row: int
    suggested: int  # a class
    own_probability: float  # of its label; the lower, the surer (self-confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """An image that is far from all others."""

    row: int
    distance: float  # cosine distance, 0..2, to its NEIGHBOURS-th neighbour


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Two images whose features are almost the same."""

    first: int
    second: int  # a later row
    similarity: float  # cosine of the standardised features


def find_label_errors(probabilities: Floats, labels: Ints) -> tuple[LabelError, ...]:
    """Off-diagonal members of the confident joint, the surest first.

    A class is confident in an image when its probability is at least the mean probability that the class has on the
    images labelled so, and at least a half. An image whose most probable confident class is not its label is doubted.
    Ranked by self-confidence: among those doubted it put planted flips before others with an average precision of
    .957, the normalised margin with .903 (18 planted sets).
    Args:
        probabilities: float32 (n, classes), each row from a fit that had not seen its image.
        labels: int64 (n,).
    Source: confident learning, Northcutt et al. 2021, arXiv:1911.00068, equations 1 and 2; the half is ours.
    """
    n_classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    sums = np.bincount(labels, own, n_classes)
    usual = sums / np.maximum(np.bincount(labels, minlength=n_classes), 1)
    confident = np.where(probabilities >= np.maximum(usual, LEAST_PROBABILITY), probabilities, -1.0)
    suggested = confident.argmax(axis=1)
    doubted = np.flatnonzero((confident.max(axis=1) >= 0) & (suggested != labels))
    return tuple(
        LabelError(row=int(row), suggested=int(suggested[row]), own_probability=float(own[row]))
        for row in doubted[np.argsort(own[doubted], kind="stable")]
    )


def find_outliers(features: Floats) -> tuple[Outlier, ...]:
    """Images far from all others: at most one in a hundred, the farthest first.

    Far is a cosine distance to the 20th neighbour whose logarithm is two robust standard deviations (1.4826 times the
    median absolute deviation) above the median. Features are neither centred nor standardised: as they come, planted
    foreign pictures were ranked first with an average precision of .86, standardised ones with .22, by the local
    outlier factor .52. Above 4,000 images the neighbours are taken among 4,000, evenly spaced.
    Args:
        features: float32 (n, d), not negative on the whole (pooled activations).
    Source: Sun et al. 2022, arXiv:2204.06507 (distance to the k-th neighbour).
    """
    n = len(features)
    if n < 2 * NEIGHBOURS:
        return ()
    reference = evenly(n, REFERENCE)
    place = np.full(n, -1)
    place[reference] = np.arange(len(reference))
    unit_reference = _unit(np.asarray(features[reference])).T

    def distances(rows: Ints) -> Floats:
        apart = 1.0 - _unit(np.asarray(features[rows])) @ unit_reference
        itself = np.flatnonzero(place[rows] >= 0)
        apart[itself, place[rows][itself]] = np.inf
        return np.asarray(np.partition(apart, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1])

    distance = np.concatenate(_in_blocks(distances, n)).astype(np.float64)
    logs = np.log(np.maximum(distance, 1e-6))
    spread = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    far = np.flatnonzero(logs - np.median(logs) > FAR * max(spread, LEAST_SPREAD))
    ranked = far[np.argsort(-distance[far], kind="stable")][: int(np.ceil(MOST_OUTLIERS * n))]
    return tuple(Outlier(row=int(row), distance=float(distance[row])) for row in ranked)


def find_twins(features: Floats) -> tuple[Twins, ...]:
    """Pairs of images whose standardised features have a cosine of at least 0.85, the most alike first.

    Mirrored copies and cuts that keep nine tenths of each side mostly stay above it; pictures of one kind stay below,
    but for scenes that differ in nothing else (docs/measurements.md). All pairs are compared in AXES principal axes and
    the length of what these leave over, which can only make a cosine look larger; pairs that pass are compared in full,
    of an image the TWINS best with later ones.
    Args:
        features: float32 (n, d).
    Returns: nothing where there are more than MOST_COMPARED images.
    """
    n = len(features)
    if not 2 <= n <= MOST_COMPARED:
        return ()
    some = np.asarray(features[evenly(n, REFERENCE)])
    mean, spread = some.mean(axis=0), some.std(axis=0)
    scale = np.where(spread > 1e-6 * max(float(spread.max()), 1e-12), spread, np.inf)  # a dead feature says nothing

    def unit(rows: Ints) -> Floats:
        return _unit((np.asarray(features[rows]) - mean) / scale)

    axes = _principal_axes(_unit((some - mean) / scale)[evenly(len(some), BLOCK)])

    def in_axes(rows: Ints) -> Floats:
        full = unit(rows)
        inside = full @ axes
        over = np.sqrt(np.maximum(np.square(full).sum(axis=1) - np.square(inside).sum(axis=1), 0.0))
        return np.column_stack([inside, over])

    short = np.concatenate(_in_blocks(in_axes, n))

    def pairs(rows: Ints) -> list[Twins]:
        first = int(rows[0])
        likeness = short[rows] @ short[first:].T
        likeness[np.tril_indices(len(rows))] = -1.0  # a pair once, and not with itself
        held = np.flatnonzero(likeness.max(axis=1) >= ALIKE - 1e-4)
        found = []
        for at in held:
            passed = np.flatnonzero(likeness[at] >= ALIKE - 1e-4)
            best = passed[np.argsort(-likeness[at, passed], kind="stable")[:TWINS]]
            exact = unit(first + best) @ unit(rows[at : at + 1])[0]
            found += [
                Twins(first=int(rows[at]), second=int(first + other), similarity=float(cosine))
                for other, cosine in zip(best, exact, strict=True)
                if cosine >= ALIKE
            ]
        return found

    every = [twins for block in _in_blocks(pairs, n) for twins in block]
    return tuple(sorted(every, key=lambda twins: (-twins.similarity, twins.first, twins.second)))


def seconds_needed(n: int, d: int) -> float:
    """How long outliers and twins of features (n, d) take at most, on one slow core: 10^10 operations a second."""
    compared = n**2 * AXES if n <= MOST_COMPARED else 0
    return (2.0 * n * min(n, REFERENCE) * d + compared + 10.0 * min(d, BLOCK) ** 3) / 1e10


def evenly(n: int, most: int) -> Ints:
    """At most so many of n rows, evenly spaced, ascending."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def _unit(x: Floats) -> Floats:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def _principal_axes(x: Floats) -> Floats:
    """Orthonormal columns, float32 (d, at most AXES), along which the rows of x (n, d) differ most."""
    with threadpool_limits(1):  # two threads on two busy cores took ten times as long
        if x.shape[1] <= len(x):
            return np.ascontiguousarray(np.linalg.eigh(x.T @ x)[1][:, -AXES:])
        values, vectors = np.linalg.eigh(x @ x.T)
        kept = np.flatnonzero(values > 1e-6 * values[-1])[-AXES:]
        return np.asarray(x.T @ (vectors[:, kept] / np.sqrt(values[kept])), dtype=np.float32)


def _in_blocks(work: Callable[[Ints], T], n: int) -> list[T]:
    """The work's results on each block of rows, in order. Blocks run side by side, with one BLAS thread each."""
    blocks: Iterable[Ints] = (np.arange(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, blocks))
