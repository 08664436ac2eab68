"""train: the model that goes on, from the probe's network with the best settings; kept only if it beats the probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from pydantic import TypeAdapter

from automl.code import load_entry
from automl.data.feed import batches, steps_per_epoch, training_batches
from automl.data.pack import read_index
from automl.data.store import open_pixels, own_words, store_name
from automl.data.weights import read_weights
from automl.errors import StageFailed
from automl.metrics.bootstrap import accuracy_interval
from automl.nets.build import load_network, save_weights
from automl.records import Packed, Picked, Trained, Tuned
from automl.runs.atomic import write_bytes, write_json
from automl.runtime.context import StageContext
from automl.search.budget import best_trial
from automl.stages.tune import more_time, pace_of
from automl.task_table import task_named
from automl.training.checkpoint import load_checkpoint
from automl.training.decisions import affordable_epochs, best_of, is_better, reason, wrecked
from automl.training.fit import Feed, Fitted, Validated, fit
from automl.types import FitSettings, PixelRows

PLAN: Final = "plan.json"
WEIGHTS: Final = "model.weights.h5"
CHECKPOINTS: Final = ("checkpoint-0.npz", "checkpoint-1.npz", "checkpoint-2.npz")  # an attempt each, the rate halved
# A first epoch that loses more than this share of the probe's accuracy had too high a rate. Good trainings of
# pretrained nets lost up to .04 of it (sign_digits), one that did not beat the probe .10 (flowers at 1e-3).
MAY_FALL: Final = 0.25
RESAMPLES: Final = 2000  # behind the interval of the validation accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One training."""

    model: Any  # holds the best epoch's weights
    fitted: Fitted
    settings: FitSettings
    halvings: int  # of the learning rate, before it


def run(ctx: StageContext) -> Trained:
    """Train from the probe's network, and let the better of the two go on.

    Reads: the records of check, pack, pick and tune, the store of pixels, pack's index, first/model.weights.h5 of pick.
    Writes: model.weights.h5 of the winner; plan.json, the settings with as many epochs as the time allowed at the
        first start; checkpoint-N.npz after each epoch of the attempt with N halvings of the learning rate.
    """
    picked, n_validation = ctx.record(Picked), ctx.record(Packed).per_part["validation"]
    stop_at = _stop_at(ctx)
    settings = _plan(ctx, stop_at)
    attempt = _train(ctx, settings, stop_at) if settings.epochs else None
    if attempt is None:
        more = more_time(ctx, "train.minutes")
        ctx.warn(f"nothing was trained, there was no time: the probe is the model. {more}, --redo tune trains")

    trained = best_of(attempt.fitted) if attempt else None
    probe = Validated(accuracy=picked.probe_accuracy, loss=picked.probe_loss)
    if attempt:
        settings = attempt.settings
        if ctx.input("pick", picked.start) == _probe_weights(ctx):
            probe = attempt.fitted.start  # measured as the training's epochs are
    if attempt and trained and is_better(trained, probe):
        network, winner = replace(picked.network, dropout=settings.dropout), trained
        save_weights(attempt.model, ctx.output(WEIGHTS))
    else:
        network, winner = picked.network, probe
        write_bytes(ctx.output(WEIGHTS), _probe_weights(ctx).read_bytes())
    return Trained(
        network=network,
        weights=WEIGHTS,
        winner="trained" if winner is trained else "probe",
        reason=reason(
            probe, attempt.fitted if attempt else None, settings, halvings=attempt.halvings if attempt else 0
        ),
        probe_accuracy=probe.accuracy,
        probe_loss=probe.loss,
        trained_accuracy=trained.accuracy if trained else None,
        trained_loss=trained.loss if trained else None,
        # How many are right decides the interval, not which of them.
        validation_accuracy=accuracy_interval(
            np.arange(n_validation) < round(winner.accuracy * n_validation), resamples=RESAMPLES, seed=ctx.recipe.seed
        ),
        settings=settings,
        epochs=attempt.fitted.epochs if attempt else (),
    )


def _stop_at(ctx: StageContext) -> float:
    """The wall time at which training ends: its own minutes, and before the deadline what later stages need."""
    checkpoints = [load_checkpoint(ctx.output(name)) for name in CHECKPOINTS]
    spent_s = sum(epoch.seconds for saved in checkpoints if saved for epoch in saved.epochs)
    # A restart does not reset the clock: what earlier processes trained counts.
    return ctx.now() + min(ctx.recipe.train.minutes * 60 - spent_s, ctx.seconds_left() - pace_of(ctx).tail_s)


def _plan(ctx: StageContext, stop_at: float) -> FitSettings:
    """The best trial's settings, with as many epochs as fit; 0 where none does.

    Written down at the first start: a training that goes on after a kill must have the same schedule.
    Raises: StageFailed: it was damaged.
    """
    adapter, path = TypeAdapter(FitSettings), ctx.output(PLAN)
    if path.exists():
        try:
            return adapter.validate_json(path.read_bytes())
        except ValueError as error:
            raise StageFailed(
                f"{path} was damaged. Wanted: what train wrote there. Do it again: --redo train."
            ) from error
    tuned, pace = ctx.record(Tuned), pace_of(ctx)
    epochs = affordable_epochs(
        ctx.recipe.train.epochs,
        left_s=stop_at - ctx.now(),
        best=best_trial(tuned.trials),
        guess=(pace.start_s, pace.epoch_s),
    )
    settings = replace(tuned.settings, epochs=epochs)
    write_json(path, asdict(settings))
    return settings


def _train(ctx: StageContext, settings: FitSettings, stop_at: float) -> Attempt:
    """Train; where the first epoch wrecks the probe, halve the learning rate and begin again."""
    picked, task = ctx.record(Picked), task_named(ctx.recipe.task)
    loss = cast("Callable[[Any, Any], Any]", load_entry(task.loss)(settings.label_smoothing))
    # Random features hold nothing worth saving, and a good training of them begins with a fall (digits: .94, .63, .99).
    pretrained = picked.weights.source != "random"
    pixels = open_pixels(ctx.input("check", store_name(picked.network.size_px)))
    for halvings, checkpoint in enumerate(CHECKPOINTS):
        settings = replace(settings, learning_rate=settings.learning_rate / (2 if halvings else 1))
        model = load_network(
            replace(picked.network, dropout=settings.dropout),
            ctx.input("pick", picked.start),
            ctx.recipe.task,
            ctx.folder.backbones,
        )
        fitted = own_words(pixels)(fit)(
            model,
            _feed(ctx, pixels, settings.batch_size),
            settings,
            loss=loss,
            metrics=task.metrics,
            seed=ctx.recipe.seed,
            stop_at=stop_at,
            may_fall=MAY_FALL if pretrained and checkpoint != CHECKPOINTS[-1] else None,
            checkpoint=ctx.output(checkpoint),
            progress=ctx.progress,
            clock=ctx.now,
        )
        if not wrecked(fitted):
            break
    return Attempt(model=model, fitted=fitted, settings=settings, halvings=halvings)


def _feed(ctx: StageContext, pixels: PixelRows, batch_size: int) -> Feed:
    """The pack's training images in the order of (seed, epoch), and its validation images in theirs."""
    rows, labels = read_index(ctx.folder.stage("pack"), "train")
    weights = read_weights(ctx.folder.stage("pack"))
    validation = read_index(ctx.folder.stage("pack"), "validation")
    return Feed(
        training=lambda epoch: training_batches(
            pixels, rows, labels, weights=weights, batch_size=batch_size, seed=ctx.recipe.seed, epoch=epoch
        ),
        steps=steps_per_epoch(len(rows), batch_size),
        validation=lambda: batches(pixels, *validation, batch_size),
    )


def _probe_weights(ctx: StageContext) -> Path:
    return ctx.input("pick", "first/model.weights.h5")
