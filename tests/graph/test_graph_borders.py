"""Zeros around a max pooling: onnxruntime takes a Pad node there for padding that never wins (DESIGN, decision 8)."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from onnx.reference import ReferenceEvaluator

from automl.graph.layers_window import same_pads
from automl.graph.session import open_session, predict
from tests.onnx_toys import (
    counted,
    differences,
    finished,
    keras_outputs,
    max_difference,
    picture,
    pixels_for,
    shake,
    signed,
    write,
)


def pooled_below_zero(size_px: int, before: layers.Layer) -> keras.Model:
    """ResNet50V2's start: convolution, zeros, max pooling; pixels far below 0, and a layer before the zeros."""
    image = picture(size_px, size_px)
    x = layers.Conv2D(4, 3, padding="same", bias_initializer=keras.initializers.Constant(-50.0))(signed(image, 3))
    return finished(image, layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(before(x))))


@pytest.mark.parametrize("size_px", [8, 9])
@pytest.mark.parametrize("slope", [None, 0.5])
def test_zeros_win_over_negative_pixels_in_every_runtime(tmp_path: Path, size_px: int, slope: float | None):
    model = pooled_below_zero(size_px, layers.ReLU(negative_slope=slope) if slope else layers.Dropout(0.5))
    pixels = pixels_for(model)
    _, wanted = keras_outputs(model, pixels)
    border = wanted.reshape(2, size_px // 2 + size_px % 2, -1, 4)
    assert np.all(border[:, 0] == 0), "the case is not what it says"
    assert np.all(border[:, 1:-1, 1:-1] < -1), "the case is not what it says"

    proto = write(model, tmp_path / "toy.onnx")
    assert (counted(proto)["Pad"], counted(proto)["Max"]) == (0, 1)
    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for found in (
        predict(open_session(tmp_path / "toy.onnx"), pixels)[1],
        predict(onnxruntime.InferenceSession(tmp_path / "toy.onnx", plain), pixels)[1],
        ReferenceEvaluator(proto).run(["features"], {"image": pixels})[0],
    ):
        assert max_difference(found, wanted) < 1e-6


def test_behind_a_relu_nothing_is_added(tmp_path: Path):
    model = pooled_below_zero(8, layers.ReLU())
    nodes = counted(write(shake(model), tmp_path / "toy.onnx"))
    assert (nodes["Pad"], nodes["Max"]) == (0, 0)
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model))) < 1e-6


@pytest.mark.parametrize("behind_relu", [False, True])
def test_a_window_that_lies_in_the_zeros_alone_gives_zero(tmp_path: Path, behind_relu: bool):
    image = picture(5, 5)
    x = signed(image, 2)
    x = layers.ZeroPadding2D(3)(layers.ReLU()(x) if behind_relu else x)
    model = finished(image, layers.MaxPooling2D(2)(x))
    pixels = pixels_for(model)
    write(model, tmp_path / "toy.onnx")
    assert np.all(keras_outputs(model, pixels)[1].reshape(2, 5, 5, 2)[:, 0] == 0), "the case is not what it says"
    assert max(differences(model, tmp_path / "toy.onnx", pixels)) < 1e-6


def test_zeros_are_put_before_a_normalisation_that_follows_them(tmp_path: Path):
    image = picture(5, 5)
    x = layers.BatchNormalization()(layers.ZeroPadding2D(1)(signed(image, 2)))
    model = shake(finished(image, x))
    write(model, tmp_path / "toy.onnx")
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model))) < 1e-6


def test_zeros_read_by_several_layers_reach_each_of_them(tmp_path: Path):
    image = picture(7, 6)
    x = layers.ZeroPadding2D(((0, 2), (3, 1)))(signed(image, 2))
    readers = [layers.MaxPooling2D(3), layers.AveragePooling2D(3), layers.Conv2D(2, 3, strides=3)]
    model = shake(finished(image, layers.Concatenate()([one(x) for one in readers])))
    write(model, tmp_path / "toy.onnx")
    assert max(differences(model, tmp_path / "toy.onnx", pixels_for(model))) < 1e-6


@given(
    size=st.integers(1, 40), window=st.integers(1, 7), stride=st.integers(1, 5), dilation=st.integers(1, 3)
)  # fmt: skip
@settings(deadline=None)
def test_same_padding_gives_one_result_a_stride_and_differs_by_one_at_most(size, window, stride, dilation):
    before, after = same_pads(size, window, stride, dilation)
    assert 0 <= after - before <= 1
    span = (window - 1) * dilation + 1
    assert (size + before + after - span) // stride + 1 == -(-size // stride)
