"""Which layers train."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.training.unfreeze import MOMENTUM, unfreeze
from tests.training.conftest import tiny_network

BACKBONE = ["conv_1", "norm_1", "conv_2", "norm_2"]  # the tiny network's layers with weights, image first
NETWORK = tiny_network()


@pytest.mark.parametrize(("share", "training"), [(0.0, 0), (0.3, 2), (0.5, 2), (0.75, 3), (1.0, 4)])
def test_the_share_is_counted_from_the_head(share, training):
    network = tiny_network()
    assert unfreeze(network, share, "trains") == training
    trained = [name for name in BACKBONE if network.get_layer(name).trainable]
    assert trained == BACKBONE[4 - training :]


@pytest.mark.parametrize(("share", "trained"), [(0.25, []), (0.5, ["conv_2"]), (1.0, ["conv_1", "conv_2"])])
def test_frozen_batchnorm_is_part_of_the_share_and_stands_still(share, trained):
    network = tiny_network()
    assert unfreeze(network, share, "frozen") == len(trained)
    assert [name for name in BACKBONE if network.get_layer(name).trainable] == trained
    before = network.get_layer("norm_2").get_weights()
    network(np.random.default_rng(1).uniform(0, 255, (8, 16, 16, 3)), training=True)
    for left, right in zip(network.get_layer("norm_2").get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, right)


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 1), batchnorm=st.sampled_from(["frozen", "trains"]))
def test_the_head_always_trains_and_the_probes_standardisation_never(share, batchnorm):
    unfreeze(NETWORK, share, batchnorm)
    assert NETWORK.get_layer("logits").trainable
    assert not NETWORK.get_layer("standardise").trainable
    assert len(NETWORK.get_layer("logits").trainable_weights) == 2


def test_batchnorm_follows_its_batches_where_it_trains_and_stands_still_where_it_is_frozen():
    network = tiny_network()
    unfreeze(network, 0.5, "trains")
    before = {name: np.asarray(network.get_layer(name).moving_mean) for name in ("norm_1", "norm_2")}
    network(np.random.default_rng(1).uniform(0, 255, (8, 16, 16, 3)), training=True)
    np.testing.assert_array_equal(np.asarray(network.get_layer("norm_1").moving_mean), before["norm_1"])
    assert not np.array_equal(np.asarray(network.get_layer("norm_2").moving_mean), before["norm_2"])
    assert network.get_layer("norm_2").momentum == MOMENTUM
    assert isinstance(network.get_layer("norm_1"), keras.layers.BatchNormalization)
