"""The learning rate of each step, and what weight decay touches."""

from __future__ import annotations

from math import cos, pi

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.training.optimizers import adamw
from automl.training.schedules import warmup_cosine


def rates(peak: float, total_steps: int, warmup: float) -> list[float]:
    schedule = warmup_cosine(peak, total_steps=total_steps, warmup=warmup)
    return [float(schedule(step)) for step in range(total_steps)]


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    expected = [0.05, 0.1] + [0.1 * (1 + cos(pi * step / 8)) / 2 for step in range(8)]
    np.testing.assert_allclose(rates(0.1, 10, 0.2)[:2], [0.05, 0.075], rtol=1e-6)
    np.testing.assert_allclose(rates(0.1, 10, 0.2)[2:], expected[2:], rtol=1e-5)


@settings(deadline=None, max_examples=30)
@given(total_steps=st.integers(1, 60), warmup=st.floats(0, 0.99))
def test_the_rate_is_positive_has_one_peak_and_reaches_it(total_steps, warmup):
    seen = np.array(rates(1.0, total_steps, warmup))
    top = int(seen.argmax())
    assert (seen > 0).all()
    assert seen[top] == pytest.approx(1.0)
    assert (np.diff(seen[: top + 1]) >= 0).all()
    assert (np.diff(seen[top:]) <= 0).all()


def test_decay_shrinks_kernels_and_spares_biases_and_normalisation():
    kernel = keras.Variable(np.ones((3, 2), np.float32), name="kernel")
    bias = keras.Variable(np.ones(2, np.float32), name="bias")
    gamma = keras.Variable(np.ones(2, np.float32), name="gamma")
    optimizer = adamw([kernel, bias, gamma], learning_rate=0.1, weight_decay=0.5)
    optimizer.apply([keras.ops.zeros((3, 2)), keras.ops.zeros(2), keras.ops.zeros(2)])
    np.testing.assert_allclose(np.asarray(kernel), 0.95, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(bias), 1)
    np.testing.assert_array_equal(np.asarray(gamma), 1)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_steps_are_those_of_keras_adamw(decay):
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(np.float32) for shape in ((5, 4), (4,))]
    gradients = [
        [rng.normal(size=start.shape).astype(np.float32) * 10.0**-step for start in starts] for step in range(6)
    ]
    ends = []
    for make in (adamw, keras_adamw):
        variables = [keras.Variable(start) for start in starts]
        optimizer = make(variables, learning_rate=warmup_cosine(0.1, total_steps=6, warmup=0.3), weight_decay=decay)
        step = tf.function(lambda *grads, optimizer=optimizer: optimizer.apply(list(grads)))
        for each in gradients:
            step(*map(tf.constant, each))
        ends.append([np.asarray(value) for value in (*variables, *optimizer.variables)])
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)  # 1 - beta ** step loses 4 digits in float32


def keras_adamw(variables, *, learning_rate, weight_decay):
    optimizer = keras.optimizers.AdamW(learning_rate=learning_rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    optimizer.build(variables)
    return optimizer
