"""The optimizer: AdamW, whose decay spares biases and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def adamw(variables: Sequence[Any], *, learning_rate: Any, weight_decay: float) -> Any:
    """A built Keras AdamW for these variables; its first moments are zero.

    Decay pulls on kernels alone: biases and the scales and shifts of BatchNorm, all of rank 1, have no direction in
    which smaller is simpler, and a decayed scale only changes the effective rate of the kernel before it.

    Args:
        variables: the variables that train.
        learning_rate: a number or a Keras schedule.
        weight_decay: a step shrinks kernels by the factor 1 - rate * weight_decay.
    Source: Loshchilov and Hutter 2019, arXiv:1711.05101; He et al. 2018, arXiv:1812.01187, section 3.1 (no bias decay).
    """
    optimizer = keras.optimizers.AdamW(learning_rate=learning_rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    optimizer.build(variables)
    return optimizer
