"""Whether mirrored images may be trained on, by what the probe makes of them. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.metrics.bootstrap import paired_difference

RESAMPLES: Final = 2000  # behind the interval
FLIP_FALL: Final = 0.1  # of the accuracy, that mirroring may cost
FLIP_IMAGES: Final = 5  # of a class, from which its own recall counts


def flip_is_safe(
    plain: NDArray[np.bool_], mirrored: NDArray[np.bool_], labels: NDArray[np.int64], *, seed: int
) -> bool:
    """Whether mirrored images may be trained on: the probe still knows them.

    Features move a little when an image is mirrored, so a small loss is no sign; where mirroring changes what an image
    means (a digit, a left hand), the loss is large. It is unsafe when the accuracy falls by more than a tenth, beyond
    noise, or when a class of at least five images loses more than half of its recall.
    Args:
        plain, mirrored: bool (n,): whether the probe was right on each validation image; n >= 1.
        labels: int64 (n,).
    """
    fall = paired_difference(plain, mirrored, resamples=RESAMPLES, seed=seed)
    if fall.low > 0 and fall.value > FLIP_FALL:
        return False
    return not any(
        own.sum() >= FLIP_IMAGES and plain[own].sum() > 2 * mirrored[own].sum()
        for own in (labels == label for label in np.unique(labels))
    )
