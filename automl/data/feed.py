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
    pixels: PixelRows, rows: Indices, labels: Indices, *, batch_size: int, seed: int, epoch: int
) -> Any:  # tensorflow's types are not to be had
    """One epoch in an order that (seed, epoch) decides, as a tf.data.Dataset.

    Batches are whole: what is left over at the end waits for another epoch's order. Fewer rows than batch_size
    are one batch of them all.

    Args:
        pixels: uint8 (n, s, s, 3), a store of data/store.py for one.
        rows: int64 (m,), m >= 1, into pixels.
        labels: int64 (m,).
    Returns: elements of uint8 (b, s, s, 3), int64 (b,), and int32 (2,): a seed for this batch's stateless random
        operations; all shapes are static.
    """
    import tensorflow as tf  # here, so that `batches` serves where TensorFlow is not wanted

    size = min(batch_size, len(rows))
    order = np.random.default_rng([seed, epoch]).permutation(len(rows))

    def load(step: np.int64) -> tuple[Pixels, Indices, NDArray[np.int32]]:
        # Ascending within a batch, so that a map on a disk is read forwards; inside a batch the order means nothing.
        chosen = np.sort(order[step * size : (step + 1) * size])
        words = np.random.SeedSequence([seed, epoch, int(step)]).generate_state(2)
        return pixels[rows[chosen]], labels[chosen], words.view(np.int32)

    def load_in_graph(step: Any) -> tuple[Any, Any, Any]:
        images, classes, words = tf.numpy_function(load, [step], [tf.uint8, tf.int64, tf.int32])
        images.set_shape((size, *pixels.shape[1:]))
        classes.set_shape((size,))
        words.set_shape((2,))
        return images, classes, words

    return tf.data.Dataset.range(steps_per_epoch(len(rows), batch_size)).map(load_in_graph).prefetch(2)
