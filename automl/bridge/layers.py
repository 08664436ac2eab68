"""The bridge's table: how each type of Keras 3 layer is said in tf_keras, the Keras 2 that tfmot knows.

Configurations are not carried over as they are: `from_config` of a Keras 3 layer fails in tf_keras, or passes over what
it does not know. A row names what it carries, so that nothing is lost unseen. To add a layer: add a row;
tests/bridge/test_layers.py then asks for its example.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from automl.errors import StageFailed

Translate = Callable[[Any, Sequence[float]], Any]  # from a Keras 3 layer and the numbers it is called with


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One type of layer."""

    layer: str  # its class in keras.layers
    translate: Translate  # to an unbuilt tf_keras layer without a name; its weights follow by position
    operator: bool = False  # x + 3 or x * 2.0 on Keras tensors is recorded under the same name


def _hard_sigmoid(x: Any) -> Any:
    """relu6(x + 3) / 6; what tf_keras calls hard_sigmoid is another function, 0.2 x + 0.5 cut off."""
    return tf.nn.relu6(x + 3.0) / 6.0


def _hard_silu(x: Any) -> Any:
    return x * _hard_sigmoid(x)


ACTIVATIONS: Final[dict[str, Any]] = {
    "linear": tf_keras.activations.linear,
    "relu": tf_keras.activations.relu,
    "relu6": tf.nn.relu6,
    "silu": tf.nn.silu,
    "hard_silu": _hard_silu,
    "sigmoid": tf.nn.sigmoid,
    "hard_sigmoid": _hard_sigmoid,
    "tanh": tf.nn.tanh,
    "softmax": tf_keras.activations.softmax,
}
"""By the function's name in keras.activations."""


def activation(layer: Any) -> Any:
    """The layer's activation function in TensorFlow. Raises: StageFailed: it is not in the table."""
    known_as = getattr(layer.activation, "__name__", type(layer.activation).__name__)
    if known_as not in ACTIVATIONS or getattr(keras.activations, known_as) is not layer.activation:
        raise StageFailed(
            f"layer {layer.name!r} has the activation {known_as!r}, which the bridge to tf_keras does not know. It "
            f"knows {', '.join(ACTIVATIONS)}. Use one of these, or add a row to automl/bridge/layers.py."
        )
    return ACTIVATIONS[known_as]


def _carried(kind: str, *keys: str, activated: bool = False) -> Translate:
    """A layer of the same name, whose listed arguments mean the same on both sides."""

    def translate(layer: Any, numbers: Sequence[float]) -> Any:
        config = layer.get_config()
        arguments = {key: config[key] for key in keys}
        if activated:
            arguments["activation"] = activation(layer)
        return getattr(tf_keras.layers, kind)(**arguments)

    return translate


def _normalization(layer: Any, numbers: Sequence[float]) -> Any:
    """Constants that it was built with are no weights on either side; adapted ones are."""
    constants = {}
    if layer.input_mean is not None:
        constants = {"mean": np.array(layer.input_mean), "variance": np.array(layer.input_variance)}
    return tf_keras.layers.Normalization(axis=layer.axis, invert=layer.invert, **constants)


def _activation(layer: Any, numbers: Sequence[float]) -> Any:
    return tf_keras.layers.Activation(activation(layer))


def _add(layer: Any, numbers: Sequence[float]) -> Any:
    return tf_keras.layers.Rescaling(1.0, offset=numbers[0]) if numbers else tf_keras.layers.Add()


def _multiply(layer: Any, numbers: Sequence[float]) -> Any:
    return tf_keras.layers.Rescaling(numbers[0]) if numbers else tf_keras.layers.Multiply()


_WINDOW: Final = ("strides", "padding", "data_format")
_CONVOLUTION: Final = (*_WINDOW, "kernel_size", "dilation_rate", "use_bias")

ROWS: Final = (
    Row(layer="Conv2D", translate=_carried("Conv2D", *_CONVOLUTION, "filters", "groups", activated=True)),
    Row(
        layer="DepthwiseConv2D",
        translate=_carried("DepthwiseConv2D", *_CONVOLUTION, "depth_multiplier", activated=True),
    ),
    Row(layer="ZeroPadding2D", translate=_carried("ZeroPadding2D", "padding", "data_format")),
    Row(layer="MaxPooling2D", translate=_carried("MaxPooling2D", *_WINDOW, "pool_size")),
    Row(
        layer="GlobalAveragePooling2D",
        translate=_carried("GlobalAveragePooling2D", "data_format", "keepdims"),
    ),
    Row(layer="Dense", translate=_carried("Dense", "units", "use_bias", activated=True)),
    Row(
        layer="BatchNormalization",
        translate=_carried("BatchNormalization", "axis", "momentum", "epsilon", "center", "scale"),
    ),
    Row(layer="Normalization", translate=_normalization),
    Row(layer="Rescaling", translate=_carried("Rescaling", "scale", "offset")),
    Row(layer="Activation", translate=_activation),
    Row(layer="ReLU", translate=_carried("ReLU", "max_value", "negative_slope", "threshold")),
    Row(layer="Add", translate=_add, operator=True),
    Row(layer="Multiply", translate=_multiply, operator=True),
    Row(layer="Concatenate", translate=_carried("Concatenate", "axis")),
    Row(layer="Reshape", translate=_carried("Reshape", "target_shape")),
    Row(layer="Dropout", translate=_carried("Dropout", "rate", "noise_shape")),
)

_BY_NAME: Final = {row.layer: row for row in ROWS}


def row_of(layer: Any) -> Row:
    """The row for a Keras layer or operation. Raises: StageFailed: the table has none, or it is someone's own class."""
    row = _BY_NAME.get(type(layer).__name__)
    known = row is not None and (row.operator or isinstance(layer, keras.layers.Layer))
    if row is None or not known or not type(layer).__module__.startswith("keras."):
        raise StageFailed(
            f"layer {layer.name!r} is a {type(layer).__module__}.{type(layer).__name__}, which the bridge to tf_keras "
            f"does not know. It knows {', '.join(_BY_NAME)}. Leave the pruned variants out of compress.variants, or "
            "add a row to automl/bridge/layers.py."
        )
    return row
