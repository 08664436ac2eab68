"""Which variant goes on: the fastest or smallest within the budget, and none by a difference that is noise. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from automl.compressors.table import COMPRESSOR_NAMES, FLOAT
from automl.types import Variant

SAME_SIZE: Final = 0.01
"""Sizes closer than this share are a tie: the int8 settings differ by some bytes of ranges."""

RULE_OF_THREE: Final = 3.0
"""An event seen in none of n images has a rate of up to 3/n at 95 % (Hanley and Lippman-Hand 1983, JAMA 249:1743)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The variants with within_budget and note filled in, and which of them goes on."""

    variants: tuple[Variant, ...]  # in the order given
    chosen: str
    reason: str


def choose(
    variants: Sequence[Variant],
    *,
    max_accuracy_drop: float,
    prefer: Literal["latency", "size"],
    noise_ms: float,
    n_images: int,
) -> Choice:
    """Judge every variant by the budget, and choose one.

    Args:
        variants: measured ones, fp32 among them; one that failed has the file "" and its reason as the note.
        max_accuracy_drop: the budget, a share of the validation images.
        prefer: what to minimise; the other breaks ties, then the order of the compressors' table.
        noise_ms: latencies closer than this are a tie.
        n_images: validation images behind each accuracy drop.
    Raises: ValueError: fp32 is not among the variants, or failed.
    """
    judged = tuple(judge(variant, max_accuracy_drop, n_images) for variant in variants)
    fits = [variant for variant in judged if variant.within_budget]
    if FLOAT not in {variant.name for variant in fits}:
        raise ValueError(f"{FLOAT} must be among the variants: it is what stays where nothing else is good enough")
    fits = smallest(fastest(fits, noise_ms)) if prefer == "latency" else fastest(smallest(fits), noise_ms)
    chosen = min(fits, key=lambda variant: COMPRESSOR_NAMES.index(variant.name))
    return Choice(variants=judged, chosen=chosen.name, reason=explain(chosen, judged, prefer, noise_ms))


def judge(variant: Variant, max_accuracy_drop: float, n_images: int) -> Variant:
    """The variant with within_budget decided, by the measured drop itself, and with what must be said of it."""
    if not variant.file:
        return replace(variant, within_budget=False)
    if variant.name == FLOAT:
        return replace(variant, within_budget=True, note="")
    drop, budget = variant.accuracy_drop, f"the budget of {points(max_accuracy_drop)}"
    if drop.value > max_accuracy_drop:
        return replace(
            variant, within_budget=False, note=f"its accuracy is {points(drop.value)} lower: beyond {budget}"
        )
    float_accuracy = variant.accuracy + drop.value  # more than all that fp32 had cannot be lost
    worst = min(max(drop.high, RULE_OF_THREE / n_images), float_accuracy)
    too_few = f"{n_images} validation images are too few to see {budget}: the loss may be as much as {points(worst)}"
    return replace(variant, within_budget=True, note=too_few if worst > max_accuracy_drop else "")


def fastest(variants: Sequence[Variant], noise_ms: float) -> list[Variant]:
    """Those that cannot be told from the fastest."""
    best = min(variant.latency_ms for variant in variants)
    return [variant for variant in variants if variant.latency_ms <= best + noise_ms]


def smallest(variants: Sequence[Variant]) -> list[Variant]:
    """Those about as small as the smallest."""
    best = min(variant.size_bytes for variant in variants)
    return [variant for variant in variants if variant.size_bytes <= best * (1 + SAME_SIZE)]


def points(share: float) -> str:
    """A difference of accuracies, in words: 0.012 is "1.2 points"."""
    return f"{100 * share:.1f} points"


def explain(chosen: Variant, variants: Sequence[Variant], prefer: str, noise_ms: float) -> str:
    """One sentence for the summary and the report."""
    others = [variant for variant in variants if variant.name != FLOAT]
    float_one = next(variant for variant in variants if variant.name == FLOAT)
    if chosen.name != FLOAT:
        return (
            f"{chosen.name} is within the budget (accuracy {chosen.accuracy:.2%} against {float_one.accuracy:.2%}): "
            f"{chosen.latency_ms:.2f} ms against {float_one.latency_ms:.2f} ms (noise {noise_ms:.2f} ms), "
            f"{chosen.size_bytes / 1e6:.2f} MB against {float_one.size_bytes / 1e6:.2f} MB"
        )
    if not others:
        return f"{FLOAT} is the only variant asked for"
    if not any(variant.within_budget for variant in others):
        return f"{FLOAT} is kept: no other variant is within the budget"
    return f"{FLOAT} is kept: no variant within the budget has a better {prefer} (noise {noise_ms:.2f} ms)"
