"""Small Keras models for the writer's tests, and both ways to run them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers
from keras.src.applications.convnext import LayerScale
from numpy.typing import NDArray

from automl.graph.session import open_session, predict
from automl.graph.writer import write_onnx

CLASSES = ("left", "right", "Zwerg Nase")


def picture(height: int, width: int) -> Any:
    return keras.Input((height, width, 3), name="image")


def signed(image: Any, channels: int) -> Any:
    """Values of both signs in as many channels as wanted, with a bare convolution last."""
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    return layers.Conv2D(channels, 1, use_bias=False, name="stem")(x)


def finished(image: Any, x: Any, *, classify: Any = None) -> keras.Model:
    """A model whose features are all of x, and whose probabilities come from `classify` (or x too)."""
    features = layers.Flatten(name="features")(x)
    base = x if classify is None else classify
    pooled = layers.GlobalAveragePooling2D()(base) if len(base.shape) == 4 else layers.Flatten()(base)
    return keras.Model(image, [layers.Activation("softmax", name="probabilities")(layers.Dense(3)(pooled)), features])


def shake(model: keras.Model, seed: int = 1) -> keras.Model:
    """Give every weight a value that hides nothing: offsets, statistics, scales of both signs."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        kind = weight.path.rsplit("/", 1)[-1]
        if "variance" in kind:
            weight.assign(rng.uniform(0.4, 2.0, weight.shape))
        elif kind == "gamma":
            weight.assign(rng.choice([-1, 1], weight.shape) * rng.uniform(0.5, 1.5, weight.shape))
        elif kind in {"mean", "moving_mean", "beta", "bias"}:
            weight.assign(rng.normal(0, 0.5, weight.shape))
    for layer in model._flatten_layers(recursive=True):
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
        elif isinstance(layer, LayerScale):  # 1e-6 when it is made: nothing of its block would be seen
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
    return model


def settle(model: keras.Model, pixels: NDArray[np.uint8]) -> keras.Model:
    """Set all BatchNormalization statistics to those of these pictures, or a deep net says the same of every one."""
    for layer in model._flatten_layers(recursive=True):
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    keras.Model(model.inputs[0], model.outputs)(pixels.astype(np.float32), training=True)
    return model


def pixels_for(model: keras.Model, n: int = 2, seed: int = 2) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, *model.input_shape[1:]), dtype=np.uint8)


def write(model: keras.Model, path: Path, n_classes: int = len(CLASSES)) -> onnx.ModelProto:
    names = [*CLASSES, *(f"class {n}" for n in range(n_classes))][:n_classes]
    write_onnx(model, path, class_names=names, metadata={"run": "toy"})
    return onnx.load(path)


def max_difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """The largest difference as a share of the largest wanted value."""
    return float(np.max(np.abs(found - wanted)) / max(np.max(np.abs(wanted)), np.finfo(np.float32).tiny))


def keras_outputs(model: keras.Model, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities and features as Keras has them."""
    bare = keras.Model(model.inputs[0], model.outputs)  # takes an array, whatever structure the model's inputs have
    probabilities, features = (np.asarray(one) for one in bare(pixels.astype(np.float32), training=False))
    return probabilities, features


def differences(model: keras.Model, path: Path, pixels: NDArray[np.uint8], batch: int = 32) -> tuple[float, float]:
    """How far the file's probabilities and features are from Keras', as shares of the largest value."""
    wanted = keras_outputs(model, pixels)
    found = predict(open_session(path, threads=1), pixels, batch)
    assert [one.shape for one in found] == [one.shape for one in wanted]
    return max_difference(found[0], wanted[0]), max_difference(found[1], wanted[1])


def counted(proto: onnx.ModelProto) -> Counter[str]:
    """How many nodes of each type."""
    return Counter(node.op_type for node in proto.graph.node)
