"""What the bridge to tf_keras must hold for every row of the catalogue, there and back."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from automl.bridge.cross import TOLERANCE, Crossing, check, come_back, cross
from automl.nets.catalogue import BACKBONE_NAMES
from tests.bridge.networks import random_images, random_network, same_weights

# The largest one takes as long as the other three: it is left to `make test-all`.
ROWS = [pytest.param(name, marks=pytest.mark.slow) if name == "efficientnetv2b0" else name for name in BACKBONE_NAMES]


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
