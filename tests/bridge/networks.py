"""Networks of the catalogue with random numbers for all weights: untrained zeros and ones would hide a mix-up."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from automl.nets.build import build_network
from automl.types import Network

CLASSES = ("across", "down", "slant")


def random_network(backbone: str, size_px: int = 64) -> Any:
    """A whole network; below 64 px the ImageNet ones lack their deepest layers, which have no second pixel there.

    BatchNorm has the statistics of random images, or signals would die out on the way.
    """
    keras.utils.set_random_seed(5)
    model = build_network(Network(backbone=backbone, size_px=size_px, classes=CLASSES, dropout=0.2))
    rng = np.random.default_rng(5)
    for weight in model.weights:
        if weight.name in {"bias", "beta"}:
            weight.assign(rng.normal(0, 0.1, weight.shape))
        elif weight.name == "gamma":
            weight.assign(rng.uniform(0.6, 1.4, weight.shape))
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(random_images(16, size_px).astype(np.float32), training=True)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    head = model.get_layer("standardise")
    head.adapt_mean.assign(rng.normal(0, 0.1, head.adapt_mean.shape))
    head.adapt_variance.assign(rng.uniform(0.6, 1.4, head.adapt_variance.shape))
    head.finalize_state()
    return model


def random_images(n: int, size_px: int = 64) -> NDArray[np.uint8]:
    """uint8 (n, size, size, 3)."""
    return np.random.default_rng(6).integers(0, 256, (n, size_px, size_px, 3), dtype=np.uint8)


def same_weights(one: list[Any], other: list[Any]) -> bool:
    """Whether two lists of arrays are equal bit for bit."""
    return [array.tobytes() for array in one] == [array.tobytes() for array in other]
