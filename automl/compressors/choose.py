"""Which variant goes on: the fastest or smallest within the budget, and none by a difference that is noise. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor, log10
from typing import Final, Literal

from automl.compressors.table import COMPRESSOR_NAMES, FLOAT, compressor_named, unpruned_twins
from automl.types import Variant

SAME_SIZE: Final = 0.01
"""Sizes closer than this share are a tie: the int8 settings differ by some bytes of ranges."""

Preference = Literal["latency", "size", "gzip"]
WORDS: Final[dict[Preference, str]] = {"latency": "latency", "size": "size", "gzip": "size after gzip"}

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
    prefer: Preference,
    noise_ms: float,
    n_images: int,
    sparsity: float = 0.0,
) -> Choice:
    """Judge every variant by the budget, and choose one.

    Args:
        variants: measured ones, fp32 among them; one that failed has the file "" and its reason as the note.
        max_accuracy_drop: the budget, a share of the validation images.
        prefer: what to minimise; ties are broken by the other of latency and size (of two sizes, by latency), then by
            the order of the compressors' table.
        noise_ms: latencies closer than this are a tie.
        n_images: validation images behind each accuracy drop.
        sparsity: share of zeros in the pruned network's kernels; 0 where nothing was pruned.
    Raises: ValueError: fp32 is not among the variants, or failed.
    """
    judged = tuple(judge(variant, max_accuracy_drop, n_images) for variant in variants)
    judged = tuple(replace(variant, note=join(remark(variant, variants, sparsity), variant.note)) for variant in judged)
    fits = [variant for variant in judged if variant.within_budget]
    if FLOAT not in {variant.name for variant in fits}:
        raise ValueError(f"{FLOAT} must be among the variants: it is what stays where nothing else is good enough")
    if prefer == "latency":
        fits = smallest(fastest(without_twins(fits), noise_ms))
    elif prefer == "size":
        fits = fastest(smallest(without_twins(fits)), noise_ms)
    else:
        fits = fastest(smallest(fits, after_gzip=True), noise_ms)
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


def smallest(variants: Sequence[Variant], *, after_gzip: bool = False) -> list[Variant]:
    """Those about as small as the smallest."""
    sizes = [variant.gzip_bytes if after_gzip else variant.size_bytes for variant in variants]
    return [variant for variant, size in zip(variants, sizes, strict=True) if size <= min(sizes) * (1 + SAME_SIZE)]


def without_twins(variants: Sequence[Variant]) -> list[Variant]:
    """Without pruned ones whose unpruned twin is there.

    Both do the same arithmetic in files of the same size, so that a pruned one could win by noise alone, and would put
    a network with half of its weights in the place of the whole one for nothing.
    """
    names = {variant.name for variant in variants}
    return [variant for variant in variants if names.isdisjoint(unpruned_twins(variant.name))]


def remark(variant: Variant, variants: Sequence[Variant], sparsity: float) -> str:
    """What pruning gains in this variant, and what it does not; "" where nothing was pruned, or there is no file."""
    twins = unpruned_twins(variant.name)
    if not variant.file or not twins:
        return ""
    options = compressor_named(variant.name).options
    there = sorted(
        (other for other in variants if other.name in twins and other.file),
        key=lambda other: (compressor_named(other.name).options != options, COMPRESSOR_NAMES.index(other.name)),
    )
    if there:
        against = f" against {there[0].gzip_bytes / 1e6:.2f} MB of {there[0].name}"
    else:  # what int8 saves is not pruning's
        float_one = next(other for other in variants if other.name == FLOAT)
        against = (
            f" against {float_one.gzip_bytes / 1e6:.2f} MB of {FLOAT}; how much of that is pruning's is not known, for "
            f"there is none of {' and '.join(sorted(twins))}"
        )
    return (
        f"{percent(sparsity)} of the pruned layers' weights are zero, and all were trained on: "
        f"{variant.gzip_bytes / 1e6:.2f} MB after gzip{against}; no gain in latency, onnxruntime multiplies by zeros "
        "as well"
    )


def percent(share: float) -> str:
    """A share in as many digits as tell it from none and from all: 0.5 is "50%", 0.9999 is "99.99%"."""
    rest = min(share, 1 - share)
    digits = max(0, 1 - floor(log10(100 * rest))) if rest > 0 else 0
    text = f"{100 * share:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text}%"


def join(*notes: str) -> str:
    """Those of the notes that say something, as one."""
    return "; ".join(note for note in notes if note)


def points(share: float) -> str:
    """A difference of accuracies, in words: 0.012 is "1.2 points"."""
    return f"{100 * share:.1f} points"


def explain(chosen: Variant, variants: Sequence[Variant], prefer: Preference, noise_ms: float) -> str:
    """One sentence for the summary and the report."""
    others = [variant for variant in variants if variant.name != FLOAT]
    float_one = next(variant for variant in variants if variant.name == FLOAT)
    zipped = f", {chosen.gzip_bytes / 1e6:.2f} MB against {float_one.gzip_bytes / 1e6:.2f} MB after gzip"
    if chosen.name != FLOAT:
        return (
            f"{chosen.name} is within the budget (accuracy {chosen.accuracy:.2%} against {float_one.accuracy:.2%}): "
            f"{chosen.latency_ms:.2f} ms against {float_one.latency_ms:.2f} ms (noise {noise_ms:.2f} ms), "
            f"{chosen.size_bytes / 1e6:.2f} MB against {float_one.size_bytes / 1e6:.2f} MB"
            f"{zipped if prefer == 'gzip' else ''}"
        )
    if not others:
        return f"{FLOAT} is the only variant asked for"
    if not any(variant.within_budget for variant in others):
        return f"{FLOAT} is kept: no other variant is within the budget"
    return f"{FLOAT} is kept: no variant within the budget has a better {WORDS[prefer]} (noise {noise_ms:.2f} ms)"
