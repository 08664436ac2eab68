"""Magnitude pruning by tfmot: the smallest weights of the convolutions become zero while the network goes on learning.

Zhu and Gupta 2017, arXiv:1710.01878: the share of zeros rises along a cubic, then the rest adapts. Zeros make a file
smaller after gzip and no model faster: onnxruntime multiplies by them as by any number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray

from automl.bridge.cross import Crossing, check, come_back, cross
from automl.bridge.tfmot import sparsity as tfmot
from automl.errors import StageFailed

LOGITS: Final = "logits"  # the layer that the loss is taken at
RISING: Final = 0.6  # share of all steps in which the sparsity rises; the others are left to adapt
MASK_UPDATES: Final = 20  # while it rises; each sorts every kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a network is pruned."""

    sparsity: float  # share of each pruned kernel's weights that become zero, 0 < share < 1
    learning_rate: float  # of Adam at the first step; falls to zero along a cosine
    epochs: int
    steps: int  # batches of one epoch
    label_smoothing: float  # share of each label that is spread over all classes
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What came of it."""

    sparsity: float  # share of zeros among the weights of all pruned kernels
    layers: int  # that were pruned
    loss: float  # mean of the last epoch's training loss, nats
    max_difference: float  # between Keras 3 and tf_keras, the larger of both crossings; see cross.check


def prune(
    model: Any,
    training: Callable[[int], Any],
    plan: Plan,
    *,
    images: NDArray[np.uint8],
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Pruned:
    """Prune the network in place, while it trains on.

    Args:
        model: a whole network of nets/build.py, its layers set to trainable or not.
        training: epoch from 1 -> tf.data: float32 (b, s, s, 3) with values 0..255, int64 (b,).
        images: uint8 (n, s, s, 3) on which both crossings of the bridge are checked.
        progress: told (batches done, all) after each batch.
    Raises: StageFailed: a layer cannot cross, a crossing changes the outputs, the loss is not finite, or the sparsity
        is not reached. The network is untouched then, but where the way back fails.
    """
    tf_keras.utils.set_random_seed(plan.seed)
    tf.config.experimental.enable_op_determinism()
    names = prunable(model)
    rising = schedule(plan)
    crossing = cross(
        model,
        lambda modern, legacy: (
            tfmot.prune_low_magnitude(legacy, pruning_schedule=rising) if modern.name in names else legacy
        ),
    )
    there = check(crossing, images)
    loss = fine_tune(crossing, training, plan, progress)
    come_back(crossing)
    back = check(crossing, images)
    return Pruned(
        sparsity=verified_sparsity(model, names, plan.sparsity),
        layers=len(names),
        loss=loss,
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


def schedule(plan: Plan) -> Any:
    """tfmot's schedule: updates at every `frequency`-th step, the last of them at its end."""
    rising = max(1, int(RISING * plan.epochs * plan.steps))
    frequency = max(1, rising // MASK_UPDATES)
    return tfmot.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=plan.sparsity,
        begin_step=0,
        end_step=rising // frequency * frequency,
        frequency=frequency,
    )


def fine_tune(
    crossing: Crossing, training: Callable[[int], Any], plan: Plan, progress: Callable[[int, int], object]
) -> float:
    """Train the network on the far side; the mean loss of the last epoch, in nats. Raises: StageFailed: not finite."""
    total = plan.epochs * plan.steps
    trainee = tf_keras.Model(crossing.legacy.inputs, crossing.legacy.get_layer(LOGITS).output)
    rate = tf_keras.optimizers.schedules.CosineDecay(plan.learning_rate, total)
    trainee.compile(optimizer=tf_keras.optimizers.Adam(rate), loss=_cross_entropy(plan.label_smoothing))
    batches = training(1)
    for epoch in range(2, plan.epochs + 1):
        batches = batches.concatenate(training(epoch))
    done = iter(range(1, total + 1))
    tell = tf_keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: progress(next(done), total))
    history = trainee.fit(
        batches,
        epochs=plan.epochs,
        steps_per_epoch=plan.steps,
        shuffle=False,
        verbose=0,
        callbacks=[tfmot.UpdatePruningStep(), tell],
    ).history
    loss = float(history["loss"][-1])
    if not isfinite(loss):
        raise StageFailed(
            f"pruning {crossing.modern.name} at learning rate {plan.learning_rate:.2g} ended with a loss that is not "
            "finite. Lower compress.prune.learning_rate."
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
