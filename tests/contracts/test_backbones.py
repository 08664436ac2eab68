"""Each law over each row of the table of backbones; heavy rows are looked at in shapes alone.

The smallest member of each family is looked at in every `make test`, the others in `make test-all`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from automl.code import load_entry
from automl.nets.build import (
    build_backbone,
    build_extractor,
    build_network,
    load_network,
    load_pretrained,
    save_weights,
)
from automl.nets.catalogue import BACKBONES, SMALLNET, Backbone, backbone_named, smallest_members
from automl.nets.counting import multiply_adds
from automl.nets.features import tap_layers
from automl.training.unfreeze import unfreeze
from automl.types import Network, WeightsFound
from tests.legacy_weights import write_legacy
from tests.onnx_toys import max_difference, settle, shake

Law = Callable[[Backbone, Path], None]

KERAS_FETCHES = "keras.src.utils.file_utils.get_file"


def network_of(row: Backbone) -> Network:
    return Network(backbone=row.name, size_px=row.least_px, classes=("one", "two", "three"))


def shapes_alone(build: Callable[[], Any]) -> Any:
    """What it builds, without numbers in its weights: the largest would take 1.4 GB, and time to draw them."""
    with keras.StatelessScope(initialize_variables=False):
        model = build()
    keras.utils.clear_session()  # forgets that the weights still wait for their numbers
    return model


@lru_cache(maxsize=1)
def least(name: str) -> Any:
    """The untrained network at the row's least size. pytest takes row after row, each with all laws."""
    keras.utils.set_random_seed(5)
    return shake(build_network(network_of(backbone_named(name))))


@lru_cache(maxsize=1)
def native(name: str) -> Any:
    """The backbone at its native size, in shapes alone."""
    row = backbone_named(name)
    return shapes_alone(lambda: build_backbone(row, row.size_px))


@lru_cache(maxsize=1)
def whole(name: str) -> Any:
    """The whole network at its native size, where no layer is left out, in shapes alone."""
    row = backbone_named(name)
    return shapes_alone(lambda: build_network(replace(network_of(row), size_px=row.size_px)))


def noise(row: Backbone, n: int = 2) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, row.least_px, row.least_px, 3), dtype=np.uint8)


def a_smaller_image_than_the_least_is_refused(row: Backbone, folder: Path) -> None:
    with pytest.raises(ValueError, match=f"needs at least {row.least_px} px"):
        build_backbone(row, row.least_px - 1)


def its_features_are_those_of_the_layers_in_its_row(row: Backbone, folder: Path) -> None:
    """The last ones of the two deepest resolutions over 1 px."""
    fine, deep = tap_layers(native(row.name))
    for tap, name in zip((fine, deep), row.taps, strict=True):
        assert re.fullmatch(rf"{re.escape(name)}(_\d+)?", tap.name)
    assert build_extractor(native(row.name)).outputs[0].shape == (None, row.n_features)
    assert fine.output.shape[1] == fine.output.shape[2] > deep.output.shape[1] == deep.output.shape[2] > 1
    assert deep is native(row.name).operations[-1], "at its native size nothing of the net is left unused"


def it_has_features_of_two_resolutions_at_its_least_size(row: Backbone, folder: Path) -> None:
    backbone = shapes_alone(lambda: build_backbone(row, row.least_px))
    fine, deep = (tap.output.shape for tap in tap_layers(backbone))
    assert fine[1] == fine[2] > deep[1] == deep[2] > 1
    assert build_extractor(backbone).outputs[0].shape == (None, fine[3] + deep[3])


def parameters_and_multiply_adds_are_as_counted(row: Backbone, folder: Path) -> None:
    assert native(row.name).count_params() / 1e6 == pytest.approx(row.params_m, abs=5.1e-4)
    assert multiply_adds(native(row.name)) / 1e9 == pytest.approx(row.gmacs, abs=5.1e-4)


def mixed_precision_builds_and_its_features_are_float32(row: Backbone, folder: Path) -> None:
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        with keras.StatelessScope(initialize_variables=False):
            model = build_network(network_of(row))
    finally:
        keras.utils.clear_session()
        keras.config.set_dtype_policy(before)
    assert [output.dtype for output in model.outputs] == ["float32", "float32"]
    convolutions = [layer for layer in model._flatten_layers() if isinstance(layer, layers.Conv2D)]
    assert {layer.compute_dtype for layer in convolutions} == {"float16"}
    assert {layer.kernel.dtype for layer in convolutions} == {"float32"}


def layers_have_the_agreed_names(row: Backbone, folder: Path) -> None:
    model = whole(row.name)
    kinds = {name: type(model.get_layer(name)).__name__ for name in ("features", "standardise", "dropout", "logits")}
    assert kinds == {
        "features": "Concatenate", "standardise": "Normalization", "dropout": "Dropout", "logits": "Dense"
    }  # fmt: skip
    assert model.get_layer("probabilities").output is model.outputs[0]
    assert model.get_layer("features").output is model.outputs[1]
    assert model.inputs[0].name == "image"


def frozen_the_head_alone_trains_and_unfrozen_all_but_statistics(row: Backbone, folder: Path) -> None:
    model = whole(row.name)
    head = counted(model.get_layer("logits").weights)
    unfreeze(model, 0.0, "training")
    assert counted(model.trainable_weights) == head
    unfreeze(model, 1.0, "training")
    statistics = [
        weight
        for weight in model.weights
        if weight.path.rsplit("/", 1)[-1] in {"moving_mean", "moving_variance", "mean", "variance", "count"}
    ]
    assert counted(model.trainable_weights) == counted(model.weights) - counted(statistics)
    assert counted(model.trainable_weights) > 0.9 * row.params_m * 1e6


def counted(weights: Any) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


def keras_fetches_the_files_of_its_row(row: Backbone, folder: Path) -> None:
    if not row.pretrained:
        assert not row.keras_class
        assert row.files == ()
        return
    fetched: list[tuple[str, str, str | None]] = []

    def note(fname: str, origin: str, file_hash: str | None = None, **rest: Any) -> str:
        fetched.append((fname, origin, file_hash))
        raise Fetched

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KERAS_FETCHES, note)
        for top in (False, True):
            with pytest.raises(Fetched):
                shapes_alone(lambda: keras_own(row, row.size_px, weights="imagenet", include_top=top))  # noqa: B023
    keras.utils.clear_session()
    stored = (row.weights_files[0], row.topped_files[0])
    assert fetched == [(file.name, file.url, file.stated or None) for file in stored]
    assert [file.size_px for file in row.weights_files] == [file.size_px for file in row.topped_files]


def with_weights(model: Any) -> list[Any]:
    return [layer for layer in model.layers if layer.weights]


def keras_own_with_its_top_begins_with_its_layers(row: Backbone, folder: Path) -> None:
    """So a file with a top holds the backbone's numbers at the same places."""
    if not row.pretrained:
        return
    own = with_weights(native(row.name))
    theirs = with_weights(shapes_alone(lambda: keras_own(row, row.size_px, weights=None, include_top=True)))
    assert 1 <= len(theirs) - len(own) <= 3
    for ours, other in zip(own, theirs, strict=False):
        assert [weight.shape for weight in ours.weights] == [weight.shape for weight in other.weights]
        # ConvNeXt's last norm is the first layer of the top, where there is one.
        assert plain(ours) in (plain(other), "layer_normalization" if other.name.endswith("_head_layernorm") else None)


def plain(layer: Any) -> str:
    """The name without Keras' own numbering."""
    return re.sub(r"_\d+$", "", layer.name)


class Fetched(Exception):
    """Keras asked for a file."""


def keras_own(row: Backbone, size_px: int, *, weights: str | None, include_top: bool = False) -> Any:
    """The network as its users get it from keras.applications."""
    arguments = {key: value for key, value in row.arguments.items() if key != "variant"} | {"include_top": include_top}
    return getattr(keras.applications, row.keras_class)(weights=weights, input_shape=(size_px, size_px, 3), **arguments)


def outputs_are_finite_and_probabilities_sum_to_1_for_black_white_and_noise(row: Backbone, folder: Path) -> None:
    pixels = noise(row, 3)
    pixels[0], pixels[1] = 0, 255
    probabilities, features = (np.asarray(one) for one in least(row.name)(pixels))
    assert probabilities.shape == (3, 3)
    assert features.shape == (3, least(row.name).outputs[1].shape[1])
    assert np.isfinite(features).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def it_says_of_bytes_what_keras_own_says_of_its_preprocessed_pixels(row: Backbone, folder: Path) -> None:
    """The whole of it: normalisation inside the graph, the file's numbers in their places, the same layers."""
    if not row.pretrained:
        return
    ours = build_backbone(row, row.least_px)
    # Few would agree by chance in some channel, whose BatchNorm then blows up rounding; of one contrast they look alike
    # to VGG19, which has no BatchNorm.
    contrast = np.random.default_rng(4).uniform(0.1, 1, (16, 1, 1, 3))
    pixels = (noise(row, 16) * contrast).astype(np.uint8)
    settle(shake(ours), pixels)
    path = folder / "weights.h5"
    write_legacy(path, ours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KERAS_FETCHES, lambda *args, **kwargs: str(path))
        theirs = keras_own(row, row.least_px, weights="imagenet")
    preprocess = importlib.import_module(getattr(keras.applications, row.keras_class).__module__).preprocess_input
    wanted = answer(theirs, preprocess(pixels.astype(np.float32)))
    assert np.ptp(wanted, axis=0).max() / wanted.max() > 0.01, "pictures that look alike prove little"
    assert max_difference(answer(ours, pixels), wanted) < 1e-3
    load_pretrained(shake(ours, seed=2), WeightsFound(backbone=row.name, source="folder", path=str(path), sha256=""))
    assert max_difference(answer(ours, pixels), wanted) < 1e-3


def a_file_with_its_top_gives_it_the_same_numbers(row: Backbone, folder: Path) -> None:
    if not row.pretrained:
        return
    path = folder / "topped.h5"
    # Dense tops know one size alone; the others' numbers are those of any.
    theirs = keras_own(row, row.size_px if row.family == "vgg" else row.least_px, weights=None, include_top=True)
    write_legacy(path, shake(theirs))
    ours = build_backbone(row, row.least_px)
    load_pretrained(ours, WeightsFound(backbone=row.name, source="cache", path=str(path), sha256="", topped=True))
    for own, other in zip(with_weights(ours), with_weights(theirs), strict=False):
        for given, wanted in zip(own.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(given, wanted)


def answer(network: Any, images: np.ndarray) -> np.ndarray:
    """Of a backbone, whose inputs Keras keeps as a list."""
    return np.asarray(keras.Model(network.inputs[0], network.outputs[0])(images, training=False))


def weights_survive_their_file(row: Backbone, folder: Path) -> None:
    saved = folder / "model.weights.h5"
    save_weights(least(row.name), saved)
    assert [path.name for path in folder.iterdir()] == [saved.name]
    loaded = load_network(network_of(row), saved)
    pixels = noise(row)
    for ours, theirs in zip(least(row.name)(pixels), loaded(pixels), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def bytes_and_floats_are_one(row: Backbone, folder: Path) -> None:
    pixels = noise(row)
    as_bytes, as_floats = least(row.name)(pixels)[1], least(row.name)(pixels.astype(np.float32))[1]
    np.testing.assert_array_equal(np.asarray(as_bytes), np.asarray(as_floats))


SHAPES: tuple[Law, ...] = (
    a_smaller_image_than_the_least_is_refused,
    its_features_are_those_of_the_layers_in_its_row,
    it_has_features_of_two_resolutions_at_its_least_size,
    parameters_and_multiply_adds_are_as_counted,
    mixed_precision_builds_and_its_features_are_float32,
    layers_have_the_agreed_names,
    frozen_the_head_alone_trains_and_unfrozen_all_but_statistics,
    keras_fetches_the_files_of_its_row,
    keras_own_with_its_top_begins_with_its_layers,
)
NUMBERS: tuple[Law, ...] = (
    outputs_are_finite_and_probabilities_sum_to_1_for_black_white_and_noise,
    bytes_and_floats_are_one,
    weights_survive_their_file,
    it_says_of_bytes_what_keras_own_says_of_its_preprocessed_pixels,
    a_file_with_its_top_gives_it_the_same_numbers,
)
SMALLEST = {row.name for row in smallest_members()}


QUICKLY_TOPPED = {"mobilenet", "mobilenetv2", "mobilenetv3", "efficientnet", "efficientnetv2", "convnext"}
"""Families whose networks with a top are built and written in a few seconds; VGG's top has 124 million weights."""


def marked(rows: tuple[Backbone, ...], laws: tuple[Law, ...]) -> list[Any]:
    """Each law over each row; slow are all but the smallest members, and what takes long even of them."""

    def is_slow(row: Backbone, law: Law) -> bool:
        takes_long = law is a_file_with_its_top_gives_it_the_same_numbers and row.family not in QUICKLY_TOPPED
        return row.name not in SMALLEST or takes_long

    return [
        pytest.param(row, law, id=f"{row.name}-{law.__name__}", marks=(pytest.mark.slow,) if is_slow(row, law) else ())
        for row in rows
        for law in laws
    ]


@pytest.mark.parametrize(("row", "law"), marked(BACKBONES, SHAPES))
def test_backbone_has_the_shapes_of_its_row(row: Backbone, law: Law, tmp_path: Path) -> None:
    law(row, tmp_path)


# Keras says of MobileNets smaller than any it trained which weights it takes.
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined:UserWarning")
@pytest.mark.parametrize(("row", "law"), marked(tuple(row for row in BACKBONES if not row.heavy), NUMBERS))
def test_backbone_obeys_law(row: Backbone, law: Law, tmp_path: Path) -> None:
    law(row, tmp_path)


def test_the_table_has_every_image_network_of_keras_and_the_small_net() -> None:
    names = [row.name for row in BACKBONES]
    assert len(names) == len(set(names)) == 53
    assert {row.keras_class for row in BACKBONES if row.pretrained} == {
        name for name in dir(keras.applications) if name[0].isupper()
    }
    assert BACKBONES[-1] is SMALLNET
    assert not SMALLNET.pretrained


def test_each_family_has_a_smallest_member_that_is_not_heavy_and_every_claim_is_written_alike_in_it() -> None:
    assert len(smallest_members()) == 16
    assert not any(row.heavy for row in smallest_members())
    for smallest in smallest_members():
        members = [row for row in BACKBONES if row.family == smallest.family]
        assert {(row.exporters, row.compressors, row.pixels, row.licence) for row in members} == {
            (smallest.exporters, smallest.compressors, smallest.pixels, smallest.licence)
        }


def test_a_row_says_where_every_figure_comes_from() -> None:
    for row in BACKBONES:
        assert load_entry(row.entry)
        assert all((row.source, row.licence, row.licence_source, row.top1_source))
        assert row.top1 is None or 0.5 < row.top1 < 0.9
    assert backbone_named("mobilenetv3small").cost == 1
    assert backbone_named("vgg16").cost > 200
