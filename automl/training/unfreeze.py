"""Which layers of a network train, and how BatchNorm behaves in them."""

from __future__ import annotations

from math import ceil
from typing import Any, Final

import keras

from automl.types import BatchNorm

# Of BatchNorm's running statistics where it trains. Keras' default of 0.99 (0.999 in the ImageNet nets) takes longer to
# follow the new weights than a small set trains.
MOMENTUM: Final = 0.9
HEAD: Final = ("dropout", "logits", "probabilities")  # trains always; "standardise" never does: it is the probe's


def unfreeze(model: Any, share: float, batchnorm: BatchNorm) -> int:
    """Let the head and the last layers of the backbone train, and freeze the others.

    A frozen BatchNorm normalises with its running statistics, also while training (Keras' rule for trainable=False).

    Args:
        model: a whole network of nets/build.py; changed in place. Compile it afterwards.
        share: of the backbone's layers that have weights, counted from the head; 0: the head alone, 1: all.
        batchnorm: of that share, frozen or training.
    Returns: how many of the backbone's layers train.
    """
    names = [layer.name for layer in model.layers]
    backbone = [layer for layer in model.layers[: names.index("features")] if layer.weights]
    chosen = backbone[len(backbone) - ceil(share * len(backbone)) :]
    if batchnorm == "frozen":
        chosen = [layer for layer in chosen if not isinstance(layer, keras.layers.BatchNormalization)]
    for layer in model.layers:
        layer.trainable = layer.name in HEAD
    for layer in chosen:
        layer.trainable = True
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    return len(chosen)
