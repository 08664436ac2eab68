"""Magnitude pruning by tfmot: the smallest weights of the convolutions become zero while the network goes on learning.

Zhu and Gupta 2017, arXiv:1710.01878: the share of zeros rises along a cubic, then the rest adapts. Zeros make a file
smaller after gzip and no model faster: onnxruntime multiplies by them as by any number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray

from automl.bridge.cross import Crossing, check, come_back, cross
from automl.bridge.pace import Pace
from automl.bridge.schedule import Plan, Schedule
from automl.bridge.tfmot import sparsity as tfmot
from automl.errors import StageFailed

WAY_BACK: Final = 3.0
"""What is kept back for the way back, in ways there: it took 0.2 to 1.1 of one, and 2.7 once on a busy machine."""
LOGITS: Final = "logits"  # the layer that the loss is taken at


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What came of it."""

    sparsity: float  # share of zeros among the weights of all pruned kernels
    layers: int  # that were pruned
    loss: float  # mean of the last epoch's training loss, nats
    epochs: int  # trained on for; fewer than planned where the time was short, the last one may be cut
    max_difference: float  # between Keras 3 and tf_keras, the larger of both crossings; see cross.check


def prune(
    model: Any,
    training: Callable[[int], Any],
    plan: Plan,
    *,
    images: NDArray[np.uint8],
    stop_at: float = inf,
    clock: Callable[[], float] = time.time,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Pruned:
    """Prune the network in place, while it trains on.

    Args:
        model: a whole network of nets/build.py, its layers set to trainable or not.
        training: epoch from 1 -> tf.data: float32 (b, s, s, 3) with values 0..255, int64 (b,), and the factors
            of the losses, float32 (b,), where images do not count alike.
        images: uint8 (n, s, s, 3) on which both crossings of the bridge are checked.
        stop_at: on the clock; the epochs that do not fit are cut (see Pace). With time enough nothing depends on it.
        progress: told (batches done, all) after each batch.
    Raises: VariantFailed: not one epoch fits the time, at the measured speed. StageFailed: a layer cannot cross, a
        crossing changes the outputs, the loss is not finite, or the sparsity is not reached. The network is untouched
        then, but where the way back fails.
    """
    began = clock()
    tf_keras.utils.set_random_seed(plan.seed)
    tf.config.experimental.enable_op_determinism()
    names = prunable(model)
    schedule = Schedule(plan)
    crossing = cross(
        model,
        lambda modern, legacy: (
            tfmot.prune_low_magnitude(legacy, pruning_schedule=schedule) if modern.name in names else legacy
        ),
    )
    there = check(crossing, images)
    back_s = WAY_BACK * (clock() - began)
    pace = Pace(schedule, steps=plan.steps, stop_at=stop_at - back_s, clock=clock, progress=progress)
    loss = fine_tune(crossing, training, plan, pace, schedule)
    come_back(crossing)
    back = check(crossing, images)
    return Pruned(
        sparsity=verified_sparsity(model, names, plan.sparsity),
        layers=len(names),
        loss=loss,
        epochs=-(-pace.done // plan.steps),
        max_difference=max(there, back),
    )


def prunable(model: Any) -> frozenset[str]:
    """Names of the layers that are pruned: all plain convolutions but the first.

    Left out, by reasoning and not by trial: the first one (a thousandth of the weights, and all that the network sees
    passes through it), depthwise ones (few weights, each kernel has but nine or 25), and the head's dense layer, which
    decides the classes and stays float in int8.
    """
    names = [layer.name for layer in model.layers if type(layer) is keras.layers.Conv2D]
    return frozenset(names[1:])


def fine_tune(crossing: Crossing, training: Callable[[int], Any], plan: Plan, pace: Pace, schedule: Schedule) -> float:
    """Train the network on the far side, until the pace ends it; the mean loss of the last epoch, in nats.

    Raises: StageFailed: it is not finite; VariantFailed: see Pace.
    """
    trainee = tf_keras.Model(crossing.legacy.inputs, crossing.legacy.get_layer(LOGITS).output)
    trainee.compile(
        optimizer=tf_keras.optimizers.Adam(schedule.learning_rate), loss=_cross_entropy(plan.label_smoothing)
    )
    batches = training(1)
    for epoch in range(2, plan.epochs + 1):
        batches = batches.concatenate(training(epoch))
    history = trainee.fit(
        batches,
        epochs=plan.epochs,
        steps_per_epoch=plan.steps,
        shuffle=False,
        verbose=0,
        callbacks=[tfmot.UpdatePruningStep(), pace],
    ).history
    loss = float(history["loss"][-1])
    # Some CPUs' kernels make 0 of NaN in a ReLU, so that the loss alone does not tell.
    if not isfinite(loss) or not all(np.isfinite(array).all() for array in trainee.get_weights()):
        raise StageFailed(
            f"pruning {crossing.modern.name} at learning rate {plan.learning_rate:.2g} ended with a loss or weights "
            "that are not finite. Lower compress.prune.learning_rate."
        )
    return loss


def verified_sparsity(model: Any, names: frozenset[str], wanted: float) -> float:
    """The share of zeros among the kernels of these layers. Raises: StageFailed: one of them has too few."""
    zeros = size = 0
    for name in sorted(names):
        kernel = np.asarray(model.get_layer(name).kernel)
        own = int(np.count_nonzero(kernel == 0))
        if own < wanted * kernel.size - 1:  # tfmot rounds to whole weights
            raise StageFailed(
                f"pruning left {own} zeros among the {kernel.size} weights of {name!r}. Wanted: a share of "
                f"{wanted:g}. Leave the pruned variants out of compress.variants, and report this with the package "
                "versions."
            )
        zeros, size = zeros + own, size + kernel.size
    return zeros / size


def _cross_entropy(label_smoothing: float) -> Callable[[Any, Any], Any]:
    """training.fit's classification_loss in tf_keras: labels (b,) against logits (b, classes)."""

    def cross_entropy(labels: Any, logits: Any) -> Any:
        targets = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), logits.shape[-1])
        return tf_keras.losses.categorical_crossentropy(
            targets, logits, from_logits=True, label_smoothing=label_smoothing
        )

    return cross_entropy
