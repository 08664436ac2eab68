"""One training, from a network's present weights to those of its best epoch.

Read top to bottom: fit() compiles, then repeats an epoch of training, its validation, a verdict and a checkpoint. The
same seed gives the same weights, bit for bit on a CPU, also when the training was killed and gone on with: batches,
augmentation and dropout depend on the seed and the epoch's number alone, all else is in the checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.training.augment import augment
from automl.training.callbacks import Ended, Watch
from automl.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from automl.training.optimizers import adamw
from automl.training.schedules import warmup_cosine
from automl.training.unfreeze import unfreeze
from automl.types import Epoch, FitSettings

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]
Progress = Callable[[int, int, str], object]  # batches done, batches of the whole training, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Where a training's images come from; the stage joins it from the pack."""

    training: Callable[[int], Any]  # epoch from 1 -> tf.data: uint8 (b, s, s, 3), int64 (b,), int32 (2,) seed,
    # and, where images do not count alike, float32 (b,): the factor of each one's loss, 1 in the mean of the part
    steps: int  # batches of one epoch
    validation: Callable[[], Iterable[Batch]]  # in order; every batch as large as the first, the last may be smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """A network on the validation part."""

    accuracy: float
    loss: float  # mean log loss, nats


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """How a training went. Its model holds the best epoch's weights, or the first ones where no epoch ended."""

    start: Validated  # before the first step
    epochs: tuple[Epoch, ...]
    best: Epoch | None
    ended: Ended


def classification_loss(label_smoothing: float) -> Callable[[Any, Any], Any]:
    """The training loss: cross entropy in nats of labels (b,) against logits (b, classes).

    Args:
        label_smoothing: share of each label that is spread evenly over all classes, 0 <= share < 1.
    """

    def cross_entropy(labels: Any, logits: Any) -> Any:
        targets = keras.ops.one_hot(keras.ops.cast(labels, "int32"), logits.shape[-1])
        return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=label_smoothing)

    return cross_entropy


def fit(
    model: Any,
    feed: Feed,
    settings: FitSettings,
    *,
    loss: Callable[[Any, Any], Any],
    metrics: Sequence[str],
    seed: int,
    stop_at: float = inf,
    may_fall: float | None = None,
    checkpoint: Path | None = None,
    progress: Progress = lambda done, total, text: None,
    clock: Callable[[], float] = time.time,
) -> Fitted:
    """Train the model in place.

    Args:
        model: a whole network of nets/build.py, built with the settings' dropout.
        loss: of labels and logits; metrics: Keras names, "accuracy" among them.
        stop_at: on the clock; the epoch that it cuts is still validated and counts.
        may_fall: end after the first epoch when it lost more than this share of the start's accuracy; None: go on.
        checkpoint: read at the start if it is there, written after each epoch; None: neither.
        progress: told (batches done, all, text) after each batch.
    Raises: StageFailed: the checkpoint is not whole.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    unfreeze(model, settings.unfrozen, settings.batchnorm)
    trainee = keras.Model(model.inputs, model.get_layer("logits").output)  # shares the model's layers
    rate = warmup_cosine(settings.learning_rate, total_steps=settings.epochs * feed.steps, warmup=settings.warmup)
    optimizer = adamw(trainee.trainable_variables, learning_rate=rate, weight_decay=settings.weight_decay)
    trainee.compile(optimizer=optimizer, loss=loss, metrics=list(metrics), jit_compile=False)
    # Keras builds its metrics in the first step and then traces that whole step again: here they are built before it.
    trainee.compute_metrics(None, np.zeros(1, np.int64), np.zeros((1, trainee.output_shape[-1]), np.float32))
    vary = variation(settings)

    began = clock()
    start = validate(trainee, feed.validation())
    validation_s = clock() - began

    epochs: list[Epoch] = []
    kept, ended = model.get_weights(), None
    if checkpoint and (saved := load_checkpoint(checkpoint)):
        epochs, kept, ended = list(saved.epochs), saved.kept, saved.ended
        if ended is None:
            model.set_weights(saved.weights)
            for variable, value in zip(optimizer.variables, saved.optimizer, strict=True):
                variable.assign(value)

    while ended is None:
        number, began = len(epochs) + 1, clock()
        tell = _teller(progress, number, settings.epochs, feed.steps, best_epoch(epochs))
        watch = Watch(stop_at=stop_at - validation_s, clock=clock, on_batch=tell)
        _seed_dropout(trainee, seed, number)
        batches = feed.training(number).map(vary, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        history = trainee.fit(batches, shuffle=False, verbose=0, callbacks=[watch]).history
        validated = validate(trainee, feed.validation())
        # Some CPUs' kernels make 0 of NaN in a ReLU, so that neither loss tells what the weights do.
        weights = model.get_weights()
        if watch.ended == "not finite" or not isfinite(validated.loss) or not _finite(weights):
            ended = "not finite"
            break
        epochs.append(
            Epoch(
                number=number,
                loss=float(history["loss"][-1]),
                accuracy=float(history["accuracy"][-1]),
                validation_loss=validated.loss,
                validation_accuracy=validated.accuracy,
                seconds=clock() - began,
            )
        )
        if best_epoch(epochs) is epochs[-1]:
            kept = weights
        ended = watch.ended or verdict(epochs, settings, start_accuracy=start.accuracy, may_fall=may_fall)
        if checkpoint:
            going_on = [] if ended else weights
            moments = [] if ended else [np.asarray(variable) for variable in optimizer.variables]
            save_checkpoint(
                checkpoint,
                Checkpoint(epochs=tuple(epochs), ended=ended, kept=kept, weights=going_on, optimizer=moments),
            )

    model.set_weights(kept)
    return Fitted(start=start, epochs=tuple(epochs), best=best_epoch(epochs), ended=ended)


def _finite(weights: Iterable[NDArray[Any]]) -> bool:
    return all(np.isfinite(array).all() for array in weights)


def best_epoch(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch with the highest validation accuracy; the lower loss decides between equals, then the earlier one.

    Accuracy comes first because it is what trials, and the probe against the trained model, are compared by.
    """
    return min(epochs, key=lambda epoch: (-epoch.validation_accuracy, epoch.validation_loss), default=None)


def verdict(
    epochs: Sequence[Epoch], settings: FitSettings, *, start_accuracy: float, may_fall: float | None
) -> Ended | None:
    """Whether a training ends after the epochs so far (at least one), and why; None: it goes on.

    Patience counts the epochs since the validation loss was lowest or the best epoch was met, whichever is later: a
    network may grow surer of its mistakes while it still makes fewer of them.
    """
    first, last = epochs[0], epochs[-1]
    if last is first and may_fall is not None and first.validation_accuracy < (1 - may_fall) * start_accuracy:
        return "fell"
    if last.number >= settings.epochs:
        return "all epochs"
    best, lowest = best_epoch(epochs), min(epochs, key=lambda epoch: epoch.validation_loss)
    assert best is not None
    return "no better" if last.number - max(best.number, lowest.number) >= settings.patience else None


def validate(trainee: Any, batches: Iterable[Batch]) -> Validated:
    """Accuracy and log loss of a model that gives logits, over batches in order (at least one image)."""
    n = n_correct = size = 0
    loss = 0.0
    for pixels, labels in batches:
        size = size or len(pixels)
        # Every call has the same shape, or the network would be compiled once more for the last batch.
        padded = np.zeros((size, *pixels.shape[1:]), np.uint8)
        padded[: len(pixels)] = pixels
        logits = np.asarray(trainee.predict_on_batch(padded), np.float64)[: len(pixels)]  # (b, classes)
        shifted = logits - logits.max(axis=1, keepdims=True)
        loss += float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]).sum())
        n_correct += int(np.count_nonzero(logits.argmax(axis=1) == labels))
        n += len(labels)
    return Validated(accuracy=n_correct / n, loss=loss / n)


def variation(settings: FitSettings) -> Any:
    """What turns a batch of the feed into one of float32 (b, s, s, 3), values 0..255, int64 (b,), and its weights.

    Keras divides the weighted losses of a batch by its number of images, so a heavy image weighs the same in any
    batch; its metrics count every image as one.
    One graph for all epochs, without AutoGraph: else each epoch starts with 0.3 s of tracing.
    """

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def vary(pixels: Any, labels: Any, seed: Any, *weights: Any) -> tuple[Any, ...]:
        return augment(pixels, seed, strength=settings.augmentation, flip=settings.flip), labels, *weights

    return vary


def _seed_dropout(trainee: Any, seed: int, epoch: int) -> None:
    """Start each layer's own random numbers at a place that the seed, the layer and the epoch decide."""
    for place, layer in enumerate(trainee.layers):
        if generator := getattr(layer, "seed_generator", None):
            state = np.random.SeedSequence((seed, place, epoch)).generate_state(2)
            generator.state.assign(state.astype(generator.state.dtype))


def _teller(progress: Progress, number: int, of: int, steps: int, best: Epoch | None) -> Callable[[int, float], None]:
    """What turns a batch's place in its epoch and the loss so far into words about the whole training."""
    so_far = f"  best validation accuracy {best.validation_accuracy:.3f}" if best else ""

    def tell(step: int, loss: float) -> None:
        progress((number - 1) * steps + step, of * steps, f"epoch {number}/{of}  loss {loss:.3f}{so_far}")

    return tell
