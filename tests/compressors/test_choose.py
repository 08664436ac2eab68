"""Which variant goes on: the budget, ties under noise, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.compressors.choose import SAME_SIZE, choose, judge, percent
from automl.compressors.table import COMPRESSOR_NAMES, FLOAT, unpruned_twins
from automl.types import Interval, Variant

FP32 = Variant(
    name=FLOAT, file="fp32.onnx", accuracy=0.9, accuracy_drop=Interval(value=0, low=0, high=0), flips=0,
    size_bytes=4_000_000, gzip_bytes=3_900_000, latency_ms=4.0, latency_spread_ms=0.1, within_budget=False, note="",
)  # fmt: skip
MANY = 10_000  # images: enough to see any budget used here


def int8(*, ms: float = 2.0, size: int = 1_000_000, drop: float = 0.0, name: str = "int8_minmax") -> Variant:
    return replace(
        FP32, name=name, file=f"{name}.onnx", accuracy=0.9 - drop, size_bytes=size, latency_ms=ms,
        accuracy_drop=Interval(value=drop, low=drop - 0.004, high=drop + 0.004),
    )  # fmt: skip


def chosen_of(*variants: Variant, prefer="latency", noise_ms=0.2, n_images=MANY, max_accuracy_drop=0.01):
    return choose(
        variants, prefer=prefer, noise_ms=noise_ms, n_images=n_images, max_accuracy_drop=max_accuracy_drop
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variants", "prefer", "chosen"),
    [
        ([int8()], "latency", "int8_minmax"),
        ([int8(drop=0.02)], "latency", "fp32"),
        ([int8(ms=4.3)], "latency", "fp32"),
        ([int8(ms=4.3)], "size", "int8_minmax"),
        ([int8(ms=4.1)], "latency", "int8_minmax"),  # a tie: the smaller one
        ([int8(ms=4.1, size=4_010_000)], "latency", "fp32"),  # a tie in both: the simpler one
        ([int8(), int8(name="int8_percentile", ms=1.9, size=999_900)], "latency", "int8_minmax"),
        ([int8(), int8(name="int8_percentile", ms=1.7)], "latency", "int8_percentile"),
        ([int8(drop=0.02), int8(name="int8_percentile", ms=3)], "latency", "int8_percentile"),
        ([int8(ms=3.0), int8(name="int8_percentile", ms=2.0, size=1_000_100)], "size", "int8_percentile"),
    ],
    ids=[
        "faster", "beyond the budget", "slower", "slower but smaller, size wanted", "as fast and smaller",
        "as fast and as small", "a few bytes and microseconds apart", "faster than the other", "the other is beyond",
        "as small and faster, size wanted",
    ],
)  # fmt: skip
def test_the_best_within_the_budget_is_chosen(variants, prefer, chosen):
    assert chosen_of(FP32, *variants, prefer=prefer).chosen == chosen


def pruned(*, ms: float = 2.0, drop: float = 0.0, gzip: int = 500_000) -> Variant:
    return replace(int8(name="pruned_int8", ms=ms, drop=drop), gzip_bytes=gzip)


INT8 = replace(int8(), gzip_bytes=800_000)


@pytest.mark.parametrize(
    ("variants", "prefer", "chosen"),
    [
        ([INT8, pruned(ms=1.0)], "latency", "int8_minmax"),  # the same arithmetic: faster by noise alone
        ([INT8, pruned(drop=-0.02)], "latency", "int8_minmax"),
        ([INT8, pruned(ms=1.0)], "size", "int8_minmax"),
        ([INT8, pruned(ms=9.0)], "gzip", "pruned_int8"),
        ([INT8, pruned(gzip=799_000)], "gzip", "int8_minmax"),  # a tie: the simpler one
        ([INT8, pruned(drop=0.02)], "gzip", "int8_minmax"),
        ([int8(drop=0.02), pruned()], "latency", "pruned_int8"),
        ([pruned()], "latency", "pruned_int8"),
    ],
    ids=[
        "a faster twin", "a more accurate twin", "size wanted", "size after gzip wanted", "as small after gzip",
        "beyond the budget", "its twin is beyond the budget", "without its twin",
    ],
)  # fmt: skip
def test_a_pruned_variant_steps_aside_for_its_unpruned_twin_unless_gzip_is_wanted(variants, prefer, chosen):
    assert chosen_of(FP32, *variants, prefer=prefer).chosen == chosen


def test_a_pruned_variant_says_what_it_gains_and_what_not():
    choice = choose(
        [FP32, INT8, pruned(drop=0.03)],
        prefer="gzip", noise_ms=0.2, n_images=MANY, max_accuracy_drop=0.01, sparsity=0.5,
    )  # fmt: skip
    assert choice.variants[2].note == (
        "50% of the pruned layers' weights are zero, and all were trained on: 0.50 MB after gzip against 0.80 MB of "
        "int8_minmax; no gain in latency, onnxruntime multiplies by zeros as well; its accuracy is 3.0 points lower: "
        "beyond the budget of 1.0 points"
    )
    assert choice.reason.endswith(", 0.80 MB against 3.90 MB after gzip")


def test_a_pruned_variant_is_compared_with_the_unpruned_one_of_its_settings_else_its_gain_is_not_called_prunings():
    percentile = replace(int8(name="int8_percentile"), gzip_bytes=810_000)
    assert "0.50 MB after gzip against 0.81 MB of int8_percentile; no gain" in (
        chosen_of(FP32, INT8, percentile, pruned()).variants[3].note
    )
    gone = replace(percentile, file="", note="it failed")
    assert "against 0.80 MB of int8_minmax; no gain" in chosen_of(FP32, INT8, gone, pruned()).variants[3].note
    assert (
        "0.50 MB after gzip against 3.90 MB of fp32; how much of that is pruning's is not known, for there is none of "
        "int8_minmax and int8_percentile; no gain in latency" in chosen_of(FP32, gone, pruned()).variants[2].note
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.001, "0.1%"), (0.006, "0.6%"), (0.0123, "1.2%"), (0.5, "50%"), (0.69997, "70%"), (0.95, "95%"),
     (0.996, "99.6%"), (0.9999, "99.99%"), (0.999891, "99.989%"), (1e-9, "0.0000001%"), (1, "100%")],
)  # fmt: skip
def test_a_share_is_said_in_as_many_digits_as_tell_it_from_none_and_all(share, text):
    assert percent(share) == text


def test_a_variant_beyond_the_budget_says_by_how_much():
    judged = judge(int8(drop=0.023), 0.01, MANY)
    assert not judged.within_budget
    assert judged.note == "its accuracy is 2.3 points lower: beyond the budget of 1.0 points"


def test_a_drop_of_just_the_budget_is_within_it():
    assert judge(int8(drop=3 / 300), 0.01, 300).within_budget


@pytest.mark.parametrize(
    ("variant", "n_images", "worst"),
    [(int8(drop=0.009), MANY, "1.3"), (replace(int8(), accuracy_drop=FP32.accuracy_drop), 60, "5.0")],
    ids=["the interval ends beyond the budget", "no image differs, but there are few"],
)
def test_a_validation_set_too_small_to_see_the_budget_says_so(variant, n_images, worst):
    judged = judge(variant, 0.01, n_images)
    assert judged.within_budget
    assert judged.note == (
        f"{n_images} validation images are too few to see the budget of 1.0 points: "
        f"the loss may be as much as {worst} points"
    )


def test_where_the_budget_can_be_seen_nothing_is_noted():
    assert judge(int8(drop=0.001), 0.01, MANY).note == ""
    assert judge(FP32, 0.0, 4).note == ""


def test_a_failed_variant_keeps_its_reason_and_is_never_chosen():
    failed = replace(int8(ms=0, size=0), file="", note="it could not be built: out of memory")
    choice = chosen_of(FP32, failed)
    assert choice.chosen == FLOAT
    assert choice.variants[1] == failed


@pytest.mark.parametrize(
    ("variants", "reason"),
    [
        ([], "fp32 is the only variant asked for"),
        ([int8(drop=0.02)], "fp32 is kept: no other variant is within the budget"),
        ([int8(ms=5)], "fp32 is kept: no variant within the budget has a better latency (noise 0.20 ms)"),
        (
            [int8(drop=0.005)],
            "int8_minmax is within the budget (accuracy 89.50% against 90.00%): 2.00 ms against 4.00 ms "
            "(noise 0.20 ms), 1.00 MB against 4.00 MB",
        ),
    ],
)
def test_the_reason_is_said_in_one_sentence(variants, reason):
    assert chosen_of(FP32, *variants).reason == reason


def test_without_fp32_nothing_can_be_chosen():
    with pytest.raises(ValueError, match="fp32 must be among the variants"):
        chosen_of(int8())


@st.composite
def measured(draw: st.DrawFn) -> list[Variant]:
    """fp32 and any of the other rows, some failed; few distinct values, so that ties are frequent."""
    variants = [FP32]
    for name in COMPRESSOR_NAMES[1:]:
        variant = int8(
            name=name,
            ms=draw(st.sampled_from([1.0, 3.9, 4.0, 4.1, 9.0]) | st.floats(0.1, 20)),
            size=draw(st.sampled_from([1_000_000, 1_000_100, 4_000_000]) | st.integers(1000, 9_000_000)),
            drop=draw(st.sampled_from([-0.02, 0, 0.01, 0.02]) | st.floats(-0.1, 0.9)),
        )
        kind = draw(st.sampled_from(["there", "there", "failed", "absent"]))
        if kind == "failed":
            variants.append(replace(variant, file="", note="it failed"))
        elif kind == "there":
            variants.append(variant)
    return draw(st.permutations(variants))


prefers = st.sampled_from(["latency", "size", "gzip"])
budgets = st.sampled_from([0.0, 0.01, 0.05])
noises = st.floats(0, 3)


@given(variants=measured(), prefer=prefers, budget=budgets, noise=noises)
def test_the_chosen_one_is_there_within_the_budget_and_beaten_by_none_beyond_noise(variants, prefer, budget, noise):
    choice = chosen_of(*variants, prefer=prefer, noise_ms=noise, max_accuracy_drop=budget)
    by_name = {variant.name: variant for variant in choice.variants}
    chosen = by_name[choice.chosen]
    assert chosen.file
    assert chosen.name == FLOAT or chosen.accuracy_drop.value <= budget
    fitting = {name: variant for name, variant in by_name.items() if variant.within_budget}
    for other in fitting.values():
        if prefer == "gzip":
            assert chosen.gzip_bytes <= other.gzip_bytes * (1 + SAME_SIZE)
        elif not unpruned_twins(other.name) & fitting.keys():
            if prefer == "latency":
                assert chosen.latency_ms <= other.latency_ms + noise
            else:
                assert chosen.size_bytes <= other.size_bytes * (1 + SAME_SIZE)
    assert prefer == "gzip" or not unpruned_twins(chosen.name) & fitting.keys()


@given(variants=measured(), prefer=prefers, noise=noises, data=st.data())
def test_the_order_of_the_variants_does_not_matter(variants, prefer, noise, data):
    shuffled = data.draw(st.permutations(variants))
    one, other = (chosen_of(*each, prefer=prefer, noise_ms=noise) for each in (variants, shuffled))
    assert (one.chosen, one.reason) == (other.chosen, other.reason)
    assert sorted(map(repr, one.variants)) == sorted(map(repr, other.variants))


@given(variants=measured(), prefer=prefers, noise=noises, budget=budgets)
def test_a_variant_out_of_the_budget_or_failed_changes_nothing(variants, prefer, noise, budget):
    choice = chosen_of(*variants, prefer=prefer, noise_ms=noise, max_accuracy_drop=budget)
    fitting = [variant for variant in choice.variants if variant.within_budget]
    again = chosen_of(*fitting, prefer=prefer, noise_ms=noise, max_accuracy_drop=budget)
    assert again.chosen == choice.chosen
