"""pick's loop over its candidates: what breaks, what there is no time for, and which size is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from automl.errors import DiskFull, StageFailed
from automl.nets.catalogue import backbone_named
from automl.nets.ranking import Judged
from automl.nets.weights import Weighted, with_weights
from automl.recipe.model import Pack, Recipe, Weights
from automl.records import Checked
from automl.runtime.context import ChildEnded, StageContext
from automl.stages import check, pack, pick, pick_rounds, split
from automl.stages.pick_rounds import Rounds, cost_of, judge_all
from tests.conftest import MakeContext, QuietFront, write_bars
from tests.nets.rankings import answers, ranked_one

RANDOM = Weights(pretrained=False)


@dataclass
class DyingFront(QuietFront):
    """Children of some backbones end as they are told to, the others run in this process."""

    ends: dict[str, list[ChildEnded]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def run_child(
        self, kind: str, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        name = str(arguments["backbone"])
        self.asked.append(name)
        if self.ends.get(name):
            return self.ends[name].pop(0)
        return super().run_child(kind, entry, arguments, log, limit_s)


def ended(error: str, exit_code: int, kind: str = "StageFailed") -> ChildEnded:
    return ChildEnded(
        ok=False, result={}, error=error, exit_code=exit_code, timed_out=False, seconds=1.0, error_kind=kind
    )


OUT_OF_MEMORY = ended("it was killed by SIGKILL", -9)


@pytest.fixture
def packed(make_context: MakeContext, tmp_path: Path) -> MakeContext:
    """Contexts of a run whose first three stages are done."""
    write_bars(tmp_path / "bars", per_class=12, size_px=64)
    recipe = Recipe(backbones=("smallnet", "mobilenetv3small"), pack=Pack(size_px=64), weights=RANDOM)
    for stage in (check, split, pack):
        ctx = make_context(stage.__name__.split(".")[-1], tmp_path / "bars", recipe)
        ctx.folder.write_record(stage.run(ctx))
    return lambda front: replace(make_context("pick", tmp_path / "bars", recipe), front=front)


def test_a_backbone_that_breaks_is_left_out_with_its_reason(packed: MakeContext) -> None:
    front = DyingFront(ends={"mobilenetv3small": [ended("its file is cut short", 0, "WrongWeights")]})
    picked = pick.run(packed(front))
    assert [score.backbone for score in picked.ranking] == ["smallnet"]
    assert "mobilenetv3small is left out: its file is cut short" in picked.warnings
    assert front.asked == ["smallnet", "mobilenetv3small"]


def test_one_that_a_signal_killed_is_tried_once_more(packed: MakeContext) -> None:
    front = DyingFront(ends={"smallnet": [OUT_OF_MEMORY], "mobilenetv3small": [OUT_OF_MEMORY, OUT_OF_MEMORY]})
    picked = pick.run(packed(front))
    assert front.asked == ["smallnet", "smallnet", "mobilenetv3small", "mobilenetv3small"]
    assert [score.backbone for score in picked.ranking] == ["smallnet"]
    assert "smallnet is judged once more: it was killed by SIGKILL" in front.warnings


def test_where_all_break_the_stage_fails_and_says_of_each_why(packed: MakeContext) -> None:
    broken = {name: [ended(f"{name} broke", 1)] for name in ("smallnet", "mobilenetv3small")}
    with pytest.raises(StageFailed, match="no backbone could be judged: smallnet: smallnet broke; mobilenetv3small: m"):
        pick.run(packed(DyingFront(ends=broken)))


def test_a_full_disk_is_no_fault_of_a_backbone(packed: MakeContext) -> None:
    with pytest.raises(DiskFull, match="the disk is full"):
        pick.run(packed(DyingFront(ends={"smallnet": [ended("the disk is full", 0, "DiskFull")]})))


def judged_by(ctx: StageContext, monkeypatch: pytest.MonkeyPatch, accuracy: dict[str, int], budget_s: float) -> Rounds:
    """Judging that takes 10 s and a hundredth of a second an image, and finds what it is told."""
    rounds = Rounds(ctx=ctx, warn=ctx.warn, images=4000, budget_s=budget_s)

    def judge_one(rounds: Rounds, one: Weighted, size_px: int, images: int, *, place: tuple[int, int]) -> Judged:
        name = one.row.name
        rounds.spent_s += 10 + images / 100
        calls.append((name, images))
        done = ranked_one(name, answers(accuracy[name]), images_s=100.0, params_m=1.0)
        return replace(done, score=replace(done.score, seconds=10 + images / 100, n_images=images, size_px=160))

    calls: list[tuple[str, int]] = []
    monkeypatch.setattr(pick_rounds, "judge_one", judge_one)
    monkeypatch.setattr(pick_rounds, "read_item", lambda *args: None)
    monkeypatch.setattr(pick_rounds, "_inputs", lambda *args: {})
    rounds.inputs = {0: {"calls": calls}}
    return rounds


NAMES = ("mobilenetv2_035", "mobilenetv3small", "mobilenet_025", "mobilenetv3small_075", "mobilenet_050")


def weighted(names: tuple[str, ...]) -> tuple[Weighted, ...]:
    rows = sorted((backbone_named(name) for name in names), key=lambda row: row.gmacs)
    return with_weights(rows, None, RANDOM, warn=lambda text: None)


def test_with_time_enough_all_are_judged_on_the_whole_sample(
    make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = judged_by(make_context("pick", tmp_path), monkeypatch, dict.fromkeys(NAMES, 150), 1e6)
    judged = judge_all(rounds, weighted(NAMES), dict.fromkeys(NAMES, 160))
    assert [one.score.n_images for one in judged] == [4000] * 5
    assert rounds.left_out == []


def test_with_little_time_the_better_half_goes_on_and_the_stage_keeps_its_budget(
    make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = make_context("pick", tmp_path)
    accuracy = dict(zip(NAMES, (150, 160, 140, 170, 100), strict=True))
    rounds = judged_by(ctx, monkeypatch, accuracy, 330.0)
    judged = judge_all(rounds, weighted(NAMES), dict.fromkeys(NAMES, 160))
    first = min(NAMES, key=lambda name: backbone_named(name).gmacs)
    calls = rounds.inputs[0]["calls"]
    assert calls[0] == (first, 4000)
    assert [images for _, images in calls[1:6]] == [1024] * 5
    assert calls[2][0] == max(NAMES, key=lambda name: backbone_named(name).top1 or 0)  # before the time may end
    assert {images for _, images in calls[6:]} == {2048}
    assert {one.score.n_images for one in judged} == {2048}  # all by the same images
    assert {one.score.backbone for one in judged} == {"mobilenetv2_035", "mobilenetv3small", "mobilenetv3small_075"}
    assert any(line == "mobilenet_050 went after 1,024 images: 50.0% out of fold" for line in rounds.left_out)
    assert rounds.left_out[-1].startswith("2,048 images decide, for 4,000 would take ")
    assert rounds.left_s >= 0


def test_where_nothing_is_left_of_the_time_the_first_alone_is_judged_and_the_others_are_named(
    make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = make_context("pick", tmp_path)
    rounds = judged_by(ctx, monkeypatch, dict.fromkeys(NAMES, 150), 1.0)
    judged = judge_all(rounds, weighted(NAMES[:2]), dict.fromkeys(NAMES, 160))
    assert [one.score.backbone for one in judged] == ["mobilenetv3small"]
    assert len(ctx.front.warnings) == 1
    assert ctx.front.warnings[0].startswith("mobilenetv2_035 is passed over: judging it takes about ")
    assert rounds.left_out == ["mobilenetv2_035 was passed over"]
    assert ctx.front.warnings[0].endswith("and pick's time has 0")


def test_the_cost_of_another_backbone_grows_with_its_multiply_adds() -> None:
    small, large = weighted(("mobilenetv3small", "mobilenetv2"))
    done = ranked_one("mobilenetv3small", answers(150), images_s=100.0, params_m=1.0)
    cost = cost_of(large, 160, replace(done.score, size_px=160, seconds=30.0, n_images=2000), small)
    assert cost.start_s == pytest.approx(10)
    assert cost.image_s == pytest.approx(0.01 * large.row.gmacs / small.row.gmacs)
    assert cost_of(large, 320, replace(done.score, size_px=160), small).image_s == pytest.approx(4 * cost.image_s)
    few = replace(done.score, size_px=160, seconds=10.0, n_images=100, probe_c=None)  # each image and two crops
    assert cost_of(large, 160, few, small).image_s == pytest.approx(3 * cost.image_s)
    assert cost_of(large, 160, few, small).start_s == pytest.approx(7)


def test_of_two_packed_sizes_a_probe_chooses_and_all_after_it_see_that_one(
    make_context: MakeContext, tmp_path: Path
) -> None:
    write_bars(tmp_path / "bars", per_class=12, size_px=64)
    recipe = Recipe(backbones=("mobilenetv3small",), pack=Pack(max_size_px=128), weights=RANDOM)
    for stage in (check, split, pack, pick):
        ctx = make_context(stage.__name__.split(".")[-1], tmp_path / "bars", recipe)
        ctx.folder.write_record(stage.run(ctx))
    picked = pick.run(ctx)
    assert ctx.record(Checked).sizes_px == (96, 128)
    assert [(one.size_px, one.backbone) for one in picked.sizes] == [
        (96, "mobilenetv3small"),
        (128, "mobilenetv3small"),
    ]
    assert picked.network.size_px == picked.ranking[0].size_px
    assert picked.size_reason.endswith(f"the images are seen at {picked.network.size_px} px")
    assert np.load(ctx.output("chosen/features.npy")).shape == (36, picked.ranking[0].n_features)


def test_images_under_64_px_are_seen_enlarged_by_a_backbone_of_imagenet_and_as_they_are_by_the_small_net(
    make_context: MakeContext, tmp_path: Path
) -> None:
    write_bars(tmp_path / "bars", per_class=12, size_px=24)
    recipe = Recipe(backbones=("smallnet", "mobilenetv3small"), pack=Pack(max_size_px=96), weights=RANDOM)
    for stage in (check, split, pack, pick):
        ctx = make_context(stage.__name__.split(".")[-1], tmp_path / "bars", recipe)
        ctx.folder.write_record(stage.run(ctx))
    assert ctx.record(Checked).sizes_px == (32, 96)
    assert {score.backbone: score.size_px for score in pick.run(ctx).ranking} == {
        "smallnet": 32,
        "mobilenetv3small": 96,
    }
