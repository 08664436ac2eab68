"""pick's loop over its candidates: the size that they see, then rounds of judging, within a budget of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from automl.errors import StageFailed
from automl.nets.ranking import Judged
from automl.nets.rounds import Cost, go_on, plan_rounds
from automl.nets.sizes import choose_size, sizes_of
from automl.nets.views import CROPS
from automl.nets.weights import Weighted
from automl.runtime.context import StageContext
from automl.stages.judged import ask_child, item_name, read_item
from automl.stages.pick_data import load_data
from automl.stages.pick_reuse import inputs_of, inputs_with, of_sample, take_over
from automl.types import BackboneScore, SizeScore

TIME_SHARE: Final = 0.25  # of the time left to the deadline that judging may take
SIZES_SHARE: Final = 0.25  # of that, for the comparison of two sizes


@dataclass(slots=True, kw_only=True)
class Rounds:
    """The judging of one stage, as far as it has come."""

    ctx: StageContext
    warn: Callable[[str], object]
    images: int  # of the whole sample
    budget_s: float
    spent_s: float = 0.0  # by what was judged, in this process or an earlier one
    broken: dict[str, str] = field(default_factory=dict)  # backbone -> why it cannot be judged
    left_out: list[str] = field(default_factory=list)
    taken_over: list[str] = field(default_factory=list)
    inputs: dict[int, dict[str, object]] = field(default_factory=dict)  # by size

    @property
    def left_s(self) -> float:
        """Seconds of the budget."""
        return self.budget_s - self.spent_s


def begin_rounds(ctx: StageContext, warn: Callable[[str], object], n_train: int) -> Rounds:
    """What the recipe and the deadline allow."""
    settings = ctx.recipe.pick
    budget_s = min(settings.minutes * 60, TIME_SHARE * ctx.seconds_left())
    return Rounds(ctx=ctx, warn=warn, images=min(n_train, settings.sample), budget_s=budget_s)


def compare_sizes(
    rounds: Rounds, weighted: Sequence[Weighted], sizes_px: tuple[int, ...]
) -> tuple[dict[str, int], tuple[SizeScore, ...], str]:
    """The edge at which each backbone sees the images; where two are possible, the cheapest one's probe is asked.

    Returns: the edge by backbone; the two scores and the reason, where there was a choice.
    """
    sizes = {one.row.name: sizes_of(one.row, sizes_px)[-1] for one in weighted}
    asked = next((one for one in weighted if len(sizes_of(one.row, sizes_px)) > 1), None)
    if asked is None:
        return sizes, (), ""
    small, large = sizes_of(asked.row, sizes_px)[-2:]
    larger = judge_one(rounds, asked, large, rounds.images, place=(0, 2))
    if larger is None:
        return sizes, (), ""
    if larger.score.seconds > SIZES_SHARE * rounds.budget_s:
        return sizes, (), f"no time was spent on comparing {large} px with {small} px"
    smaller = judge_one(rounds, asked, small, rounds.images, place=(1, 2))
    if smaller is None:
        return sizes, (), ""
    scores = (_of_size(smaller.score), _of_size(larger.score))
    chosen, reason = choose_size(
        (scores[0], smaller.out_of_fold), (scores[1], larger.out_of_fold), seed=rounds.ctx.recipe.seed
    )
    fits = {one.row.name: [size for size in sizes_of(one.row, sizes_px) if size <= chosen] for one in weighted}
    return {name: max(fits[name], default=size) for name, size in sizes.items()}, scores, reason


def _of_size(score: BackboneScore) -> SizeScore:
    return SizeScore(size_px=score.size_px, backbone=score.backbone, accuracy=score.probe_accuracy)


def judge_all(rounds: Rounds, weighted: Sequence[Weighted], sizes: Mapping[str, int]) -> list[Judged]:
    """Judge the candidates, the cheapest first: all on the whole sample, or in rounds where time is short.

    One that breaks is left out with its reason, and so is one for which no time is left; the first is judged always.
    Returns: those of the last round, all by the same images. Raises: StageFailed: none could be judged.
    """
    first = next(
        (
            found
            for one in weighted
            if (found := judge_one(rounds, one, sizes[one.row.name], rounds.images, place=(0, len(weighted))))
        ),
        None,
    )
    if first is None:
        reasons = "; ".join(f"{name}: {why}" for name, why in rounds.broken.items())
        raise StageFailed(f"no backbone could be judged: {reasons}")
    left = [one for one in weighted if one.row.name not in rounds.broken]
    costs = {one.row.name: cost_of(one, sizes[one.row.name], first.score, left[0]) for one in left}
    prior = max(left, key=lambda one: one.row.top1 or 0.0).row.name
    left = [left[0], *sorted(left[1:], key=lambda one: one.row.name != prior)]  # a round that ends early has judged it
    judged, done, gone = [first], 0, list[str]()
    for images in plan_rounds([costs[one.row.name] for one in left[1:]], rounds.images, rounds.left_s):
        need_s = sum(costs[one.row.name].of(images, done) for one in left)
        if done and need_s > rounds.left_s:
            rounds.left_out.append(f"{done:,} images decide, for {images:,} would take {need_s:.0f} s more")
            break
        rounds.left_out += gone
        judged = _round(rounds, left, sizes, costs, images)
        done = images
        if images < rounds.images:
            kept = go_on([(one.score.backbone, one.score.probe_accuracy.value) for one in judged], always=prior)
            gone = [
                f"{one.score.backbone} went after {images:,} images: {one.score.probe_accuracy.value:.1%} out of fold"
                for one in judged
                if one.score.backbone not in kept
            ]
            left = [one for one in left if one.row.name in kept]
    return judged


def _round(
    rounds: Rounds, field: Sequence[Weighted], sizes: Mapping[str, int], costs: Mapping[str, Cost], images: int
) -> list[Judged]:
    """The candidates by so many images; of the first alone the features are known to be there."""
    judged = []
    for place, one in enumerate(field):
        name = one.row.name
        own = _inputs(rounds, one, sizes[name])
        cost_s = 0.0 if read_item(rounds.ctx, one, sizes[name], own, images) else costs[name].of(images)
        if place and cost_s > rounds.left_s:
            left_s = max(rounds.left_s, 0)
            rounds.warn(
                f"{name} is passed over: judging it takes about {cost_s:.0f} s, and pick's time has {left_s:.0f}"
            )
            rounds.left_out.append(f"{name} was passed over")
        elif found := judge_one(rounds, one, sizes[name], images, place=(place, len(field))):
            judged.append(found)
    return judged


def cost_of(one: Weighted, size_px: int, pace: BackboneScore, paced: Weighted) -> Cost:
    """What judging a backbone will take, from what judging another one took: start alike, passes by multiply-adds.

    Of few images each is passed with its crops (pace.probe_c is None); a round on a part of them takes less than this.
    """
    image_s = (1 + CROPS if pace.probe_c is None else 1) / max(pace.images_s, 1e-9)
    work = one.row.gmacs * (size_px / one.row.size_px) ** 2
    known = paced.row.gmacs * (pace.size_px / paced.row.size_px) ** 2
    return Cost(start_s=max(0.0, pace.seconds - pace.n_images * image_s), image_s=image_s * work / known)


def judge_one(rounds: Rounds, one: Weighted, size_px: int, images: int, *, place: tuple[int, int]) -> Judged | None:
    """One backbone on the first images of the sample; None: it broke, which is told once."""
    ctx, name, own = rounds.ctx, item_name(one.row.name, size_px), _inputs(rounds, one, size_px)
    if take_over(ctx, name, of_sample(own, images)) and name not in rounds.taken_over:
        rounds.taken_over.append(name)
    done = read_item(ctx, one, size_px, own, images)
    if done is None:
        why = ask_child(ctx, one, size_px, own, images=images, place=place)
        done = None if why else read_item(ctx, one, size_px, own, images)
        if done is None:
            rounds.broken[one.row.name] = why or "what it left cannot be read"
            rounds.warn(f"{one.row.name} is left out: {rounds.broken[one.row.name]}")
            return None
    if name not in rounds.taken_over:
        rounds.spent_s += done.score.seconds
    return done


def _inputs(rounds: Rounds, one: Weighted, size_px: int) -> dict[str, object]:
    if size_px not in rounds.inputs:
        rounds.inputs[size_px] = inputs_of(rounds.ctx, load_data(rounds.ctx, size_px))
    return inputs_with(rounds.inputs[size_px], one)
