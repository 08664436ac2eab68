"""Our own small net: for images under 64 px, and where no pretrained weights can be had.

A ResNet in miniature (He et al. 2016, arXiv:1512.03385). Plain 3x3 convolutions: on a CPU they train faster than the
depthwise ones that save multiply-adds. No residual block works at the stem's resolution: one there took a third of
the time and gained nothing on handwritten digits.
"""

from __future__ import annotations

from typing import Any, Final

import keras
from keras import layers

STEM: Final = 16  # channels
WIDTHS: Final = (32, 64, 128)  # channels of the residual blocks, each at half the resolution before it
TRUNK_PX: Final = 48  # the stem ends with at most this edge; larger images are halved until they do
MOMENTUM: Final = 0.9  # of BatchNorm: a small set has too few steps an epoch for Keras' 0.99


def build_smallnet(*, input_tensor: Any) -> keras.Model:
    """Image to last feature map, untrained.

    Args:
        input_tensor: symbolic, float32 (batch, size, size, 3), values -1..1.
    Returns: a functional model from that tensor's own inputs; output float32 (batch, s, s, 128), s an eighth of the
        edge that the stem ends with.
    """
    x = _convolution(input_tensor, STEM, stride=2 if input_tensor.shape[1] > TRUNK_PX else 1)
    while x.shape[1] > TRUNK_PX:
        x = layers.MaxPooling2D(2)(x)
    for width in WIDTHS:
        x = _residual(x, width)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name="smallnet")


def _residual(x: Any, width: int) -> Any:
    """Two convolutions beside a short cut; halves the resolution."""
    straight = _convolution(x, width, stride=2)
    straight = _convolution(straight, width, activate=False)
    short = _convolution(x, width, stride=2, size=1, activate=False)
    return layers.ReLU()(layers.Add()([straight, short]))


def _convolution(x: Any, width: int, *, stride: int = 1, size: int = 3, activate: bool = True) -> Any:
    """Convolution without bias, BatchNorm, and ReLU if asked."""
    x = layers.Conv2D(width, size, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    return layers.ReLU()(x) if activate else x
