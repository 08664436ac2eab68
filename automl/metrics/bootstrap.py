"""95 % intervals by resampling, so that no choice is made on noise (docs/design.md, decision 10).

Images are exchangeable and each is right or wrong, so a resample of them is a draw of counts: one binomial or
multinomial draw stands for n picks with replacement, exactly, and 2,000 resamples cost milliseconds.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from automl.types import Interval

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]

TAILS: Final = (2.5, 97.5)  # percentiles of a 95 % interval
Z: Final = 1.959963984540054  # standard normal quantile at 0.975


def accuracy_interval(correct: BoolArray, *, resamples: int, seed: int) -> Interval:
    """Accuracy with its percentile-bootstrap interval.

    Where all are right, or all wrong, every resample is the same and the bootstrap would claim certainty;
    Wilson's interval is given instead.

    Args:
        correct: bool (n,).
        resamples: how many bootstrap draws.
    Raises: ValueError: n is 0.
    Source: percentile bootstrap: Efron and Tibshirani 1993, chapter 13.
    """
    n, right = len(correct), int(np.count_nonzero(correct))
    if n == 0:
        raise ValueError("no images: an accuracy needs at least one")
    if right in {0, n}:
        return wilson_interval(right, n)
    draws = np.random.default_rng(seed).binomial(n, right / n, size=resamples) / n
    return percentile_interval(right / n, draws)


def paired_difference(a: BoolArray, b: BoolArray, *, resamples: int, seed: int) -> Interval:
    """mean(a) - mean(b) with its percentile-bootstrap interval, both read on the same images.

    Only images on which the two differ move it. Where they differ on none, it is the point 0.

    Args:
        a, b: bool (n,); whether each image was right.
    Raises: ValueError: n is 0, or the lengths differ.
    """
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(f"{len(a)} and {len(b)} images: a paired difference needs the same images, at least one")
    n = len(a)
    only_a, only_b = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
    shares = np.array([only_a, only_b, n - only_a - only_b]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    return percentile_interval((only_a - only_b) / n, (draws[:, 0] - draws[:, 1]) / n)


def is_tie(interval: Interval) -> bool:
    """Whether a difference cannot be told from none: 0 lies within its interval."""
    return interval.low <= 0 <= interval.high


def wilson_interval(right: int, n: int) -> Interval:
    """A share with its score interval, which stays honest at 0 and 1.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209; recommended for small n by Brown, Cai and DasGupta 2001,
    Statistical Science 16:101.
    """
    share = right / n
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    # Rounding may leave the share itself a hair outside, at 0 or 1.
    return Interval(value=share, low=max(0.0, min(centre - half, share)), high=min(1.0, max(centre + half, share)))


def percentile_interval(value: float, draws: FloatArray) -> Interval:
    """The value, with the middle 95 % of its resamples, widened to hold the value itself."""
    low, high = (float(tail) for tail in np.percentile(draws, TAILS))
    return Interval(value=value, low=min(low, value), high=max(high, value))
