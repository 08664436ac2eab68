"""Whether more images would help, and about how much: the probe on a quarter, half and all of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.metrics.bootstrap import accuracy_interval, paired_difference
from automl.nets.folds import stratified_subset
from automl.nets.probe import Probe
from automl.types import CurvePoint, Interval

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Right = NDArray[np.bool_]

SHARES: Final = (0.25, 0.5)  # of the training images, before all of them
LEAST_A_CLASS: Final = 2  # images on average; a smaller share says nothing
LITTLE: Final = 0.01  # of the accuracy; a last doubling that gained no more shows that the end is near
RESAMPLES: Final = 2000  # behind each interval


def answers_by_size(
    labels: Ints,
    held: tuple[Floats, Ints],
    probe: Probe,
    refit: Callable[[Ints], Probe],
    *,
    seed: int,
) -> tuple[list[int], list[Right]]:
    """Fit the probe on stratified shares of the training images, each within the next.

    Args:
        labels: int64 (n,), of the training part.
        held: validation's features (m, d) and labels (m,).
        probe: fitted on all of the training part. refit: the same of some of it, by their places.
    Returns: training images of each size, ascending, and whether each validation image was right, bool (m,) each.
    """
    n_classes = len(probe.bias)
    sizes, right = [], []
    for share in SHARES:
        size = round(share * len(labels))
        if size < LEAST_A_CLASS * n_classes:
            continue
        some = stratified_subset(labels, size, seed=seed)
        sizes.append(size)
        right.append(refit(some).predict(held[0]).argmax(axis=1) == held[1])
    sizes.append(len(labels))
    right.append(probe.predict(held[0]).argmax(axis=1) == held[1])
    return sizes, right


def curve_points(sizes: Sequence[int], right: Sequence[Right], *, seed: int) -> tuple[CurvePoint, ...]:
    """Each size's accuracy, and what it has over the size before it, paired."""
    return tuple(
        CurvePoint(
            images=size,
            accuracy=accuracy_interval(hits, resamples=RESAMPLES, seed=seed),
            gain=_gain(hits, right[place - 1], seed) if place else None,
        )
        for place, (size, hits) in enumerate(zip(sizes, right, strict=True))
    )


def more_data(sizes: Sequence[int], right: Sequence[Right], *, seed: int) -> str:
    """In words, whether more images like these would help; "": there were too few to draw a curve.

    What twice as many would bring is read off a power law through the first and the last size: every doubling
    multiplies the error by the same factor.
    """
    if len(sizes) < 2:
        return ""
    last, whole = _gain(right[-1], right[-2], seed), _gain(right[-1], right[0], seed)
    error, before = 1 - right[-1].mean(), 1 - right[0].mean()
    gained = f"from {sizes[-2]:,} to {sizes[-1]:,} training images the probe gained {_points(last)}"
    if error == 0:
        return f"on validation the probe is right throughout ({len(right[-1]):,} images): more images cannot show there"
    expected = 100 * error * (1 - (error / before) ** (log(2) / log(sizes[-1] / sizes[0]))) if before else 0.0
    if last.low > 0:
        return f"{gained}: more images should help, twice as many by about {expected:.1f} points, if it goes on so"
    if whole.low > 0:
        return (
            f"{gained}, which is within noise, and from {sizes[0]:,} on {_points(whole)}: more images may help, twice "
            f"as many by about {expected:.1f} points, if it goes on so"
        )
    # Where all of n images are answered alike, the interval is a point; a chance of 3 / n could still have hidden.
    if max(last.high, 3 / len(right[-1])) <= LITTLE:
        return f"{gained}: more images like these would help little"
    return (
        f"{gained}, which is within noise: {len(right[-1]):,} validation images are too few to say whether more "
        "training images would help"
    )


def _gain(right: Right, before: Right, seed: int) -> Interval:
    return paired_difference(right, before, resamples=RESAMPLES, seed=seed)


def _points(gain: Interval) -> str:
    low, high = 100 * gain.low, 100 * gain.high
    return f"{100 * gain.value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
