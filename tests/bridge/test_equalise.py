"""Equal channels: the same answers, and small channels no longer the first to be pruned."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from automl.bridge.equalise import convolution_before, equalise
from tests.bridge.networks import random_images, random_network


@pytest.mark.parametrize(("backbone", "convolutions"), [("smallnet", 10), ("mobilenetv3small", 23)])
def test_the_answers_stay_and_all_channels_of_a_convolution_have_one_norm(backbone, convolutions):
    model = random_network(backbone)
    images = random_images(4).astype(np.float32)
    rng = np.random.default_rng(1)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        if (convolution := convolution_before(norm)) is not None:  # channels from tiny to large
            factor = np.exp(rng.normal(0, 2, convolution.filters))
            convolution.kernel.assign(np.asarray(convolution.kernel) * factor)
            norm.moving_mean.assign(np.asarray(norm.moving_mean) * factor)
            norm.moving_variance.assign(np.asarray(norm.moving_variance) * factor**2)
    wanted = model.predict_on_batch(images)
    assert equalise(model) == convolutions
    for found, before in zip(model.predict_on_batch(images), wanted, strict=True):
        assert np.abs(found - before).max() < 1e-4 * np.abs(before).max()
    changed = [convolution for norm in norms if (convolution := convolution_before(norm)) is not None]
    for convolution in changed:
        lengths = np.linalg.norm(np.asarray(convolution.kernel).reshape(-1, convolution.filters), axis=0)
        np.testing.assert_allclose(lengths, lengths[0], rtol=1e-5)


def test_an_empty_channel_stays_empty_and_a_tiny_variance_is_no_fault():
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, keras.layers.BatchNormalization()(keras.layers.Conv2D(3, 1, use_bias=False)(image)))
    convolution, norm = model.layers[1:]
    kernel = np.random.default_rng(1).normal(size=(1, 1, 2, 3)).astype(np.float32)
    kernel[..., 0], kernel[..., 1] = 0, kernel[..., 1] * 100  # a factor far below 1: the variance would fall below zero
    convolution.kernel.assign(kernel)
    norm.moving_variance.assign([0, 1e-6, 1])
    x = np.random.default_rng(2).normal(size=(2, 4, 4, 2)).astype(np.float32)
    before = np.asarray(model(x))
    assert equalise(model) == 1
    assert not np.asarray(convolution.kernel)[..., 0].any()
    assert np.asarray(norm.moving_variance).min() >= 0
    np.testing.assert_allclose(model(x), before, rtol=1e-4, atol=1e-4)


def test_a_convolution_whose_scale_means_something_is_left_alone():
    image = keras.Input((4, 4, 2))
    shared = keras.layers.Conv2D(3, 1, use_bias=False)(image)
    biased = keras.layers.Conv2D(3, 1)(image)
    bent = keras.layers.Conv2D(3, 1, use_bias=False, activation="relu")(image)
    read = [keras.layers.BatchNormalization()(one) for one in (shared, biased, bent)]
    model = keras.Model(image, [*read, keras.layers.ReLU()(shared)])
    before = [array.copy() for array in model.get_weights()]
    assert equalise(model) == 0
    assert all(np.array_equal(*two) for two in zip(before, model.get_weights(), strict=True))
