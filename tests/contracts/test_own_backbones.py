"""What holds for a row of the catalogue holds for the network of a user's own file as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from automl.graph.session import open_session, predict
from automl.graph.writer import write_onnx
from automl.nets.build import (
    attach_head,
    build_backbone,
    build_extractor,
    build_network,
    load_network,
    load_pretrained,
    save_weights,
)
from automl.nets.catalogue import smallest_members
from automl.nets.features import tap_layers
from automl.nets.own.rows import row_named, write_facts
from automl.nets.own.take import sizes_that_fit, take
from automl.nets.weights import find_weights
from automl.recipe.model import Weights
from automl.training.unfreeze import unfreeze
from automl.types import Network
from tests.onnx_toys import max_difference, shake
from tests.own_models import GOOD, SIZE_PX, pictures, saved

Make = Callable[[], keras.Model]
Law = Callable[[str, Path], None]
CLASSES = ("one", "two", "three")


@cache
def brought(make: Make) -> tuple[str, Path]:
    """Its name, and the folder of the run's copies."""
    folder = Path(mkdtemp(prefix="automl-test-brought-"))
    copy = folder / saved(make).name
    facts = take(str(saved(make)), copy, pixels="auto")
    write_facts(copy, replace(facts, sizes_px=sizes_that_fit(copy, (SIZE_PX, 32))))
    return copy.name, folder


def network_of(name: str, size_px: int = SIZE_PX) -> Network:
    return Network(backbone=name, size_px=size_px, classes=CLASSES, dropout=0.1)


def pretrained(name: str, own: Path) -> keras.Model:
    row = row_named(name, own)
    backbone = build_backbone(row, SIZE_PX)
    load_pretrained(backbone, find_weights(row, None, Weights(), warn=print))
    return shake_head(attach_head(build_extractor(backbone), network_of(name)))


def shake_head(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(2)
    logits = model.get_layer("logits")
    logits.set_weights([rng.normal(0, 0.1, weight.shape) for weight in logits.get_weights()])
    return model


def its_file_is_written_as_keras_runs_it(name: str, own: Path) -> None:
    model, path = pretrained(name, own), own / f"{name}.onnx"
    write_onnx(model, path, class_names=CLASSES, metadata={"backbone": name})
    wanted = [np.asarray(one) for one in model(pictures(), training=False)]
    for found, there in zip(predict(open_session(path, threads=1), pictures()), wanted, strict=True):
        assert np.ptp(there) > 1e-3
        assert max_difference(found, there) < 1e-4


def its_weights_survive_their_file(name: str, own: Path) -> None:
    model, path = pretrained(name, own), own / "model.weights.h5"
    save_weights(model, path)
    loaded = load_network(network_of(name), path, own=own)
    for ours, theirs in zip(model(pictures()), loaded(pictures()), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def bytes_and_floats_are_one(name: str, own: Path) -> None:
    model = pretrained(name, own)
    as_bytes, as_floats = model(pictures())[1], model(pictures().astype(np.float32))[1]
    np.testing.assert_array_equal(np.asarray(as_bytes), np.asarray(as_floats))


def its_features_are_those_of_its_row_and_its_layers_have_the_agreed_names(name: str, own: Path) -> None:
    row, model = row_named(name, own), build_network(network_of(name), own=own)
    assert model.get_layer("features").output.shape == (None, row.n_features)
    assert tuple(tap.name for tap in tap_layers(build_backbone(row, SIZE_PX))) == row.taps
    kinds = {name: type(model.get_layer(name)).__name__ for name in ("standardise", "dropout", "logits")}
    assert kinds == {"standardise": "Normalization", "dropout": "Dropout", "logits": "Dense"}
    assert model.inputs[0].name == "image"


def frozen_the_head_alone_trains_and_unfrozen_all_does(name: str, own: Path) -> None:
    model = build_network(network_of(name), own=own)
    unfreeze(model, 0.0, "training")
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {"logits"}
    unfreeze(model, 1.0, "training")
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert convolutions
    assert all(layer.trainable and layer.trainable_weights for layer in convolutions)


def mixed_precision_builds_and_its_features_are_float32(name: str, own: Path) -> None:
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        model = build_network(network_of(name), own=own)
    finally:
        keras.config.set_dtype_policy(before)
    assert [output.dtype for output in model.outputs] == ["float32", "float32"]
    assert {layer.compute_dtype for layer in model.layers if isinstance(layer, layers.Conv2D)} == {"float16"}


def it_is_built_at_other_sizes_with_the_same_weights(name: str, own: Path) -> None:
    other = build_network(network_of(name, 32), own=own)
    other.set_weights(pretrained(name, own).get_weights())
    assert np.isfinite(np.asarray(other(pictures(32))[1])).all()


LAWS: tuple[Law, ...] = (
    its_file_is_written_as_keras_runs_it,
    its_weights_survive_their_file,
    bytes_and_floats_are_one,
    its_features_are_those_of_its_row_and_its_layers_have_the_agreed_names,
    frozen_the_head_alone_trains_and_unfrozen_all_does,
    mixed_precision_builds_and_its_features_are_float32,
    it_is_built_at_other_sizes_with_the_same_weights,
)


@pytest.fixture(autouse=True)
def no_names_left() -> Any:
    yield
    keras.utils.clear_session(free_memory=False)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("make", GOOD, ids=lambda make: make.__name__)
def test_a_backbone_of_ones_own_obeys_law(make: Make, law: Law) -> None:
    law(*brought(make))


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in smallest_members() if row.pretrained], ids=lambda row: row.name)
def test_each_network_of_keras_own_can_be_brought_as_a_file(row: Any, tmp_path: Path) -> None:
    """With its head, as its users save it."""
    arguments = {key: value for key, value in row.arguments.items() if key not in {"variant", "include_top"}}
    model = getattr(keras.applications, row.keras_class)(weights=None, classes=7, **arguments)
    shake(model).save(tmp_path / "whole.keras")
    facts = take(str(tmp_path / "whole.keras"), tmp_path / "own" / "whole.keras", pixels="auto")
    write_facts(tmp_path / "own" / "whole.keras", replace(facts, sizes_px=(row.size_px,)))
    assert facts.size_px == row.size_px
    assert facts.params_m == pytest.approx(row.params_m, rel=0.03)  # without the convolutions of its head
    network = replace(network_of("whole.keras"), size_px=row.size_px)
    write_onnx(build_network(network, own=tmp_path / "own"), tmp_path / "x.onnx", class_names=CLASSES, metadata={})
