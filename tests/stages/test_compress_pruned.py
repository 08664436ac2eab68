"""compress with pruned variants: what they are made from, what they gain, and what a failure or a kill costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from automl.errors import VariantFailed
from automl.recipe.model import Compress, Prune, Recipe
from automl.records import Packed, Picked, Trained
from automl.runtime.context import ChildEnded, StageContext
from automl.stages import compress
from automl.stages.pruned import prune_network
from automl.stages.tune import pace_of
from automl.types import Epoch
from tests.conftest import MakeContext
from tests.stages.trained_run import RealChildFront, lay_run

VARIANTS = ("fp32", "int8_percentile", "pruned_int8")
PRUNING = "automl.stages.prune:prune_network"


@dataclass
class PruningFront(RealChildFront):
    """Real children, but for a pruning that is acted or fails; remembers what was asked for."""

    asked: list[tuple[str, float | None]] = field(default_factory=list)
    pruning_is_real: bool = False
    pruning_fails: bool = False
    kills: str = ""
    dies: Counter[str] = field(default_factory=Counter)  # how often a child of that name is killed

    def run_child(
        self, kind: str, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        name = "pruning" if entry == PRUNING else str(arguments["name"])
        self.asked.append((name, limit_s))
        if name == self.kills:
            raise KeyboardInterrupt
        if self.dies[name]:
            self.dies[name] -= 1
            died = subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], check=False)
            return failed("the process was killed (signal 9); its log is a.log.", exit_code=died.returncode)
        if name == "pruning" and self.pruning_fails:
            return failed("no such layer")
        if name == "pruning" and not self.pruning_is_real:
            shutil.copy(str(arguments["weights"]), str(arguments["target"]))
            return replace(failed(""), ok=True, result={"sparsity": 0.7, "epochs": arguments["epochs"]})
        return super().run_child(kind, entry, arguments, log, limit_s)


def failed(error: str, *, exit_code: int = 0, timed_out: bool = False, error_kind: str = "StageFailed") -> ChildEnded:
    return ChildEnded(
        ok=False, result={}, error=error, exit_code=exit_code, timed_out=timed_out, seconds=1, error_kind=error_kind
    )


@dataclass
class EndedFront(PruningFront):
    """The pruning ends as is said here."""

    ended: ChildEnded | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)

    def run_child(
        self, kind: str, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        ended = super().run_child(kind, entry, arguments, log, limit_s)
        if entry != PRUNING:
            return ended
        self.arguments = arguments
        return self.ended or ended


@pytest.fixture
def ctx(make_context: MakeContext, bars_dataset: Path) -> StageContext:
    """The stage's context in a run that was trained."""
    recipe = Recipe(
        compress=Compress(
            variants=VARIANTS, calibration_images=8, latency_repeats=10, prune=Prune(sparsity=0.7, epochs=3)
        )
    )
    made = make_context("compress", bars_dataset, recipe)
    lay_run(made.folder, bars_dataset)
    for path in made.folder.stage("compress").iterdir():
        path.unlink()
    return replace(made, front=PruningFront())


def with_compress(ctx: StageContext, **changes: object) -> StageContext:
    section = ctx.recipe.compress.model_copy(update=changes)
    return replace(ctx, recipe=ctx.recipe.model_copy(update={"compress": section}))


def zeros_in_convolutions(path: Path) -> float:
    arrays = [numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer]
    kernels = [array for array in arrays if array.ndim == 4 and array.shape[1] > 3]  # all but the first
    assert len(kernels) == 9
    return sum(int(np.sum(kernel == 0)) for kernel in kernels) / sum(kernel.size for kernel in kernels)


def test_a_pruned_variant_is_sparse_smaller_after_gzip_says_so_and_steps_aside_for_its_twin(ctx):
    environment, front = dict(os.environ), PruningFront(pruning_is_real=True)
    record = compress.run(replace(ctx, front=front))
    assert dict(os.environ) == environment
    assert [variant.name for variant in record.variants] == list(VARIANTS)
    assert [name for name, _ in front.asked] == ["int8_percentile", "pruning", "pruned_int8"]
    folder = ctx.folder.stage("compress")
    _, int8, pruned = record.variants
    assert record.sparsity == pytest.approx(0.7, abs=0.01)
    assert zeros_in_convolutions(folder / "pruned.onnx") == pytest.approx(0.7, abs=0.01)
    assert zeros_in_convolutions(folder / "pruned_int8.onnx") >= 0.69
    assert zeros_in_convolutions(folder / "fp32.onnx") < 0.01
    assert pruned.gzip_bytes < 0.8 * int8.gzip_bytes
    assert pruned.size_bytes == pytest.approx(int8.size_bytes, rel=0.01)
    assert "70% of the pruned layers' weights are zero, and all were trained on: " in pruned.note
    assert f"MB after gzip against {int8.gzip_bytes / 1e6:.2f} MB of int8_percentile; no gain in latency" in pruned.note
    assert record.chosen != "pruned_int8"


def test_a_pruning_that_fails_costs_its_variants_alone_and_is_not_tried_twice(ctx):
    front = PruningFront(pruning_fails=True)
    record = compress.run(with_compress(replace(ctx, front=front), variants=(*VARIANTS, "pruned")))
    assert [name for name, _ in front.asked] == ["int8_percentile", "pruning"]
    notes = {variant.name: variant.note for variant in record.variants if not variant.file}
    assert notes == dict.fromkeys(("pruned_int8", "pruned"), "pruning failed: no such layer")
    assert record.variants[1].file == "int8_percentile.onnx"
    assert record.sparsity is None
    assert sorted(front.warnings) == [
        "the variant pruned is left out: pruning failed: no such layer",
        "the variant pruned_int8 is left out: pruning failed: no such layer",
    ]


@pytest.mark.parametrize(
    ("child", "variant", "what"),
    [("pruning", "pruned", "pruning failed"), ("int8_percentile", "int8_percentile", "it could not be built")],
)
def test_a_child_that_a_signal_kills_is_tried_once_more_and_nothing_is_missing_in_the_end(ctx, child, variant, what):
    front = PruningFront(dies=Counter([child]))
    record = compress.run(replace(ctx, front=front))
    tries = {name: [one for one, _ in front.asked].count(name) for name, _ in front.asked}
    assert tries == {**dict.fromkeys(("int8_percentile", "pruning", "pruned_int8"), 1), child: 2}
    assert all(variant.file for variant in record.variants)
    assert front.warnings == [
        f"the variant {variant} is tried once more: {what}: the process was killed (signal 9); its log is a.log."
    ]


@pytest.mark.parametrize(("child", "lost"), [("pruning", {"pruned_int8"}), ("int8_percentile", {"int8_percentile"})])
def test_a_child_that_is_killed_twice_costs_its_variant_alone_and_what_brings_it_back_is_said(ctx, child, lost):
    front = PruningFront(dies=Counter([child] * 2))
    record = compress.run(replace(ctx, front=front))
    assert {variant.name for variant in record.variants if not variant.file} == lost
    assert [name for name, _ in front.asked].count(child) == 2
    said = [text for text in front.warnings if "is left out" in text]
    assert len(said) == 1
    assert said[0].startswith(f"the variant {lost.pop()} is left out: ")
    assert said[0].endswith(
        "the process was killed (signal 9); its log is a.log. It was the second time; `automl run ... --redo compress` "
        "tries it again"
    )


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (failed("stopped after 600 s, its limit", exit_code=-9, timed_out=True),
         "there was no time to prune: stopped after 600 s, its limit"),
        (failed("there is no time: 9 steps", error_kind="VariantFailed"), "there is no time: 9 steps"),
    ],
    ids=["its limit", "its own measurement"],
)  # fmt: skip
def test_a_pruning_without_time_is_no_killed_one_and_says_so(ctx, ended, said):
    with pytest.raises(VariantFailed) as caught:
        prune_network(replace(ctx, front=EndedFront(ended=ended)))
    assert (type(caught.value), str(caught.value)) == (VariantFailed, said)


def test_a_network_that_was_pruned_before_a_kill_is_not_pruned_again(ctx):
    with pytest.raises(KeyboardInterrupt):
        compress.run(replace(ctx, front=PruningFront(kills="pruned_int8")))
    record = compress.run(ctx)
    assert [name for name, _ in ctx.front.asked] == ["pruned_int8"]
    assert record.sparsity == 0.7


@pytest.mark.parametrize("short", ["minutes", "deadline"])
def test_nothing_is_started_where_the_images_cannot_be_seen_once_and_the_reason_is_said(ctx, short):
    picked = ctx.folder.record(Picked)
    ctx.folder.write_record(replace(picked, ranking=(replace(picked.ranking[0], images_s=1.0),)))
    n_train, now = ctx.folder.record(Packed).per_part["train"], 1000.0
    if short == "minutes":
        late = with_compress(ctx, prune=Prune(minutes=0.05))
    else:
        late = replace(ctx, now=lambda: now, deadline_at=now + pace_of(ctx).tail_s + 3)
    with pytest.raises(VariantFailed) as caught:
        prune_network(late)
    assert ctx.front.asked == []
    assert str(caught.value) == (
        f"there is no time to prune: 3 s are left for it, and the network needs {n_train}.0 s to see the training "
        "images once, without learning from them"
    )


def test_the_pruning_gets_all_epochs_and_its_own_minutes_whatever_the_training_took(ctx):
    trained = ctx.folder.record(Trained)
    epoch = Epoch(number=1, loss=1, accuracy=1, validation_loss=1, validation_accuracy=1, seconds=1e4)
    ctx.folder.write_record(replace(trained, epochs=(epoch,)))
    front = EndedFront()
    prune_network(with_compress(replace(ctx, front=front, now=lambda: 1000.0), prune=Prune(minutes=1.5, epochs=9)))
    assert front.asked == [("pruning", 90.0)]
    assert (front.arguments["epochs"], front.arguments["stop_at"]) == (9, 1090.0)
    assert front.warnings == []


def test_where_time_was_short_for_some_epochs_it_is_said_with_what_prunes_for_all(ctx):
    front = EndedFront(ended=replace(failed(""), ok=True, result={"sparsity": 0.7, "epochs": 2}))
    assert prune_network(replace(ctx, front=front)) == 0.7
    assert front.warnings == [
        "pruning had time for 2 of 3 epochs. With more compress.prune.minutes, --redo compress prunes for all"
    ]
