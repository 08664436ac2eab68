"""Which of two packed sizes the backbones see: asked of one backbone's probe at both. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.metrics.bootstrap import is_tie, paired_difference
from automl.nets.candidates import SMALL_PX
from automl.nets.catalogue import Backbone
from automl.nets.ranking import LITTLE, RESAMPLES
from automl.types import SizeScore

Right = NDArray[np.bool_]


def choose_size(small: tuple[SizeScore, Right], large: tuple[SizeScore, Right], *, seed: int) -> tuple[int, str]:
    """The edge in pixels, and in a sentence why.

    The larger size is never worse for long: it is left only where the paired interval shows that it gains less than a
    point. Where there are too few images to show it, the larger one stays.
    Args: each size's score, and whether each image was right out of fold, bool (n,), the same images.
    """
    (score, right), (larger, larger_right) = small, large
    gain = paired_difference(larger_right, right, resamples=RESAMPLES, seed=seed)
    told = (
        f"{larger.backbone}'s probe gains {100 * gain.value:+.1f} points at {larger.size_px} px over {score.size_px} "
        f"px (95 % interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    )
    # Where all of n images are answered alike, the interval is a point; a gain of 3 / n could still have hidden.
    if max(gain.high, 3 / len(right)) < LITTLE:
        return score.size_px, f"{told}, less than a point for sure: the images are seen at {score.size_px} px"
    unsure = f", which {len(right):,} images cannot tell from none" if is_tie(gain) else ""
    return larger.size_px, f"{told}{unsure}: the images are seen at {larger.size_px} px"


def sizes_of(row: Backbone, sizes_px: tuple[int, ...]) -> tuple[int, ...]:
    """The packed sizes that a backbone may see, ascending.

    One of the user's own sees those that it can be built at. A pretrained one sees what is large enough for its five
    halvings; the small net, with three, the smallest alone.
    """
    if row.own is not None:
        return tuple(size for size in sizes_px if size in row.own.sizes_px)
    if not row.pretrained:
        return sizes_px[:1]
    return tuple(size for size in sizes_px if size >= row.least_px and size >= SMALL_PX) or sizes_px[-1:]
