"""Layers that slide a window over an image: convolutions, pooling, and the padding before them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from automl.graph.activations import activate
from automl.graph.call import Call, floats
from automl.graph.nodes import NO_PADS, Floats, GraphBuilder, Pads, Value

LOWEST: Final = float(np.finfo(np.float32).min)  # stands for -inf, which not every runtime and quantizer carries

Pair = tuple[int, int]  # of height and width


def conv2d(graph: GraphBuilder, call: Call) -> Value:
    """Kernel (h, w, channels / groups, filters)."""
    layer = call.layer
    kernel = floats(layer.kernel).transpose(3, 2, 0, 1)
    convolved = _convolve(graph, call, call.value, call.name, kernel, layer.groups)
    return activate(graph, convolved, layer.activation, f"{call.name}.activation")


def depthwise_conv2d(graph: GraphBuilder, call: Call) -> Value:
    """Kernel (h, w, channels, multiplier); the outputs of one channel lie side by side."""
    layer = call.layer
    convolved = _convolve(graph, call, call.value, call.name, _depthwise(layer.kernel), call.value.shape[2])
    return activate(graph, convolved, layer.activation, f"{call.name}.activation")


def separable_conv2d(graph: GraphBuilder, call: Call) -> Value:
    """A depthwise convolution without bias, then one of 1x1."""
    layer, channels = call.layer, call.value.shape[2]
    bare = _convolve(
        graph, call, call.value, f"{call.name}.depthwise", _depthwise(layer.depthwise_kernel), channels, bias=False
    )
    kernel = floats(layer.pointwise_kernel).transpose(3, 2, 0, 1)
    convolved = pointwise(graph, bare, call.name, kernel, _bias(layer, len(kernel)))
    return activate(graph, convolved, layer.activation, f"{call.name}.activation")


def pointwise(graph: GraphBuilder, value: Value, name: str, kernel: Floats, bias: Floats) -> Value:
    """A convolution of 1x1; kernel (outputs, inputs, 1, 1)."""
    result = graph.linear("Conv", graph.plain(value), name, kernel=kernel, bias=bias, outputs_last=False)
    return Value(name=result, shape=(*value.shape[:2], len(kernel)))


def zero_padding2d(graph: GraphBuilder, call: Call) -> Value:
    """No node: whoever reads the value puts the zeros around it, most often in its own attributes."""
    (top, bottom), (left, right) = call.layer.padding
    return replace(call.value, shape=call.shape, pads=_sum(call.value.pads, (top, left, bottom, right)))


def cropping2d(graph: GraphBuilder, call: Call) -> Value:
    """Takes away zeros that are still to be put around the image first, then pixels of the image."""
    (top, bottom), (left, right) = call.layer.cropping
    value, cut = call.value, (top, left, bottom, right)
    pixels = _less(cut, value.pads)
    height, width = _bare(value)
    if pixels[0] + pixels[2] >= height or pixels[1] + pixels[3] >= width:  # nothing but zeros is left
        value, pixels = replace(value, name=graph.plain(value), pads=NO_PADS), cut
        height, width = _bare(value)
    name = value.name
    if any(pixels):
        starts = graph.constant(f"{call.name}.starts", pixels[:2])
        ends = graph.constant(f"{call.name}.ends", [height - pixels[2], width - pixels[3]])
        axes = graph.constant(f"{call.name}.axes", [2, 3])
        name = graph.node("Slice", [name, starts, ends, axes], call.name)
    return replace(value, name=name, shape=call.shape, pads=_less(value.pads, cut))


def max_pooling2d(graph: GraphBuilder, call: Call) -> Value:
    """Its own padding never wins. Zeros around it (ZeroPadding2D) do, over negative pixels.

    A Pad node of zeros before MaxPool is what onnxruntime (1.31 at least) turns into padding of -inf, so none is
    written: the zeros come back as a constant by Max, where a window reaches over the border (docs/design.md,
    decision 8).
    """
    layer, value = call.layer, call.value
    own = _own_pads(value, layer.padding, layer.pool_size, layer.strides)
    pads = _sum(value.pads, own)
    source = value.name
    if _overhang(pads, layer.pool_size):
        source, pads = graph.pad(value, pads, LOWEST), NO_PADS
    result = graph.node(
        "MaxPool", [source], call.name, kernel_shape=layer.pool_size, strides=layer.strides, pads=pads
    )  # fmt: skip
    border = _border(value, own, layer.pool_size, layer.strides)
    # A window narrower than its padding may see nothing but zeros, which LOWEST must not replace.
    if np.any(border == 0) and (source != value.name or not value.non_negative):
        floor = graph.constant(f"{call.name}.border", border[None, None])
        result = graph.node("Max", [result, floor], f"{call.name}.max")
    return Value(name=result, shape=call.shape, non_negative=value.non_negative)


def average_pooling2d(graph: GraphBuilder, call: Call) -> Value:
    """Its own padding is not counted in the mean (TensorFlow's rule); zeros around it (ZeroPadding2D) are."""
    layer, value = call.layer, call.value
    own = _own_pads(value, layer.padding, layer.pool_size, layer.strides)
    if any(value.pads) and (any(own) or _overhang(value.pads, layer.pool_size)):
        return _average_by_convolution(graph, call, own)
    counted = any(value.pads)
    result = graph.node(
        "AveragePool", [value.name], call.name,
        kernel_shape=layer.pool_size, strides=layer.strides, pads=value.pads if counted else own,
        count_include_pad=int(counted),
    )  # fmt: skip
    return Value(name=result, shape=call.shape, non_negative=value.non_negative)


def _average_by_convolution(graph: GraphBuilder, call: Call, own: Pads) -> Value:
    """The same mean where one AveragePool node cannot tell the two paddings apart.

    A Pad node before it is no way out: onnxruntime moves the zeros into the node, where they are counted wrongly.
    """
    layer, value = call.layer, call.value
    area, channels = math.prod(layer.pool_size), call.shape[2]
    result = graph.linear(
        "Conv", value.name, call.name,
        kernel=np.full((channels, 1, *layer.pool_size), 1 / area), bias=np.zeros(channels), outputs_last=False,
        kernel_shape=layer.pool_size, strides=layer.strides, group=channels, pads=_sum(value.pads, own),
    )  # fmt: skip
    counted = _windows(np.ones(value.shape[:2]), own, 0.0, layer.pool_size, layer.strides).sum(axis=(2, 3))
    return graph.affine(Value(name=result, shape=call.shape), area / counted[None, :, :, None], np.zeros(()), call.name)


def global_average_pooling2d(graph: GraphBuilder, call: Call) -> Value:
    """The mean of each channel, as (batch, channels) or as an image of one pixel."""
    result = graph.node("GlobalAveragePool", [graph.plain(call.value)], call.name)
    if not call.layer.keepdims:
        result = graph.node("Flatten", [result], f"{call.name}.flat", axis=1)
    return Value(name=result, shape=call.shape, non_negative=call.value.non_negative)


def same_pads(size: int, window: int, stride: int, dilation: int = 1) -> Pair:
    """How many zeros padding="same" puts before and after one axis.

    Source: tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2; the odd one comes after.
    """
    total = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def _convolve(
    graph: GraphBuilder, call: Call, value: Value, name: str, kernel: Floats, groups: int, *, bias: bool = True
) -> Value:
    """One Conv node; kernel (filters, channels / groups, h, w). The layer gives strides, dilation, padding, bias."""
    layer = call.layer
    own = _own_pads(value, layer.padding, kernel.shape[2:], layer.strides, layer.dilation_rate)
    result = graph.linear(
        "Conv", value.name, name,
        kernel=kernel, bias=_bias(layer, len(kernel)) if bias else np.zeros(len(kernel)), outputs_last=False,
        kernel_shape=kernel.shape[2:], strides=layer.strides, dilations=layer.dilation_rate, group=groups,
        pads=_sum(value.pads, own),
    )  # fmt: skip
    return Value(name=result, shape=(*call.shape[:2], len(kernel)))


def _depthwise(kernel: Any) -> Floats:
    """(h, w, channels, multiplier) to (channels * multiplier, 1, h, w)."""
    array = floats(kernel)
    return array.reshape(*array.shape[:2], 1, -1).transpose(3, 2, 0, 1)


def _bias(layer: Any, n: int) -> Floats:
    return floats(layer.bias) if layer.use_bias else np.zeros(n)


def _own_pads(value: Value, padding: str, window: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Pads:
    """What padding="same" puts around a value, whose pads count as pixels already."""
    if padding == "valid":
        return NO_PADS
    (top, bottom), (left, right) = (
        same_pads(size, *rest) for size, *rest in zip(value.shape[:2], window, strides, dilation, strict=True)
    )
    return top, left, bottom, right


def _sum(inner: Pads, outer: Pads) -> Pads:
    top, left, bottom, right = (a + b for a, b in zip(inner, outer, strict=True))
    return top, left, bottom, right


def _less(pads: Pads, taken: Pads) -> Pads:
    """What is left of each side, 0 at least."""
    top, left, bottom, right = (max(a - b, 0) for a, b in zip(pads, taken, strict=True))
    return top, left, bottom, right


def _bare(value: Value) -> Pair:
    """Height and width without the zeros that are still to be put around it."""
    top, left, bottom, right = value.pads
    return value.shape[0] - top - bottom, value.shape[1] - left - right


def _overhang(pads: Pads, window: Pair) -> bool:
    """Whether a window could lie in the padding alone, which onnxruntime's pooling nodes refuse."""
    return any(pad >= size for pad, size in zip(pads, window * 2, strict=True))


def _border(value: Value, own: Pads, window: Pair, strides: Pair) -> Floats:
    """What each window of a max pooling sees of the zeros around the image: 0, or LOWEST where it sees none.

    Returns: (height, width) of the pooled image.
    """
    top, left, bottom, right = value.pads
    plane = np.zeros(value.shape[:2])
    plane[top : plane.shape[0] - bottom, left : plane.shape[1] - right] = LOWEST
    return np.asarray(_windows(plane, own, LOWEST, window, strides).max(axis=(2, 3)))


def _windows(plane: Floats, own: Pads, fill: float, window: Pair, strides: Pair) -> Floats:
    """What each window of a pooling sees of one plane (h, w): (pooled h, pooled w, window h, window w)."""
    top, left, bottom, right = own
    padded = np.pad(plane, ((top, bottom), (left, right)), constant_values=fill)
    return sliding_window_view(padded, window)[:: strides[0], :: strides[1]]
