"""The optimizer: AdamW, whose decay spares biases and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class FusedAdamW(keras.optimizers.Adam):  # type: ignore[misc]  # Keras has no types
    """Adam with decoupled weight decay, one kernel of TensorFlow's a variable.

    The arithmetic is that of keras.optimizers.AdamW, the graph is not: Keras writes some forty operations for each
    variable, the schedule's among them, and tracing them was half of the time of a network's first step.

    Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.
    """

    def __init__(self, *, learning_rate: Any, decay: float) -> None:
        """See adamw. Decay pulls on all that was not excluded (exclude_from_weight_decay)."""
        super().__init__(learning_rate=learning_rate)
        self.decay = decay
        self._powers: tuple[Any, Any] | None = None  # of the betas, while a step is applied

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Apply the gradients; what all variables share is computed once."""
        step = tf.cast(self.iterations + 1, tf.float32)
        self._powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        super().apply(grads, trainable_variables)
        self._powers = None

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Shrink the variable, then move it."""
        assert self._powers is not None
        rate, place = tf.cast(learning_rate, tf.float32), self._get_variable_index(variable)
        if self.decay and self._use_weight_decay(variable):
            variable.assign(variable * (1 - self.decay * rate))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=self._powers[0],
            beta2_power=self._powers[1],
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def adamw(variables: Sequence[Any], *, learning_rate: Any, weight_decay: float) -> FusedAdamW:
    """A built AdamW for these variables, of dtype float32; its first moments are zero.

    Decay pulls on kernels alone: biases and the scales and shifts of BatchNorm, all of rank 1, have no direction in
    which smaller is simpler, and a decayed scale only changes the effective rate of the kernel before it.

    Args:
        variables: the variables that train.
        learning_rate: a number or a Keras schedule.
        weight_decay: a step shrinks kernels by the factor 1 - rate * weight_decay.
    Source: He et al. 2018, arXiv:1812.01187, section 3.1 (no bias decay).
    """
    optimizer = FusedAdamW(learning_rate=learning_rate, decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    optimizer.build(variables)
    return optimizer
