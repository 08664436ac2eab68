from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image as PillowImage
from sklearn.datasets import load_digits

from automl.nets.build import build_backbone, build_network
from automl.nets.catalogue import SMALLNET
from automl.nets.smallnet import TRUNK_PX
from automl.types import Network


@pytest.mark.parametrize(
    ("size_px", "stem_px"), [(16, 16), (48, 48), (49, 25), (96, 48), (97, 24), (160, 40), (224, 28)]
)
def test_large_images_are_halved_before_the_trunk_so_that_it_stays_quick(size_px: int, stem_px: int) -> None:
    first = next(layer for layer in build_backbone(SMALLNET, size_px).layers if isinstance(layer, keras.layers.Add))
    assert first.output.shape[1] == -(-stem_px // 2)
    assert stem_px <= TRUNK_PX


def test_it_is_built_of_layers_that_the_onnx_writer_knows() -> None:
    kinds = {type(layer).__name__ for layer in build_backbone(SMALLNET, 160).layers}
    assert kinds == {"InputLayer", "Rescaling", "Conv2D", "BatchNormalization", "ReLU", "Add", "MaxPooling2D"}


@pytest.mark.slow
def test_it_learns_handwritten_digits_in_12_epochs() -> None:
    digits = load_digits()
    images = [PillowImage.fromarray((image * 15.9375).astype(np.uint8)).resize((32, 32)) for image in digits.images]
    pixels = np.stack([np.asarray(image.convert("RGB")) for image in images])
    order = np.random.default_rng(2).permutation(len(pixels))
    train, test = order[:1250], order[1420:]
    keras.utils.set_random_seed(2)
    model = build_network(Network(backbone="smallnet", size_px=32, classes=tuple("0123456789"), dropout=0.1))
    model = keras.Model(model.inputs, model.outputs[0])
    rate = keras.optimizers.schedules.CosineDecay(1e-5, 432, warmup_target=2e-3, warmup_steps=48)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4), "sparse_categorical_crossentropy")
    model.fit(pixels[train], digits.target[train], batch_size=32, epochs=12, verbose=0)
    predicted = model.predict(pixels[test], verbose=0).argmax(axis=1)
    assert (predicted == digits.target[test]).mean() >= 0.985
