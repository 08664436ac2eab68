"""A network's first BatchNorm remembers which pixel values it was trained on."""

from __future__ import annotations

from typing import Any, get_args

import keras
import numpy as np
import pytest
from keras import layers

from automl.nets.build import normalised
from automl.nets.catalogue import Pixels
from automl.nets.own.flat import inlined, with_front
from automl.nets.own.pixels import noise, told_by_batchnorm, unlikeness
from tests.photos import a_photo

SIZE_PX = 64


def scenes() -> Any:
    """Other pictures than the noise. float32, 0..255."""
    return np.stack([a_photo(number, SIZE_PX, SIZE_PX) for number in range(24)]).astype(np.float32)


def trained_on(pixels: Pixels) -> keras.Model:
    """A network without a Rescaling whose BatchNorm has the statistics of scenes that were normalised so."""
    keras.utils.set_random_seed(5)
    image = keras.Input((SIZE_PX, SIZE_PX, 3))
    x = layers.Conv2D(16, 3, strides=2, use_bias=False)(image)
    norm = layers.BatchNormalization(momentum=0.0)
    model = keras.Model(image, layers.MaxPooling2D()(norm(x)))
    kernel = model.layers[1].get_weights()[0]
    kernel[..., :8] -= kernel[..., :8].mean(axis=(0, 1, 2))  # edges, as half of a trained layer's filters are
    model.layers[1].set_weights([kernel])
    pixel = keras.Input((SIZE_PX, SIZE_PX, 3))
    model(np.asarray(keras.Model(pixel, normalised(pixel, pixels))(scenes())), training=True)
    return model


@pytest.mark.parametrize("pixels", get_args(Pixels))
def test_each_normalisation_is_told_from_the_others(pixels: Pixels) -> None:
    flat = inlined(trained_on(pixels), SIZE_PX)
    assert told_by_batchnorm(flat) == pixels, unlikeness(flat)


def test_nothing_is_told_without_a_batchnorm_or_by_one_that_never_saw_pixels() -> None:
    image = keras.Input((SIZE_PX, SIZE_PX, 3))
    assert told_by_batchnorm(inlined(keras.Model(image, layers.Conv2D(4, 3)(image)), SIZE_PX)) is None
    strange = trained_on("0..1")
    strange.layers[2].moving_variance.assign(strange.layers[2].moving_variance * 1e9)
    assert told_by_batchnorm(inlined(strange, SIZE_PX)) is None


def test_the_noise_is_the_same_each_time_and_has_pixel_values() -> None:
    np.testing.assert_array_equal(noise(32), noise(32))
    assert noise(32).shape == (16, 32, 32, 3)
    assert 0 <= noise(32).min() < noise(32).max() <= 255


def test_the_normalisation_that_was_told_stands_in_the_network() -> None:
    flat = with_front(inlined(trained_on("caffe"), SIZE_PX), lambda image: normalised(image, "caffe"))
    assert [type(operation).__name__ for operation in flat.operations[1:3]] == ["Flip", "Rescaling"]
