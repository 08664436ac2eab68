"""Which backbone leads, by its probe's answers on the same images, its speed and its size. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.metrics.bootstrap import is_tie, paired_difference
from automl.types import BackboneScore, Shortlisted

RESAMPLES: Final = 2000  # behind each interval
LITTLE: Final = 0.01  # of the accuracy; a gain of less is not worth a slower network
SAME_SPEED: Final = 1.25  # a ratio of measured speeds below it is no difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One backbone's committed item, as the ranking needs it."""

    score: BackboneScore
    out_of_fold: NDArray[np.bool_]  # the same images for every backbone


def rank(judged: Sequence[Judged], *, seed: int) -> tuple[tuple[BackboneScore, ...], str]:
    """Order backbones, best first, and say in words why the first is first.

    The most accurate out of fold leads. Those that are at most a point behind it, and whose paired difference to it is
    within its 95 % interval of 0, tie with it: of a tie the fastest wins; of those about as fast (less than 1.25 times)
    the one with the fewest parameters. The rest is ranked the same way. Noise alone makes no tie: with few images it is
    wide, and the better probe is the better guess (docs/design.md, decision 6).
    """
    left, ranking, reason = list(judged), [], ""
    while left:
        leader = max(left, key=lambda one: (one.score.probe_accuracy.value, -one.score.params_m))
        tied = [one for one in left if _tie(leader, one, seed)]
        fastest = max(one.score.images_s for one in tied)
        quick = [one for one in tied if one.score.images_s * SAME_SPEED > fastest]
        winner = min(quick, key=lambda one: (one.score.params_m, one.score.backbone))
        why = "the fastest" if len(quick) == 1 else "about as fast as any, and the smallest"
        reason = reason or _reason(winner.score, leader.score, [one.score for one in tied], why, n_all=len(judged))
        ranking.append(winner.score)
        left.remove(winner)
    return tuple(ranking), reason


def shortlist(ranking: Sequence[BackboneScore]) -> tuple[Shortlisted, ...]:
    """Those that may be the best after fine-tuning, the chosen one first: two by probe, and the best published one.

    Args: ranking: of rank, best first.
    """
    chosen = ranking[0]
    by_probe = sorted(ranking, key=lambda one: -one.probe_accuracy.value)[:2]
    published = [one for one in ranking if one.top1 is not None]
    found = {chosen.backbone: "the first choice of the ranking"}
    for place, one in zip(("most accurate probe", "second most accurate probe"), by_probe, strict=False):
        found.setdefault(one.backbone, f"the {place}, {one.probe_accuracy.value:.1%} out of fold")
    if published:
        best = max(published, key=lambda one: one.top1 or 0.0)
        found.setdefault(best.backbone, f"the best published accuracy of the candidates, {best.top1:.1%} on ImageNet")
    return tuple(Shortlisted(backbone=name, reason=reason) for name, reason in found.items())


def _tie(leader: Judged, other: Judged, seed: int) -> bool:
    difference = paired_difference(leader.out_of_fold, other.out_of_fold, resamples=RESAMPLES, seed=seed)
    return other is leader or (difference.value <= LITTLE + 1e-9 and is_tie(difference))  # the sum of n images rounds


def _reason(
    winner: BackboneScore, leader: BackboneScore, tied: Sequence[BackboneScore], why: str, *, n_all: int
) -> str:
    accuracy = f"{winner.probe_accuracy.value:.1%} of the training images right out of fold"
    if n_all == 1:
        return f"{winner.backbone} is the only candidate; its probe has {accuracy}"
    if len(tied) == 1:
        return f"{winner.backbone} has the most accurate probe: {accuracy}; none is within a point and noise of it"
    others = ", ".join(f"{one.backbone} {one.probe_accuracy.value:.1%}" for one in tied if one is not winner)
    if winner is leader:
        leads = f"{winner.backbone} has the most accurate probe: {accuracy}"
        return f"{leads}; within a point and noise of it: {others}; it is {why}"
    return f"{winner.backbone}: {accuracy}, within a point and noise of {others}; of these it is {why}"
