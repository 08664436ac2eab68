"""The bridge refuses what it does not know, notices what was changed on the way, and shares nothing with its source."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest

from automl.bridge.cross import check, come_back, cross
from automl.errors import StageFailed
from tests.bridge.networks import random_images, random_network, same_weights


@pytest.fixture
def crossing():
    return cross(random_network("smallnet", 16))


IMAGES = random_images(4, 16)


def test_training_on_the_far_side_leaves_the_source_as_it_is_until_the_weights_come_back(crossing):
    before = [array.copy() for array in crossing.modern.get_weights()]
    for pair in crossing.pairs:
        pair.legacy.set_weights([array + 1 for array in pair.legacy.get_weights()])
    assert same_weights(crossing.modern.get_weights(), before)
    come_back(crossing)
    for mine, old in zip(crossing.modern.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old + 1)


@pytest.mark.parametrize("side", ["modern", "legacy"])
def test_a_weight_changed_on_one_side_alone_is_caught(crossing, side):
    layer = getattr(next(pair for pair in crossing.pairs if pair.modern.name == "logits"), side)
    kernel, bias = layer.get_weights()
    kernel[0, 0] += 0.5
    layer.set_weights([kernel, bias])
    with pytest.raises(StageFailed, match=r"differs between Keras 3 and tf_keras by 0\.\d+ .* Wanted: at most 0\.0001"):
        check(crossing, IMAGES)


def test_outputs_that_are_no_numbers_are_caught(crossing):
    # The last layer: some CPUs' kernels make 0 of NaN in a ReLU.
    layer = next(pair.legacy for pair in crossing.pairs if pair.modern.name == "logits")
    layer.set_weights([np.full_like(array, np.nan) for array in layer.get_weights()])
    with pytest.raises(StageFailed, match="by nan of its largest output"):
        check(crossing, IMAGES)


def test_statistics_of_the_head_that_come_back_are_used_at_once(crossing):
    check(crossing, IMAGES)  # compiles the source with the old ones
    head = next(pair.legacy for pair in crossing.pairs if pair.modern.name == "standardise")
    mean, variance, count = head.get_weights()
    head.set_weights([mean + 1, variance * 2, count])
    head.finalize_state()
    crossing.legacy.predict_function = None
    come_back(crossing)
    assert check(crossing, IMAGES) < 1e-5


def test_a_layer_that_the_table_lacks_is_refused_by_name():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.UpSampling2D(name="larger")(image))
    wanted = "layer 'larger' is a keras.src.layers.reshaping.up_sampling2d.UpSampling2D, which the bridge to tf_keras"
    with pytest.raises(StageFailed, match=re.escape(wanted)):
        cross(model)


def test_someone_elses_layer_of_a_known_name_is_refused():
    class Dense(keras.layers.Dense):
        pass

    image = keras.Input((8,))
    with pytest.raises(StageFailed, match="which the bridge to tf_keras does not know"):
        cross(keras.Model(image, Dense(2)(image)))


def test_an_activation_that_the_table_lacks_is_refused_by_name():
    image = keras.Input((8,))
    model = keras.Model(image, keras.layers.Dense(2, activation="selu", name="odd")(image))
    with pytest.raises(StageFailed, match="layer 'odd' has the activation 'selu', which the bridge"):
        cross(model)


def test_a_layer_called_as_in_training_is_refused():
    image = keras.Input((8,))
    model = keras.Model(image, keras.layers.Dropout(0.5, name="always")(image, training=True))
    with pytest.raises(StageFailed, match=r"layer 'always' \(Dropout\) is called with .* training=True"):
        cross(model)


def test_a_row_whose_weights_do_not_fit_is_refused(monkeypatch):
    import tf_keras

    from automl.bridge import cross as module

    wrong = type("Row", (), {"translate": staticmethod(lambda layer, numbers: tf_keras.layers.Dense(5))})
    monkeypatch.setattr(module, "row_of", lambda layer: wrong)
    image = keras.Input((8,))
    model = keras.Model(image, keras.layers.Dense(2, name="two")(image))
    with pytest.raises(StageFailed, match=re.escape("layer 'two' has weights of the shapes [(8, 2), (2,)] on one")):
        cross(model)


def test_a_layer_called_twice_is_one_layer_on_the_far_side():
    image = keras.Input((8,))
    shared = keras.layers.Dense(8, activation="relu")
    crossing = cross(keras.Model(image, shared(shared(image))))
    assert len(crossing.pairs) == 1
    assert check(crossing, np.random.default_rng(1).integers(0, 9, (4, 8), dtype=np.uint8)) < 1e-6
