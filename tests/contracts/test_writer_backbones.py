"""Every backbone of the catalogue goes through our writer and comes out of onnxruntime as Keras runs it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from automl.nets.build import build_network
from automl.nets.catalogue import BACKBONES, Backbone
from automl.types import Network
from tests.onnx_toys import CLASSES, counted, differences, keras_outputs, picture, pixels_for, settle, shake, write


@pytest.mark.parametrize("row", BACKBONES, ids=lambda row: row.name)
def test_network_is_written_as_keras_runs_it(row: Backbone, tmp_path: Path):
    keras.utils.set_random_seed(1)
    model = shake(build_network(Network(backbone=row.name, size_px=64, classes=CLASSES)))
    contrast = np.linspace(0.1, 1, 6)[:, None, None, None]
    pixels = (pixels_for(model, n=6) * contrast).astype(np.uint8)
    nodes = counted(write(settle(model, pixels), tmp_path / "net.onnx"))
    wanted = keras_outputs(model, pixels)
    assert min(np.ptp(one, axis=0).max() / one.max() for one in wanted) > 0.01, "pictures that look alike prove little"
    probabilities, features = differences(model, tmp_path / "net.onnx", pixels, batch=4)
    # Keras itself moves by 2e-5 if the pixels move by one rounding; EfficientNetV2B0 by 1.2e-4 on a CPU with AVX2
    # alone, by less than 1e-4 on one with AVX-512.
    assert max(probabilities, features) < 3e-4
    assert nodes["Transpose"] == 1
    assert nodes["Pad"] == 0


def test_rows_were_seen():
    assert len(BACKBONES) >= 4


@pytest.mark.slow
def test_resnet50v2_is_written_as_keras_runs_it(tmp_path: Path):
    """Its max pooling has zeros around pixels that may be negative: onnxruntime's trap (DESIGN, decision 8)."""
    image = picture(96, 96)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    net = keras.applications.ResNet50V2(weights=None, include_top=False, input_tensor=x)
    features = layers.GlobalAveragePooling2D(name="features")(net.output)
    model = keras.Model(image, [layers.Dense(3, activation="softmax", name="probabilities")(features), features])
    shake(model)
    model.get_layer("conv1_conv").bias.assign(np.full(64, -3.0))  # most pixels below 0: the border decides
    assert counted(write(model, tmp_path / "net.onnx"))["Max"] == 1
    assert max(differences(model, tmp_path / "net.onnx", pixels_for(model))) < 1e-4
