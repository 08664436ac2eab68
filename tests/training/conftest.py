"""A network of a few thousand weights with the layers that training looks for, and bars to learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from automl.training.fit import Batch, Feed
from automl.types import FitSettings

SIZE_PX = 16
SETTINGS = FitSettings(
    learning_rate=1e-2,
    weight_decay=1e-3,
    dropout=0.2,
    augmentation=0.3,
    flip=False,
    unfrozen=1.0,
    batchnorm="trains",
    epochs=5,
    batch_size=16,
    warmup=0.1,
    label_smoothing=0.0,
    patience=6,
)


def tiny_network(dropout: float = 0.2, seed: int = 3) -> Any:
    """Two convolutions with BatchNorm (four layers that have weights) and the head of nets/head.py."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((SIZE_PX, SIZE_PX, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    for number, width in enumerate((8, 16), start=1):
        x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, name=f"conv_{number}")(x)
        x = layers.BatchNormalization(name=f"norm_{number}")(x)
        x = layers.ReLU()(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Normalization(name="standardise")(features)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(2, name="logits")(x)
    return keras.Model(image, [layers.Activation("softmax", name="probabilities")(x), features])


@dataclass(frozen=True)
class Bars:
    """Bars that lie or stand: uint8 (n, 16, 16, 3) and int64 (n,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def bars(n: int, seed: int) -> Bars:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    labels = rng.integers(0, 2, n)
    ramp = np.where(labels[:, None, None] == 0, y, x)
    waves = np.sin(2 * np.pi * (ramp / rng.uniform(5, 8, (n, 1, 1)) + rng.uniform(size=(n, 1, 1))))
    pixels = 128 + 80 * waves[..., None] + rng.normal(0, 20, (n, SIZE_PX, SIZE_PX, 3))
    return Bars(np.clip(pixels, 0, 255).astype(np.uint8), labels.astype(np.int64))


def tiny_feed(seed: int = 5, n: int = 80, batch_size: int = 16) -> Feed:
    """n images to train on and 40 to validate; the order depends on the seed and the epoch alone."""
    train, held_out = bars(n, seed=1), bars(40, seed=2)

    def training(epoch: int) -> Any:
        order = np.random.default_rng((seed, epoch)).permutation(n)

        def batch(number: Any) -> tuple[Any, Any, Any]:
            rows = order[number * batch_size : (number + 1) * batch_size]
            return train.pixels[rows], train.labels[rows], np.array([seed + epoch, number], np.int32)

        def shaped(number: Any) -> tuple[Any, Any, Any]:
            pixels, labels, seeds = tf.numpy_function(batch, [number], (tf.uint8, tf.int64, tf.int32))
            pixels.set_shape((None, SIZE_PX, SIZE_PX, 3))
            labels.set_shape((None,))
            seeds.set_shape((2,))
            return pixels, labels, seeds

        return tf.data.Dataset.range(-(-n // batch_size)).map(shaped)

    def validation() -> Iterator[Batch]:
        for start in range(0, 40, 32):
            yield held_out.pixels[start : start + 32], held_out.labels[start : start + 32]

    return Feed(training=training, steps=-(-n // batch_size), validation=validation)


@pytest.fixture
def network() -> Any:
    return tiny_network()


@pytest.fixture
def feed() -> Feed:
    return tiny_feed()
