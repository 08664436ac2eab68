"""What a network costs, counted from its layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers


def multiply_adds(model: Any) -> int:
    """Of one image, in convolutions and dense layers: weights of a kernel times the places where it is applied."""
    total = 0
    kernels: tuple[Any, ...]
    for layer in model._flatten_layers(recursive=True):
        if isinstance(layer, layers.SeparableConv2D):
            kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense):
            kernels = (layer.kernel,)
        else:
            continue
        total += sum(int(np.prod(kernel.shape)) for kernel in kernels) * int(np.prod(layer.output.shape[1:-1]))
    return total
