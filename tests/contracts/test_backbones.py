"""Each law over each row of the table of backbones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from automl.code import load_entry
from automl.nets.build import build_backbone, build_extractor, build_network, load_network, save_weights
from automl.nets.catalogue import BACKBONES, SMALLNET, Backbone, backbone_named
from automl.nets.features import tap_layers
from automl.types import Network

Law = Callable[[Backbone, Path], None]


def network_of(row: Backbone) -> Network:
    return Network(backbone=row.name, size_px=row.least_px, classes=("one", "two", "three"))


@cache
def least(name: str) -> Any:
    """The untrained network at the row's least size, built once."""
    return build_network(network_of(backbone_named(name)))


@cache
def native(name: str) -> Any:
    """The backbone at its native size, built once and never run."""
    row = backbone_named(name)
    return build_backbone(row, row.size_px)


def noise(row: Backbone, n: int = 2) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, row.least_px, row.least_px, 3), dtype=np.uint8)


def its_entry_can_be_imported(row: Backbone, folder: Path) -> None:
    load_entry(row.entry)


def a_smaller_image_than_the_least_is_refused(row: Backbone, folder: Path) -> None:
    with pytest.raises(ValueError, match=f"needs at least {row.least_px} px"):
        build_backbone(row, row.least_px - 1)


def layers_have_the_agreed_names(row: Backbone, folder: Path) -> None:
    model = least(row.name)
    kinds = {name: type(model.get_layer(name)).__name__ for name in ("features", "standardise", "dropout", "logits")}
    assert kinds == {
        "features": "Concatenate", "standardise": "Normalization", "dropout": "Dropout", "logits": "Dense"
    }  # fmt: skip
    assert model.get_layer("probabilities").output is model.outputs[0]
    assert model.get_layer("features").output is model.outputs[1]
    assert model.inputs[0].name == "image"


def outputs_are_finite_and_probabilities_sum_to_1_for_black_white_and_noise(row: Backbone, folder: Path) -> None:
    pixels = noise(row, 3)
    pixels[0], pixels[1] = 0, 255
    probabilities, features = (np.asarray(one) for one in least(row.name)(pixels))
    assert probabilities.shape == (3, 3)
    assert features.shape == (3, least(row.name).outputs[1].shape[1])
    assert np.isfinite(features).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def normalisation_is_inside_so_that_bytes_and_floats_are_one(row: Backbone, folder: Path) -> None:
    pixels = noise(row)
    as_bytes, as_floats = least(row.name)(pixels)[1], least(row.name)(pixels.astype(np.float32))[1]
    np.testing.assert_array_equal(np.asarray(as_bytes), np.asarray(as_floats))


def first_convolution_sees_values_about_as_small_as_the_row_says(row: Backbone, folder: Path) -> None:
    model = least(row.name)
    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    seen = np.asarray(keras.Model(model.inputs[0], first.input)(noise(row)))
    assert -3 <= seen.min() < 0 < seen.max() <= 3  # V2B0 also divides by the spread of ImageNet's colours


def weights_survive_their_file(row: Backbone, folder: Path) -> None:
    saved = folder / "model.weights.h5"
    save_weights(least(row.name), saved)
    assert [path.name for path in folder.iterdir()] == [saved.name]
    loaded = load_network(network_of(row), saved)
    pixels = noise(row)
    for ours, theirs in zip(least(row.name)(pixels), loaded(pixels), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def taps_are_the_last_layers_of_the_two_deepest_resolutions_over_1_px(row: Backbone, folder: Path) -> None:
    for backbone in (native(row.name), build_backbone(row, row.least_px)):
        fine, deep = (tap.output.shape for tap in tap_layers(backbone))
        assert fine[1] == fine[2] > deep[1] == deep[2] > 1
        assert build_extractor(backbone).outputs[0].shape == (None, fine[3] + deep[3])
    # At its native size nothing of the net is left unused.
    assert tap_layers(native(row.name))[-1] is native(row.name).layers[-1]


def parameters_and_multiply_adds_are_as_counted(row: Backbone, folder: Path) -> None:
    assert native(row.name).count_params() / 1e6 == pytest.approx(row.params_m, abs=5e-4)
    assert multiply_adds(native(row.name)) / 1e9 == pytest.approx(row.gmacs, abs=5e-4)


def multiply_adds(model: Any) -> int:
    """Of one image, in convolutions: weights of a kernel times the places where it is applied."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            total += int(np.prod(layer.kernel.shape)) * layer.output.shape[1] * layer.output.shape[2]
    return total


LAWS: tuple[Law, ...] = (
    its_entry_can_be_imported,
    a_smaller_image_than_the_least_is_refused,
    layers_have_the_agreed_names,
    outputs_are_finite_and_probabilities_sum_to_1_for_black_white_and_noise,
    normalisation_is_inside_so_that_bytes_and_floats_are_one,
    first_convolution_sees_values_about_as_small_as_the_row_says,
    weights_survive_their_file,
    taps_are_the_last_layers_of_the_two_deepest_resolutions_over_1_px,
    parameters_and_multiply_adds_are_as_counted,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("row", BACKBONES, ids=lambda row: row.name)
def test_backbone_obeys_law(row: Backbone, law: Law, tmp_path: Path) -> None:
    law(row, tmp_path)


def test_the_table_has_rows_with_names_of_their_own_and_the_small_net() -> None:
    names = [row.name for row in BACKBONES]
    assert len(names) == len(set(names)) >= 4
    assert SMALLNET.name == "smallnet"
    assert not SMALLNET.pretrained
    assert all(row.keras_class for row in BACKBONES if row.pretrained)
