"""Every row of the ONNX writer's table, over its layer's options: Keras and onnxruntime must agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from keras.src.applications.convnext import LayerScale, StochasticDepth
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from automl.graph.activations import ACTIVATIONS
from automl.graph.layers import ROWS, Row
from tests.onnx_toys import differences, finished, picture, pixels_for, shake, signed, write

AGREEMENT = 1e-5  # largest difference allowed, as a share of the largest value

Draw = Callable[..., Any]
Tensor = Any  # Keras' symbolic one

small = st.integers(1, 3)
pairs = st.tuples(small, small)
paddings = st.sampled_from(["valid", "same"])
names = st.sampled_from([row.name for row in ACTIVATIONS])
functions = st.one_of(st.none(), names)


@st.composite
def windows(draw: Draw, *, square_strides: bool = False) -> dict[str, Any]:
    """Options of a convolution; Keras takes strides or dilation, not both."""
    strides = (draw(small),) * 2 if square_strides else draw(pairs)
    dilation = draw(pairs) if strides == (1, 1) else (1, 1)
    return {
        "kernel_size": draw(pairs), "strides": strides, "dilation_rate": dilation, "padding": draw(paddings),
        "use_bias": draw(st.booleans()), "activation": draw(functions),
    }  # fmt: skip


def conv2d(draw: Draw, x: Tensor) -> Tensor:
    groups = draw(st.sampled_from([n for n in (1, 2, 3) if x.shape[-1] % n == 0]))
    return layers.Conv2D(groups * draw(small), groups=groups, **draw(windows()))(x)


def depthwise_conv2d(draw: Draw, x: Tensor) -> Tensor:
    return layers.DepthwiseConv2D(depth_multiplier=draw(small), **draw(windows(square_strides=True)))(x)


def separable_conv2d(draw: Draw, x: Tensor) -> Tensor:
    return layers.SeparableConv2D(draw(small), depth_multiplier=draw(small), **draw(windows(square_strides=True)))(x)


def border(draw: Draw, x: Tensor) -> Tensor:
    amounts = st.integers(0, 4)
    return layers.ZeroPadding2D(((draw(amounts), draw(amounts)), (draw(amounts), draw(amounts))))(x)


def twice(draw: Draw, x: Tensor) -> Tensor:
    return border(draw, border(draw, x))


def between(draw: Draw, x: Tensor) -> Tensor:
    return border(draw, layers.ReLU()(border(draw, x)))


def zero_padding2d(draw: Draw, x: Tensor) -> Tensor:
    """Whoever reads the zeros is part of the row: they are written into the reader."""
    x = draw(st.sampled_from([border, twice, between]))(draw, x)
    readers = [conv2d, depthwise_conv2d, max_pooling2d, average_pooling2d, batch_normalization, relu]
    return draw(st.sampled_from(readers))(draw, x)


def cropping2d(draw: Draw, x: Tensor) -> Tensor:
    """Also of a border that is still to be put around the image: of some of it, of all, of more."""
    x = draw(st.sampled_from([lambda draw, x: x, border, between]))(draw, x)
    amounts = st.integers(0, 3)
    x = layers.Cropping2D(((draw(amounts), draw(amounts)), (draw(amounts), draw(amounts))))(x)
    return draw(st.sampled_from([conv2d, max_pooling2d, average_pooling2d, relu]))(draw, x)


def pooling(draw: Draw) -> dict[str, Any]:
    return {"pool_size": draw(pairs), "strides": draw(st.one_of(st.none(), pairs)), "padding": draw(paddings)}


def max_pooling2d(draw: Draw, x: Tensor) -> Tensor:
    return layers.MaxPooling2D(**pooling(draw))(x)


def average_pooling2d(draw: Draw, x: Tensor) -> Tensor:
    return layers.AveragePooling2D(**pooling(draw))(x)


def global_average_pooling2d(draw: Draw, x: Tensor) -> Tensor:
    return layers.GlobalAveragePooling2D(keepdims=draw(st.booleans()))(x)


def dense(draw: Draw, x: Tensor) -> Tensor:
    x = image_or_vector(draw, x)
    return layers.Dense(draw(small), use_bias=draw(st.booleans()), activation=draw(functions))(x)


def batch_normalization(draw: Draw, x: Tensor) -> Tensor:
    x = image_or_vector(draw, x)
    axis = draw(st.sampled_from([-1, 1] if len(x.shape) == 2 else [-1, 3, 3, 1, 2]))
    options = {"center": draw(st.booleans()), "scale": draw(st.booleans()), "epsilon": draw(st.floats(1e-5, 0.1))}
    return layers.BatchNormalization(axis=axis, **options)(x)


def normalization(draw: Draw, x: Tensor) -> Tensor:
    x = image_or_vector(draw, x)
    axis = draw(st.sampled_from([-1, None] if len(x.shape) == 2 else [-1, 3, None, 1, (2, 3), (1, 2, 3)]))
    given_values = draw(st.sampled_from([{}, {"mean": 0.3, "variance": 0.2}, {"mean": 5.0, "variance": 0.0}]))
    return layers.Normalization(axis=axis, invert=draw(st.booleans()), **given_values)(x)


def layer_normalization(draw: Draw, x: Tensor) -> Tensor:
    x = image_or_vector(draw, x)
    axis = draw(st.sampled_from([-1, len(x.shape) - 1]))
    options = {"center": draw(st.booleans()), "scale": draw(st.booleans()), "epsilon": draw(st.floats(1e-3, 0.1))}
    return layers.LayerNormalization(axis=axis, **options)(x)


def layer_scale(draw: Draw, x: Tensor) -> Tensor:
    return LayerScale(draw(st.floats(0.125, 2, width=16)), x.shape[-1])(x)


def rescaling(draw: Draw, x: Tensor) -> Tensor:
    values = st.floats(-2, 2, width=16)
    by_channel = st.lists(values, min_size=x.shape[-1], max_size=x.shape[-1])
    return layers.Rescaling(draw(st.one_of(values, by_channel)), offset=draw(st.one_of(values, by_channel)))(x)


def activation(draw: Draw, x: Tensor) -> Tensor:
    return layers.Activation(draw(st.one_of(names, st.sampled_from(["linear", "swish"]))))(image_or_vector(draw, x))


def relu(draw: Draw, x: Tensor) -> Tensor:
    some = st.sampled_from([0.0, 0.25, 1.0])
    return layers.ReLU(draw(st.sampled_from([None, 0.5, 6])), negative_slope=draw(some), threshold=draw(some))(x)


def softmax(draw: Draw, x: Tensor) -> Tensor:
    x = image_or_vector(draw, x)
    return layers.Softmax(axis=draw(st.sampled_from([-1, 1] if len(x.shape) == 2 else [-1, 1, 2, 3])))(x)


def joined(draw: Draw, x: Tensor) -> list[Tensor]:
    """The tensor, itself turned, and one pixel that is broadcast over it: two or more, in any order."""
    others = [x, layers.ReLU()(x), layers.GlobalAveragePooling2D(keepdims=True)(x)]
    return [x, *draw(st.lists(st.sampled_from(others), min_size=1, max_size=3))]


def add(draw: Draw, x: Tensor) -> Tensor:
    number = draw(st.floats(-3, 3, width=16))
    tensors = joined(draw, x)
    return draw(st.sampled_from([lambda: layers.Add()(tensors), lambda: x + number, lambda: number + x + tensors[1]]))()


def multiply(draw: Draw, x: Tensor) -> Tensor:
    number = draw(st.floats(0.125, 3, width=16))
    tensors = joined(draw, x)
    product = st.sampled_from([lambda: layers.Multiply()(tensors), lambda: x * number, lambda: number * x * tensors[1]])
    return draw(product)()


def scaled_sum(draw: Draw, x: Tensor) -> Tensor:
    other = draw(st.sampled_from([layers.ReLU(), layers.Conv2D(x.shape[-1], 1)]))(x)
    return CustomScaleLayer(draw(st.floats(0.125, 2, width=16)))(draw(st.sampled_from([[x, other], [other, x]])))


def flip(draw: Draw, x: Tensor) -> Tensor:
    x = image_or_vector(draw, x)
    return keras.ops.flip(x, axis=draw(st.sampled_from([-1, 1] if len(x.shape) == 2 else [-1, 1, 2, 3])))


def concatenate(draw: Draw, x: Tensor) -> Tensor:
    x = image_or_vector(draw, x)
    axis = draw(st.sampled_from([-1, 1] if len(x.shape) == 2 else [-1, 1, 2, 3]))
    return layers.Concatenate(axis=axis)([x, layers.Activation("tanh")(x), x][: draw(st.integers(2, 3))])


def flatten(draw: Draw, x: Tensor) -> Tensor:
    return layers.Flatten()(image_or_vector(draw, x))


def reshape(draw: Draw, x: Tensor) -> Tensor:
    """To any shape that holds as many numbers, twice, so that it is also read in any shape."""
    for _ in range(2):
        shapes = {x.shape[1:], x.shape[:0:-1], (1, 1, -1), (-1,), (1, -1), (-1, x.shape[1]), (x.shape[-1], -1, 1)}
        x = layers.Reshape(draw(st.sampled_from(sorted(shapes))))(x)
    return x


def dropout(draw: Draw, x: Tensor) -> Tensor:
    return layers.Dropout(draw(st.floats(0, 0.9)))(x)


def stochastic_depth(draw: Draw, x: Tensor) -> Tensor:
    return StochasticDepth(draw(st.floats(0, 0.9)))(x)


def image_or_vector(draw: Draw, x: Tensor) -> Tensor:
    return layers.GlobalAveragePooling2D()(x) if draw(st.booleans()) else x


TOYS: dict[str, Callable[[Draw, Tensor], Tensor]] = {
    "Conv2D": conv2d, "DepthwiseConv2D": depthwise_conv2d, "SeparableConv2D": separable_conv2d,
    "ZeroPadding2D": zero_padding2d, "Cropping2D": cropping2d, "MaxPooling2D": max_pooling2d,
    "AveragePooling2D": average_pooling2d,
    "GlobalAveragePooling2D": global_average_pooling2d, "Dense": dense, "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization, "LayerScale": layer_scale, "StochasticDepth": stochastic_depth,
    "CustomScaleLayer": scaled_sum, "Flip": flip,
    "Normalization": normalization, "Rescaling": rescaling, "Activation": activation, "ReLU": relu,
    "Softmax": softmax, "Add": add, "Multiply": multiply, "Concatenate": concatenate, "Flatten": flatten,
    "Reshape": reshape, "Dropout": dropout,
}  # fmt: skip


def test_every_row_of_the_writer_has_its_property_and_there_is_no_property_without_a_row():
    assert len(ROWS) == 26
    assert sorted(TOYS) == sorted(row.layer for row in ROWS)


def test_every_row_of_the_writer_names_a_keras_layer_or_operation():
    special = {"LayerScale": LayerScale, "StochasticDepth": StochasticDepth, "CustomScaleLayer": CustomScaleLayer}
    for row in ROWS:
        kind = special.get(row.layer) or getattr(keras.layers, row.layer, None)
        assert (row.operator and row.layer == "Flip") if kind is None else issubclass(kind, keras.layers.Layer)


# Keras warns of a softmax over one channel, which is drawn like every other number.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning:keras.src.ops.nn")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.layer)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_layer_is_written_as_keras_runs_it(row: Row, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
    draw = data.draw
    image = picture(draw(st.integers(7, 12)), draw(st.integers(7, 12)))
    stem = signed(image, draw(st.integers(1, 6)))
    # Behind a bare convolution it may be folded; behind a ReLU not; where someone else reads the convolution, never.
    before = draw(st.sampled_from(["bare", "relu", "shared"]))
    x = TOYS[row.layer](draw, layers.ReLU()(stem) if before == "relu" else stem)
    model = shake(finished(image, x, classify=stem if before == "shared" else None))
    path: Path = tmp_path_factory.mktemp("toy") / "toy.onnx"
    write(model, path)
    assert max(differences(model, path, pixels_for(model))) <= AGREEMENT


@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row.name)
def test_activation_is_written_as_keras_runs_it(row, tmp_path):
    image = picture(6, 5)
    wide = layers.Rescaling(6.0)(signed(image, 4))  # reaches both ends of the hard and clipped ones
    model = shake(finished(image, layers.Activation(row.name)(wide)))
    write(model, tmp_path / "toy.onnx")
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model, n=4))) <= AGREEMENT
