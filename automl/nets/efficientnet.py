"""EfficientNet B0 to B7 as their ImageNet weights want them.

Keras divides once more by the root of ImageNet's deviation, but only in a network that it fills with these weights
itself (keras/src/applications/efficientnet.py). One that is built bare and filled from the file would see half of the
contrast that the weights were trained with.
"""

from __future__ import annotations

import math
from typing import Any, Final, cast

import keras
from keras import layers

DEVIATION: Final = (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue, for pixels 0..1


def build_efficientnet(*, variant: str, input_tensor: Any, **arguments: Any) -> keras.Model:
    """Image to last feature map, untrained.

    Args:
        variant: its name in keras.applications.
        input_tensor: symbolic, float32 (batch, size, size, 3), values 0..255.
        arguments: what else Keras is given.
    """

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        result = layer(*args, **kwargs)
        if isinstance(layer, layers.Normalization):
            result = layers.Rescaling([1 / math.sqrt(one) for one in DEVIATION], name="rescale_deviation")(result)
        return result

    bare = getattr(keras.applications, variant)(input_tensor=input_tensor, **arguments)
    return cast("keras.Model", keras.models.clone_model(bare, call_function=call))
