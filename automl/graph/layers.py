"""The writer's table: how each type of Keras layer is said in ONNX.

To add a layer: write its function, add a row; tests/contracts/test_writer_rows.py then asks for its property test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np

from automl.graph import layers_window as window
from automl.graph.activations import activate, clip
from automl.graph.call import Call, floats
from automl.graph.nodes import GraphBuilder, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One type of layer."""

    layer: str  # its class in keras.layers, or in the file of keras.applications whose networks have it
    emit: Callable[[GraphBuilder, Call], Value]
    operator: bool = False  # x + y or x * 2.0 on Keras tensors is recorded under the same name


def dense(graph: GraphBuilder, call: Call) -> Value:
    """Kernel (inputs, outputs). On an image it works on each pixel, as a convolution of 1x1 does."""
    layer, value = call.layer, call.value
    kernel, n = floats(layer.kernel), layer.units
    bias = floats(layer.bias) if layer.use_bias else np.zeros(n)
    if value.is_image:
        result = window.pointwise(graph, value, call.name, kernel.T[:, :, None, None], bias)
    elif len(value.shape) == 1:
        name = graph.linear("Gemm", value.name, call.name, kernel=kernel, bias=bias, outputs_last=True)
        result = Value(name=name, shape=call.shape)
    else:
        raise call.refused(f"reads {len(value.shape) + 1} axes", "vectors and images")
    return activate(graph, result, layer.activation, f"{call.name}.activation")


def batch_normalization(graph: GraphBuilder, call: Call) -> Value:
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta, along one axis (arXiv:1502.03167)."""
    layer = call.layer
    scale = 1 / np.sqrt(floats(layer.moving_variance) + layer.epsilon)
    scale = scale * floats(layer.gamma) if layer.scale else scale
    shift = -floats(layer.moving_mean) * scale
    shift = shift + floats(layer.beta) if layer.center else shift
    along = [1] * (len(call.shape) + 1)
    along[layer.axis] = -1
    return graph.affine(call.value, scale.reshape(along), shift.reshape(along), call.name)


def layer_normalization(graph: GraphBuilder, call: Call) -> Value:
    """(x - mean) / sqrt(variance + epsilon) over the channels of each pixel, times gamma plus beta (arXiv:1607.06450).

    ONNX's node counts from an axis to the last one, so the channels go last for its sake.
    """
    layer, value = call.layer, call.value
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if axes not in ([-1], [len(value.shape)]):
        raise call.refused(f"runs along the axes {axes}", "the last axis alone")
    if layer.rms_scaling:
        raise call.refused("has rms_scaling", "a mean and a variance")
    n = value.shape[-1]
    gamma = graph.constant(f"{call.name}.gamma", floats(layer.gamma) if layer.scale else np.ones(n))
    beta = graph.constant(f"{call.name}.beta", floats(layer.beta) if layer.center else np.zeros(n))
    source = graph.plain(value)
    if value.is_image:
        source = graph.node("Transpose", [source], f"{call.name}.channels_last", perm=[0, 2, 3, 1])
    result = graph.node("LayerNormalization", [source, gamma, beta], call.name, axis=-1, epsilon=layer.epsilon)
    if value.is_image:
        result = graph.node("Transpose", [result], f"{call.name}.channels_first", perm=[0, 3, 1, 2])
    return Value(name=result, shape=call.shape)


def layer_scale(graph: GraphBuilder, call: Call) -> Value:
    """Each channel times a number (arXiv:2103.17239)."""
    return graph.affine(call.value, floats(call.layer.gamma), floats(0.0), call.name)


def normalization(graph: GraphBuilder, call: Call) -> Value:
    """(x - mean) / deviation, or back again with `invert`; Keras' least deviation is its backend's epsilon."""
    mean = floats(call.layer.mean)
    deviation = np.maximum(np.sqrt(floats(call.layer.variance)), keras.config.epsilon())
    if call.layer.invert:
        return graph.affine(call.value, deviation, mean, call.name)
    return graph.affine(call.value, 1 / deviation, -mean / deviation, call.name)


def rescaling(graph: GraphBuilder, call: Call) -> Value:
    """x * scale + offset."""
    return graph.affine(call.value, floats(call.layer.scale), floats(call.layer.offset), call.name)


def activation(graph: GraphBuilder, call: Call) -> Value:
    """A function of activations.py's table."""
    return activate(graph, call.value, call.layer.activation, call.name)


def relu(graph: GraphBuilder, call: Call) -> Value:
    """x above the threshold, 0 below it, cut off at the maximum; minus slope * what is missing to the threshold."""
    layer, x = call.layer, graph.plain(call.value)
    result = graph.node("ThresholdedRelu", [x], f"{call.name}.above", alpha=layer.threshold) if layer.threshold else x
    if layer.max_value is not None:
        result = clip(graph, result, call.name, float(layer.max_value))
    elif not layer.threshold:
        result = graph.node("Relu", [x], call.name)
    if layer.negative_slope:
        threshold = graph.constant(f"{call.name}.threshold", float(layer.threshold))
        missing = graph.node("Relu", [graph.node("Sub", [threshold, x], f"{call.name}.missing")], f"{call.name}.below")
        slope = graph.constant(f"{call.name}.slope", float(layer.negative_slope))
        result = graph.node("Sub", [result, graph.node("Mul", [missing, slope], f"{call.name}.lost")], call.name)
    return Value(name=result, shape=call.shape, non_negative=not layer.negative_slope)


def softmax(graph: GraphBuilder, call: Call) -> Value:
    """Along one axis."""
    axis = call.layer.axis
    if not isinstance(axis, int):
        raise call.refused(f"runs along the axes {axis}", "one axis")
    result = graph.node("Softmax", [graph.plain(call.value)], call.name, axis=call.axis(axis))
    return Value(name=result, shape=call.shape, non_negative=True)


def add(graph: GraphBuilder, call: Call) -> Value:
    """Any number of tensors; or a tensor and a number, as in x + 3."""
    values, number = _joined(call)
    if number is not None:
        return graph.affine(values[0], floats(1.0), floats(number), call.name)
    return _chain(graph, call, "Add", values)


def scaled_sum(graph: GraphBuilder, call: Call) -> Value:
    """The first tensor plus the second times a number (arXiv:1602.07261)."""
    first, second = _joined(call)[0]
    scaled = graph.affine(second, floats(call.layer.scale), floats(0.0), f"{call.name}.scaled")
    return _chain(graph, call, "Add", [first, scaled])


def multiply(graph: GraphBuilder, call: Call) -> Value:
    """Any number of tensors; or a tensor and a number, as in x * 2."""
    values, number = _joined(call)
    if number is not None:
        return graph.affine(values[0], floats(number), floats(0.0), call.name)
    return _chain(graph, call, "Mul", values)


def concatenate(graph: GraphBuilder, call: Call) -> Value:
    """Along any axis but the batch."""
    values, _ = _joined(call)
    names = [graph.plain(value) for value in values]
    result = graph.node("Concat", names, call.name, axis=call.axis(call.layer.axis))
    return Value(name=result, shape=call.shape, non_negative=all(value.non_negative for value in values))


def flip(graph: GraphBuilder, call: Call) -> Value:
    """Along one axis: of the channels, RGB becomes BGR."""
    axis = call.layer.axis
    if not isinstance(axis, int) or axis == 0:
        raise call.refused(f"runs along the axes {axis}", "one axis that is not the batch")
    size = call.shape[axis if axis < 0 else axis - 1]
    order = graph.constant(f"{call.name}.order", np.arange(size)[::-1])
    result = graph.node("Gather", [graph.plain(call.value), order], call.name, axis=call.axis(axis))
    return Value(name=result, shape=call.shape, non_negative=call.value.non_negative)


def reshape(graph: GraphBuilder, call: Call) -> Value:
    """Flatten and Reshape. Keras counts the channels last, so an image is turned first, and a result back."""
    value = call.value
    source = graph.plain(value)
    if _order_matters(value.shape):
        source = graph.node("Transpose", [source], f"{call.name}.channels_last", perm=[0, 2, 3, 1])
    turn = _order_matters(call.shape)
    wanted = call.shape if turn or len(call.shape) != 3 else (call.shape[2], *call.shape[:2])
    shape = graph.constant(f"{call.name}.shape", [0, *wanted])  # 0: the batch as it is
    result = graph.node("Reshape", [source, shape], call.name)
    if turn:
        result = graph.node("Transpose", [result], f"{call.name}.channels_first", perm=[0, 3, 1, 2])
    return Value(name=result, shape=call.shape, non_negative=value.non_negative)


def nothing(graph: GraphBuilder, call: Call) -> Value:
    """Layers that only training knows."""
    return call.value


ROWS: Final = (
    Row(layer="Conv2D", emit=window.conv2d),
    Row(layer="DepthwiseConv2D", emit=window.depthwise_conv2d),
    Row(layer="SeparableConv2D", emit=window.separable_conv2d),
    Row(layer="ZeroPadding2D", emit=window.zero_padding2d),
    Row(layer="Cropping2D", emit=window.cropping2d),
    Row(layer="MaxPooling2D", emit=window.max_pooling2d),
    Row(layer="AveragePooling2D", emit=window.average_pooling2d),
    Row(layer="GlobalAveragePooling2D", emit=window.global_average_pooling2d),
    Row(layer="Dense", emit=dense),
    Row(layer="BatchNormalization", emit=batch_normalization),
    Row(layer="LayerNormalization", emit=layer_normalization),
    Row(layer="LayerScale", emit=layer_scale),
    Row(layer="Normalization", emit=normalization),
    Row(layer="Rescaling", emit=rescaling),
    Row(layer="Activation", emit=activation),
    Row(layer="ReLU", emit=relu),
    Row(layer="Softmax", emit=softmax),
    Row(layer="Add", emit=add, operator=True),
    Row(layer="CustomScaleLayer", emit=scaled_sum),
    Row(layer="Multiply", emit=multiply, operator=True),
    Row(layer="Concatenate", emit=concatenate),
    Row(layer="Flip", emit=flip, operator=True),
    Row(layer="Flatten", emit=reshape),
    Row(layer="Reshape", emit=reshape),
    Row(layer="Dropout", emit=nothing),
    Row(layer="StochasticDepth", emit=nothing),
)

_BY_NAME: Final = {row.layer: row for row in ROWS}


def row_of(layer: Any) -> Row | None:
    """The row for a Keras layer or operation; None: the table has none, or it is someone's own class."""
    row = _BY_NAME.get(type(layer).__name__)
    if row is None or not type(layer).__module__.startswith("keras."):
        return None
    return row if row.operator or isinstance(layer, keras.layers.Layer) else None


def _joined(call: Call) -> tuple[list[Value], float | None]:
    """The tensors that a layer or operator joins, and the operator's number."""
    values = [operand for operand in call.operands if isinstance(operand, Value)]
    numbers = [operand for operand in call.operands if not isinstance(operand, Value)]
    if len({len(value.shape) for value in values}) != 1:
        raise call.refused("joins tensors of different ranks", "tensors of one rank")
    return values, numbers[0] if numbers else None


def _chain(graph: GraphBuilder, call: Call, op: str, values: list[Value]) -> Value:
    """a op b op c; quantizers know the node of two inputs best."""
    result = graph.plain(values[0])
    for value in values[1:]:
        result = graph.node(op, [result, graph.plain(value)], call.name)
    return Value(name=result, shape=call.shape, non_negative=all(value.non_negative for value in values))


def _order_matters(shape: tuple[int, ...]) -> bool:
    """Whether (h, w, c) and (c, h, w) lie differently in memory."""
    return len(shape) == 3 and shape[2] > 1 and shape[0] * shape[1] > 1
