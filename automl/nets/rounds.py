"""Which candidates are judged on how many images, within a budget of time: successive halving. Pure.

Where all of them on the whole sample fit the budget, that is the one round. Else each round judges the candidates that
are left on a larger beginning of the sample, and the better half goes on; what was computed of a beginning is kept.
Source: Jamieson and Talwalkar 2016, arXiv:1502.07943 (successive halving), with images as the resource.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

BLOCK: Final = 512  # images whose features are kept together; a kill loses at most their pass: 2 s with
# MobileNetV3Small at 160 px, 9 with EfficientNetV2B0
SHARES: Final = (0.25, 0.5, 1.0)  # of the sample, a round each, where time is short
FEWEST: Final = 3  # go on whatever their number: a shortlist is as long


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What judging one candidate takes."""

    start_s: float  # building, loading, compiling, its probe
    image_s: float  # one image's forward pass

    def of(self, images: int, done: int = 0) -> float:
        """Seconds for so many images, some of them done before."""
        return self.start_s + self.image_s * max(0, images - done)


def plan_rounds(costs: Sequence[Cost], n_images: int, budget_s: float) -> tuple[int, ...]:
    """How many images of the sample each round judges by, ascending; the last has all.

    Args: costs: of the candidates still to be judged. budget_s: seconds that are left for them.
    """
    if sum(cost.of(n_images) for cost in costs) <= budget_s or len(costs) < FEWEST:
        return (n_images,)
    sizes = [min(n_images, BLOCK * ceil(share * n_images / BLOCK)) for share in SHARES]  # whole blocks are kept
    return tuple(dict.fromkeys(sizes))


def go_on(scores: Sequence[tuple[str, float]], *, always: str) -> tuple[str, ...]:
    """Who is left after a round: the better half, at least three, and one that stays whatever its score.

    Args: scores: name and accuracy of each, in the table's order, which decides between equals.
    """
    best = sorted(scores, key=lambda one: -one[1])[: max(FEWEST, ceil(len(scores) / 2))]
    kept = {name for name, _ in best} | {always}
    return tuple(name for name, _ in scores if name in kept)
