"""What compress asks of the pruning child: how long it may take, and what came of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Final

from automl.errors import VariantFailed, VariantKilled
from automl.records import Checked, Trained
from automl.runtime.context import StageContext
from automl.stages.tune import pace_of
from automl.training.decisions import affordable_epochs

WEIGHTS: Final = "pruned.weights.h5"
START_S: Final = 45.0
"""Until the first step: process, imports, both networks built and traced. A generous guess, not measured apart: the
digits' whole pruning, 8 epochs, took 40 to 76 s on a busy machine, MobileNetV2's on flowers 172 s."""
SLOWER: Final = 2.0
"""An epoch against one of the training's: all layers train here, and masks are applied."""


def prune_network(ctx: StageContext) -> float:
    """Have the trained network pruned; its weights are then in compress/pruned.weights.h5.

    Returns: the share of zeros in the pruned kernels.
    Raises: VariantFailed: there is no time for it, or it failed; VariantKilled: a signal killed it.
    """
    trained, order, seconds = ctx.record(Trained), ctx.recipe.compress.prune, seconds_for(ctx)
    epoch_s = guess_epoch_s(ctx)
    epochs = affordable_epochs(order.epochs, left_s=seconds, best=None, guess=(START_S, epoch_s))
    if epochs == 0:
        raise VariantFailed(
            f"there is no time to prune: {max(seconds, 0):.0f} s are left for it, and an epoch of training on takes "
            f"about {epoch_s:.0f} s after a start of {START_S:.0f} s"
        )
    arguments = {
        "network": asdict(trained.network),
        "weights": str(ctx.input("train", trained.weights)),
        "target": str(weights_of(ctx)),
        "pixels": str(ctx.input("check", f"pixels-{trained.network.size_px}.u8")),
        "n_images": ctx.record(Checked).n_images,
        "pack": str(ctx.folder.stage("pack")),
        "settings": asdict(trained.settings),
        "sparsity": order.sparsity,
        "learning_rate": order.learning_rate,
        "epochs": epochs,
        "seed": ctx.recipe.seed,
        "task": ctx.recipe.task,
    }
    ended = ctx.run_child("plain", "automl.stages.prune:prune_network", arguments, log="pruned.log", limit_s=seconds)
    if ended.killed:
        raise VariantKilled(f"pruning failed: {ended.error}")
    if not ended.ok:
        raise VariantFailed(f"pruning failed: {ended.error}")
    sparsity = ended.result["sparsity"]
    assert isinstance(sparsity, float)
    return sparsity


def weights_of(ctx: StageContext) -> Path:
    """The file of the pruned network's weights."""
    return ctx.output(WEIGHTS)


def seconds_for(ctx: StageContext) -> float:
    """How long the pruning may take: its own minutes, and before the deadline what all else needs."""
    return min(ctx.recipe.compress.prune.minutes * 60, ctx.seconds_left() - pace_of(ctx).tail_s)


def guess_epoch_s(ctx: StageContext) -> float:
    """Seconds of an epoch: from the training's own, or from the speed that pick measured where nothing was trained."""
    epochs = ctx.record(Trained).epochs
    return SLOWER * (median(epoch.seconds for epoch in epochs) if epochs else pace_of(ctx).epoch_s)
