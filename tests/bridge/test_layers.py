"""Each row of the bridge's table, with options away from their defaults, says the same on both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from automl.bridge.cross import check, cross
from automl.bridge.layers import ACTIVATIONS, ROWS

SHAPE = (9, 9, 4)
EXAMPLES: dict[str, Callable[[Any], Any]] = {
    "Conv2D": layers.Conv2D(6, (3, 2), strides=2, padding="same", groups=2, use_bias=False, activation="silu"),
    "DepthwiseConv2D": layers.DepthwiseConv2D(
        3, padding="valid", depth_multiplier=2, dilation_rate=2, activation="relu"
    ),
    "ZeroPadding2D": layers.ZeroPadding2D(((0, 1), (2, 3))),
    "MaxPooling2D": layers.MaxPooling2D(3, strides=2, padding="same"),
    "GlobalAveragePooling2D": layers.GlobalAveragePooling2D(keepdims=True),
    "Dense": layers.Dense(5, activation="hard_silu"),
    "BatchNormalization": layers.BatchNormalization(epsilon=0.1, scale=False),
    "Normalization": layers.Normalization(mean=[1, 2, 3, 4], variance=[4, 3, 2, 1]),
    "Rescaling": layers.Rescaling(0.5, offset=[1, 2, 3, 4]),
    "Activation": lambda x: layers.Activation("hard_sigmoid")(layers.Rescaling(1, offset=-2)(x)),
    "ReLU": lambda x: layers.ReLU(max_value=6, negative_slope=0.1, threshold=1)(layers.Rescaling(1, offset=-2)(x)),
    "Add": lambda x: layers.Add()([x, x + 3, 2.5 + x]),
    "Multiply": lambda x: layers.Multiply()([x, x * 0.25, 2 * x]),
    "Concatenate": lambda x: layers.Concatenate(axis=2)([x, x * 2]),
    "Reshape": layers.Reshape((3, -1, 4)),
    "Dropout": layers.Dropout(0.5, noise_shape=(None, 1, 1, 1)),
}


def answers_differ_by(model: Any) -> float:
    images = np.random.default_rng(2).integers(0, 9, (5, *SHAPE), dtype=np.uint8)
    return check(cross(model), images)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.layer)
def test_a_layer_says_the_same_on_both_sides(row):
    keras.utils.set_random_seed(4)
    image = keras.Input(SHAPE)
    model = keras.Model(image, EXAMPLES[row.layer](image))
    assert any(type(layer).__name__ == row.layer for layer in model.layers)
    assert answers_differ_by(model) < 1e-6


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_says_the_same_on_both_sides(name):
    image = keras.Input(SHAPE)
    centred = layers.Rescaling(2, offset=-9)(image)  # values -9 .. 7
    assert answers_differ_by(keras.Model(image, layers.Activation(name)(centred))) < 1e-6


def test_the_table_has_unique_names_and_each_row_its_example():
    assert len(ROWS) > 10
    assert {row.layer for row in ROWS} == set(EXAMPLES)
    assert len({row.layer for row in ROWS}) == len(ROWS)
