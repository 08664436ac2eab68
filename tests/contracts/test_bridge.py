"""What the bridge to tf_keras must hold for every family of the catalogue whose row says pruned, there and back."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tensorflow as tf

from automl.bridge.cross import TOLERANCE, Crossing, check, come_back, cross
from automl.bridge.prune import Plan, prunable, prune
from automl.nets.catalogue import smallest_members
from tests.bridge.networks import random_images, random_network, same_weights

NAMES = [row.name for row in smallest_members() if "pruned" in row.compressors]
# The largest one takes as long as the others: it is left to `make test-all`.
ROWS = [pytest.param(name, marks=pytest.mark.slow) if name == "efficientnetv2b0" else name for name in NAMES]


@cache
def crossed(backbone: str) -> tuple[Crossing, list[np.ndarray]]:
    """A crossing, and the source's weights before it."""
    model = random_network(backbone)
    before = [array.copy() for array in model.get_weights()]
    return cross(model), before


@pytest.mark.parametrize("backbone", ROWS)
def test_a_network_says_the_same_on_the_far_side_and_its_weights_come_back_bit_for_bit(backbone):
    crossing, before = crossed(backbone)
    assert same_weights(crossing.modern.get_weights(), before), "the crossing changed its source"
    assert len(crossing.pairs) == sum(bool(layer.weights) for layer in crossing.modern.layers) > 10
    images = random_images(4)
    answers = crossing.modern.predict_on_batch(images.astype(np.float32))
    assert all(np.ptp(answer, axis=0).max() > 1e-3 for answer in answers), "equal answers to all images prove nothing"
    assert check(crossing, images) < TOLERANCE / 2
    come_back(crossing)
    assert same_weights(crossing.modern.get_weights(), before)
    assert check(crossing, images) < TOLERANCE / 2


@pytest.mark.parametrize("backbone", ROWS)
def test_batchnorm_keeps_its_momentum_and_epsilon_and_every_layer_its_name_and_whether_it_trains(backbone):
    crossing, _ = crossed(backbone)
    kinds = 0
    for pair in crossing.pairs:
        assert (pair.legacy.name, pair.legacy.trainable) == (pair.modern.name, pair.modern.trainable)
        if type(pair.modern).__name__ == "BatchNormalization":
            kinds += 1
            assert (pair.legacy.momentum, pair.legacy.epsilon) == (pair.modern.momentum, pair.modern.epsilon)
    assert kinds > 5


@pytest.mark.slow
@pytest.mark.parametrize("backbone", NAMES)
def test_every_network_can_be_pruned_and_stays_a_network(backbone):
    model = random_network(backbone)
    rng = np.random.default_rng(1)
    images = random_images(16).astype(np.float32).reshape(2, 8, 64, 64, 3)
    batches = tf.data.Dataset.from_tensor_slices((images, rng.integers(0, 3, (2, 8))))
    plan = Plan(sparsity=0.5, learning_rate=1e-3, epochs=1, steps=2, label_smoothing=0.0, seed=1)
    pruned = prune(model, lambda epoch: batches, plan, images=random_images(4))
    assert pruned.layers == len(prunable(model)) >= 9
    assert pruned.sparsity == pytest.approx(0.5, abs=0.01)
    assert all(np.isfinite(answer).all() for answer in model.predict_on_batch(images[0]))


def test_families_were_seen():
    assert len(NAMES) == 5
