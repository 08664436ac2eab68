"""The schedules of a pruning: tfmot's own while they are not cut, and whole where they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tensorflow as tf

from automl.bridge import schedule as module
from automl.bridge.schedule import Plan, Schedule
from automl.bridge.tfmot import sparsity as tfmot

PLAN = Plan(sparsity=0.6, learning_rate=1e-3, epochs=9, steps=15, label_smoothing=0.1, seed=3)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 7), (6, 15), (4, 50)])
def test_the_last_update_of_the_masks_comes_within_the_training_and_at_the_full_sparsity(epochs, steps):
    made = Schedule(replace(PLAN, epochs=epochs, steps=steps))
    updates = [step for step in range(1, epochs * steps + 1) if bool(made(step)[0])]
    assert 1 <= len(updates) <= 2 * module.MASK_UPDATES
    assert float(made(updates[-1])[1]) == pytest.approx(PLAN.sparsity)
    assert updates[-1] <= max(1, 0.6 * epochs * steps)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (6, 15), (4, 50)])
def test_a_schedule_that_is_not_cut_is_tfmots_own_to_the_bit(epochs, steps):
    made = Schedule(replace(PLAN, epochs=epochs, steps=steps))
    end = made.last_update
    frequency = min(step for step in range(1, end + 1) if bool(made(step)[0]))
    theirs = tfmot.PolynomialDecay(0.0, PLAN.sparsity, begin_step=0, end_step=end, frequency=frequency)
    for number in range(1, epochs * steps + 1):
        step = tf.constant(number, tf.int64)
        assert [one.numpy() for one in made(step)] == [one.numpy() for one in theirs(step)]


@pytest.mark.parametrize("epochs", [2, 3, 6])
@pytest.mark.parametrize("done", [9, 30, 44])
def test_a_schedule_cut_at_any_step_still_comes_to_the_full_sparsity_once_and_to_a_rate_of_zero(epochs, done):
    made = Schedule(replace(PLAN, epochs=9, steps=15))
    epochs = max(epochs, done // 15 + 1)
    made.cut(epochs, done=done)
    updates = [step for step in range(done + 1, epochs * 15 + 1) if bool(made(step)[0])]
    assert updates[-1] == made.last_update == max(done + 1, updates[-1])
    assert float(made(updates[-1])[1]) == pytest.approx(PLAN.sparsity)
    assert float(made.learning_rate(epochs * 15)) == pytest.approx(0, abs=1e-9)
    made.cut(epochs, done=made.last_update)
    assert not any(bool(made(step)[0]) for step in range(updates[-1] + 1, epochs * 15 + 1))
