"""The learning rate of each step: up in a straight line, then down along a cosine."""

from __future__ import annotations

from typing import Any

import keras


def warmup_cosine(peak: float, *, total_steps: int, warmup: float) -> Any:
    """A Keras schedule from step (0 .. total_steps - 1) to rate.

    The warm-up rises from peak / n to peak in n = warmup * total_steps steps (rounded; none where that is 0), so that
    no step is lost to a rate of zero. The cosine then falls from peak to zero, which step total_steps would have.

    Args:
        peak: the highest rate.
        total_steps: batches of the whole training, at least 1.
        warmup: share of total_steps, 0 <= warmup < 1.
    Source: Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, one period; the warm-up of Goyal et al. 2017,
        arXiv:1706.02677, section 2.2.
    """
    rising = min(round(warmup * total_steps), total_steps - 1)
    if rising == 0:
        return keras.optimizers.schedules.CosineDecay(peak, total_steps)
    return keras.optimizers.schedules.CosineDecay(
        peak / rising, total_steps - rising, warmup_target=peak, warmup_steps=rising
    )
