"""Whole batches from a store of pixels: in order for measuring, shuffled for training (docs/design.md, decision 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.types import PixelRows

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]


def batches(pixels: PixelRows, rows: Indices, labels: Indices, batch_size: int) -> Iterator[tuple[Pixels, Indices]]:
    """All rows in the given order: uint8 (b, s, s, 3) and int64 (b,); the last batch may be smaller."""
    for start in range(0, len(rows), batch_size):
        part = slice(start, start + batch_size)
        yield pixels[rows[part]], labels[part]


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """How many batches `training_batches` gives."""
    return max(1, n_rows // batch_size)


def training_batches(
    pixels: PixelRows,
    rows: Indices,
    labels: Indices,
    *,
    weights: NDArray[np.float32] | None = None,
    batch_size: int,
    seed: int,
    epoch: int,
) -> Any:  # tensorflow's types are not to be had
    """One epoch in an order that (seed, epoch) decides, as a tf.data.Dataset.

    Batches are whole: what is left over at the end waits for another epoch's order. Fewer rows than batch_size
    are one batch of them all.

    Args:
        pixels: uint8 (n, s, s, 3), a store of data/store.py for one.
        rows: int64 (m,), m >= 1, into pixels.
        labels: int64 (m,).
        weights: float32 (m,), of the images' losses; None: they count alike.
    Returns: elements of uint8 (b, s, s, 3), int64 (b,), and int32 (2,): a seed for this batch's stateless random
        operations; with weights those of the batch, float32 (b,), come fourth. All shapes are static.
    """
    import tensorflow as tf  # here, so that `batches` serves where TensorFlow is not wanted

    size = min(batch_size, len(rows))
    order = np.random.default_rng([seed, epoch]).permutation(len(rows))

    beside: list[NDArray[Any]] = [labels] if weights is None else [labels, weights]

    def load(step: np.int64) -> tuple[NDArray[Any], ...]:
        # Ascending within a batch, so that a map on a disk is read forwards; inside a batch the order means nothing.
        chosen = np.sort(order[step * size : (step + 1) * size])
        words = np.random.SeedSequence([seed, epoch, int(step)]).generate_state(2)
        own = [values[chosen] for values in beside]
        return pixels[rows[chosen]], own[0], words.view(np.int32), *own[1:]

    def load_in_graph(step: Any) -> tuple[Any, ...]:
        kinds = [tf.uint8, tf.int64, tf.int32, *([tf.float32] if len(beside) > 1 else [])]
        images, classes, words, *own = tf.numpy_function(load, [step], kinds)
        images.set_shape((size, *pixels.shape[1:]))
        words.set_shape((2,))
        for values in (classes, *own):
            values.set_shape((size,))
        return images, classes, words, *own

    return tf.data.Dataset.range(steps_per_epoch(len(rows), batch_size)).map(load_in_graph).prefetch(2)
