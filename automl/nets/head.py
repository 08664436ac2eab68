"""The layers on top of the features, and how a probe becomes their weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray


def classification_head(features: Any, *, n_classes: int, dropout: float) -> Any:
    """Standardise, drop out, one dense layer, softmax.

    Args:
        features: symbolic, float32 (batch, d).
        dropout: share of standardised features dropped while training, 0..1.
    Returns: symbolic, float32 (batch, n_classes); rows sum to 1.
    """
    # Mean and variance are weights of the layer (not arguments), so that a weights file alone carries them.
    x = layers.Normalization(name="standardise")(features)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(n_classes, name="logits")(x)
    return layers.Activation("softmax", name="probabilities")(x)


def set_head(
    model: keras.Model,
    *,
    mean: NDArray[np.floating[Any]],
    scale: NDArray[np.floating[Any]],
    kernel: NDArray[np.floating[Any]],
    bias: NDArray[np.floating[Any]],
) -> None:
    """Make the head predict what the probe predicts: softmax(((features - mean) / scale) @ kernel + bias).

    The layer divides by scale * sqrt(d) and the kernel is multiplied by sqrt(d): the same function, but inputs of
    unit length, with which a step of the dense layer moves the logits d times less (docs/design.md, decision 15).
    Args:
        mean: (d,); scale: (d,), positive; kernel: (d, classes); bias: (classes,).
    """
    d = len(mean)
    standardise = model.get_layer("standardise")
    standardise.adapt_mean.assign(mean.reshape(standardise.adapt_mean.shape))
    standardise.adapt_variance.assign((scale**2 * d).reshape(standardise.adapt_variance.shape))
    standardise.finalize_state()  # or the layer would go on with the constants it was built with
    logits = model.get_layer("logits")
    logits.kernel.assign(kernel * np.sqrt(d))
    logits.bias.assign(bias)
    # A function compiled before holds the old constants; the next call compiles it again.
    model.predict_function = None
