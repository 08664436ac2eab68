""".keras files as users have them: tiny networks that Keras saves, and what can be made of such a file by hand."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers

from tests.onnx_toys import shake

SIZE_PX = 24


def image(size_px: int | None = SIZE_PX) -> Any:
    return keras.Input((size_px, size_px, 3))


def trunk(x: Any) -> Any:
    """Two resolutions with weights, and a BatchNorm."""
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D()(x)
    return layers.Conv2D(12, 3, padding="same", activation="relu", name="second")(x)


def extractor(size_px: int | None = SIZE_PX) -> keras.Model:
    """Image to feature map, values 0..1 inside."""
    pixels = image(size_px)
    return keras.Model(pixels, trunk(layers.Rescaling(1 / 255)(pixels)), name="extractor")


def classifier() -> keras.Model:
    """As the guides make one: augmentation, preprocess_input, a base called as a model, a head."""
    pixels = image()
    x = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)], name="augment")(pixels)
    x = keras.applications.mobilenet_v2.preprocess_input(x)
    base = keras.Model(inner := image(), trunk(inner), name="base")
    x = layers.GlobalAveragePooling2D()(base(x, training=False))
    x = layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(pixels, layers.Dense(5, activation="softmax", name="logits")(x), name="classifier")


def caffe() -> keras.Model:
    """BGR, ImageNet's mean taken off, as ResNet50's preprocess_input records it."""
    pixels = image()
    return keras.Model(pixels, trunk(keras.applications.resnet.preprocess_input(pixels)), name="caffe")


def torch() -> keras.Model:
    """DenseNet's preprocess_input, which divides twice."""
    pixels = image()
    return keras.Model(pixels, trunk(keras.applications.densenet.preprocess_input(pixels)), name="torch")


def sequential() -> keras.Model:
    """A stack of layers that ends flat: its weights fit one size above the feature maps."""
    return keras.Sequential(
        [
            image(),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(
                8, 3, padding="same", activation="relu", kernel_regularizer="l2", kernel_constraint="max_norm"
            ),
            layers.MaxPooling2D(),
            layers.Conv2D(12, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(7, activation="relu"),
            layers.Dense(3),
        ],
        name="stack",
    )


def mixed() -> keras.Model:
    """Saved while it ran in 16 bits."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return extractor()
    finally:
        keras.config.set_dtype_policy(before)


def two_branches() -> keras.Model:
    """Joined by operators, with one activation layer called twice, and names that a head of ours has too."""
    pixels = image()
    relu = layers.ReLU(name="features")
    x = relu(layers.Conv2D(8, 3, padding="same", name="dropout")(layers.Rescaling(1 / 255)(pixels)))
    x = relu(layers.BatchNormalization(name="logits")(x) + x * 2.0)
    x = layers.Conv2D(12, 3, strides=2, padding="same", name="image")(x)
    return keras.Model(pixels, x, name="branches")


def bare() -> keras.Model:
    """Nothing is done to the pixels."""
    pixels = image(None)
    return keras.Model(pixels, trunk(pixels), name="bare")


def silent() -> keras.Model:
    """Nothing is done to the pixels, and no BatchNorm remembers them."""
    pixels = image()
    x = layers.MaxPooling2D()(layers.Conv2D(8, 3, padding="same", activation="relu")(pixels))
    return keras.Model(pixels, layers.Conv2D(12, 3, padding="same")(x), name="silent")


def unwritable() -> keras.Model:
    """Allowed, but with a layer that the ONNX writer does not know."""
    pixels = image()
    x = trunk(layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, layers.GroupNormalization(groups=4, name="groups")(x), name="unwritable")


def of_one_size() -> keras.Model:
    """A weight for each place, below the feature maps that are taken."""
    pixels = image()
    x = trunk(layers.Rescaling(1 / 255)(pixels))
    x = layers.Flatten()(layers.Conv2D(1, 1)(x))
    x = layers.Reshape((12, 12, 1))(layers.Dense(144, name="places")(x))
    return keras.Model(pixels, x, name="one_size")


GOOD = (extractor, classifier, caffe, torch, sequential, mixed, two_branches)


@cache
def saved(make: Callable[[], keras.Model]) -> Path:
    """The model's file, made once a process. Do not write to it."""
    keras.utils.set_random_seed(11)
    path = Path(mkdtemp(prefix="automl-test-own-")) / f"{make.__name__}.keras"
    shake(make()).save(path)
    return path


def remade(source: Path, target: Path, *, edit: Callable[[Any], object] | None = None, **members: bytes | None) -> Path:
    """A copy of a .keras file, its config edited, and members replaced or (None) left out; '_' stands for '.'."""
    replaced: Mapping[str, bytes | None] = {name.replace("__", "."): data for name, data in members.items()}
    with zipfile.ZipFile(source) as read, zipfile.ZipFile(target, "w") as write:
        for name in read.namelist():
            data: bytes | None = replaced.get(name, read.read(name)) if name in replaced else read.read(name)
            if name == "config.json" and edit is not None:
                config = json.loads(read.read(name))
                edit(config)
                data = json.dumps(config).encode()
            if data is not None:
                write.writestr(name, data)
    return target


def with_weights(source: Path, target: Path, edit: Callable[[h5py.File], object]) -> Path:
    """A copy of a .keras file whose weights file was edited in place."""
    weights = target.with_suffix(".h5")
    with zipfile.ZipFile(source) as read:
        weights.write_bytes(read.read("model.weights.h5"))
    with h5py.File(weights, "r+") as file:
        edit(file)
    made = remade(source, target, model__weights__h5=weights.read_bytes())
    weights.unlink()
    return made


def pictures(size_px: int = SIZE_PX, n: int = 3) -> Any:
    return np.random.default_rng(4).integers(0, 256, (n, size_px, size_px, 3), dtype=np.uint8)


def copy_of(path: Path, folder: Path) -> Path:
    return Path(shutil.copy(path, folder / path.name))
