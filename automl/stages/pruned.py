"""What compress asks of the pruning child: how long it may take, and what came of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

from automl.data.store import store_name
from automl.errors import VariantFailed, VariantKilled
from automl.records import Trained
from automl.runtime.context import StageContext
from automl.stages.tune import more_time, pace_of

WEIGHTS: Final = "pruned.weights.h5"


def prune_network(ctx: StageContext) -> float:
    """Have the trained network pruned; its weights are then in compress/pruned.weights.h5.

    How many of the recipe's epochs fit the time is measured by the child itself, in its first steps.

    Returns: the share of zeros in the pruned kernels.
    Raises: VariantFailed: there is no time for it, or it failed; VariantKilled: a signal killed it.
    """
    trained, order, seconds = ctx.record(Trained), ctx.recipe.compress.prune, seconds_for(ctx)
    pass_s = forward_pass_s(ctx)
    if seconds < pass_s:
        raise VariantFailed(
            f"there is no time to prune: {max(seconds, 0):.0f} s are left for it, and the network needs {pass_s:.1f} s "
            "to see the training images once, without learning from them"
        )
    arguments = {
        "network": asdict(trained.network),
        "own": str(ctx.folder.backbones),
        "weights": str(ctx.input("train", trained.weights)),
        "target": str(weights_of(ctx)),
        "pixels": str(ctx.input("check", store_name(trained.network.size_px))),
        "pack": str(ctx.folder.stage("pack")),
        "settings": asdict(trained.settings),
        "sparsity": order.sparsity,
        "learning_rate": order.learning_rate,
        "epochs": order.epochs,
        "stop_at": ctx.now() + seconds,
        "seed": ctx.recipe.seed,
        "task": ctx.recipe.task,
    }
    ended = ctx.run_child("plain", "automl.stages.prune:prune_network", arguments, log="pruned.log", limit_s=seconds)
    if ended.killed:
        raise VariantKilled(f"pruning failed: {ended.error}")
    if ended.timed_out:
        raise VariantFailed(f"there was no time to prune: {ended.error}")
    if not ended.ok:
        raise VariantFailed(
            ended.error if ended.error_kind == VariantFailed.__name__ else f"pruning failed: {ended.error}"
        )
    sparsity, epochs = ended.result["sparsity"], ended.result["epochs"]
    assert isinstance(sparsity, float)
    if epochs != order.epochs:
        more = more_time(ctx, "compress.prune.minutes")
        ctx.warn(f"pruning had time for {epochs} of {order.epochs} epochs. {more}, --redo compress prunes for all")
    return sparsity


def weights_of(ctx: StageContext) -> Path:
    """The file of the pruned network's weights."""
    return ctx.output(WEIGHTS)


def seconds_for(ctx: StageContext) -> float:
    """How long the pruning may take: its own minutes, and before the deadline what all else needs."""
    return min(ctx.recipe.compress.prune.minutes * 60, ctx.seconds_left() - pace_of(ctx).tail_s)


def forward_pass_s(ctx: StageContext) -> float:
    """Seconds below which no epoch can be, so that not even a start is worth while.

    One run of the training images through the backbone at the speed that pick measured: an epoch runs them forward and
    back through all layers, about three times as much (search/budget.py), and the process has to start besides.
    """
    pace = pace_of(ctx)
    return pace.n_train / pace.images_s
