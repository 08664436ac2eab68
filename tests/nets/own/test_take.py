"""A user's file becomes the run's copy: the same network, from pixel values 0..255, without its head."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from automl.errors import StageFailed, WrongBackbone
from automl.nets import hdf5
from automl.nets.build import build_backbone, load_pretrained
from automl.nets.own import take as take_file
from automl.nets.own.rows import FACTS, read_facts, row_named, write_facts
from automl.nets.own.take import sizes_that_fit, take
from automl.nets.weights import find_weights
from automl.recipe.model import Weights
from tests.own_models import (
    SIZE_PX,
    bare,
    caffe,
    classifier,
    copy_of,
    extractor,
    image,
    mixed,
    of_one_size,
    pictures,
    remade,
    saved,
    sequential,
    torch,
    trunk,
    two_branches,
    with_weights,
)


@pytest.fixture(autouse=True)
def no_names_left() -> Any:
    yield
    keras.utils.clear_session(free_memory=False)


def taken(path: Path, folder: Path, pixels: Any = "auto") -> keras.Model:
    """The copy, built and filled as a run does it."""
    copy = folder / path.name
    facts = take(str(path), copy, pixels=pixels)
    write_facts(copy, replace(facts, sizes_px=sizes_that_fit(copy, (SIZE_PX,))))
    return filled(folder, path.name)


def filled(folder: Path, name: str, size_px: int | None = None) -> keras.Model:
    row = row_named(name, folder)
    model = build_backbone(row, size_px or row.size_px)
    load_pretrained(model, find_weights(row, None, Weights(), warn=print))
    return model


def answer(model: keras.Model, images: Any) -> Any:
    return np.asarray(keras.Model(model.inputs[0], model.outputs[0])(images.astype(np.float32), training=False))


def inside(path: Path, last: str, images: Any) -> Any:
    """What the file's own network has at one of its layers, as Keras loads it."""
    whole = keras.saving.load_model(path)
    if last == "base":  # a model in it, behind a preprocess_input
        return answer(whole.get_layer("base"), images / 127.5 - 1)
    return answer(keras.Model(whole.inputs[0], whole.get_layer(last).output), images).astype(np.float32)


@pytest.mark.parametrize(
    ("make", "last", "tolerance"),
    [
        (extractor, "second", 1e-4),
        (caffe, "second", 1e-4),
        (torch, "second", 1e-4),
        (sequential, "conv2d_1", 1e-4),
        (two_branches, "image", 1e-4),
        (classifier, "base", 1e-4),
        (mixed, "second", 2e-2),  # the copy runs in float32, the file's network in 16 bits
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_the_copy_says_of_bytes_what_the_file_says_at_its_last_feature_map(
    make: Any, last: str, tolerance: float, tmp_path: Path
) -> None:
    model = taken(saved(make), tmp_path)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    there = inside(saved(make), last, pictures().astype(np.float32))
    assert np.ptp(there) > 0.01
    np.testing.assert_allclose(answer(model, pictures()), there, atol=tolerance * np.abs(there).max())


def test_augmentation_dropout_and_head_are_gone_and_preprocessing_is_one_rescaling(tmp_path: Path) -> None:
    model = taken(saved(classifier), tmp_path)
    assert [type(layer).__name__ for layer in model.layers] == [
        "InputLayer", "Rescaling", "Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D", "Conv2D"
    ]  # fmt: skip
    assert np.allclose(model.layers[1].scale, 1 / 127.5)
    assert np.allclose(model.layers[1].offset, -1)
    assert model.inputs[0].name == "image"


def test_a_blue_first_preprocessing_is_a_flip_and_a_rescaling(tmp_path: Path) -> None:
    model = taken(saved(caffe), tmp_path)
    assert [type(operation).__name__ for operation in model.operations[1:3]] == ["Flip", "Rescaling"]
    np.testing.assert_allclose(np.squeeze(model.operations[2].offset), [-103.939, -116.779, -123.68], rtol=1e-5)


def test_the_facts_are_those_of_the_cut_network_and_the_licence_is_its_owners(tmp_path: Path) -> None:
    model = taken(saved(classifier), tmp_path)
    row = row_named(str(saved(classifier)), tmp_path)
    assert row.name == "classifier.keras"
    assert row.params_m == model.count_params() / 1e6
    assert row.gmacs == (24 * 24 * 27 * 8 + 12 * 12 * 72 * 12) / 1e9
    assert (row.taps, row.n_features) == (("re_lu", "second"), 20)
    assert row.licence == "unknown: the owner's"
    assert (row.own.file, row.own.told, row.own.fault) == (str(saved(classifier)), "", "")


def test_the_copy_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(str(saved(extractor)), tmp_path / "extractor.keras", pixels="auto")
    assert sorted(path.name for path in (tmp_path / "extractor.keras").iterdir()) == [
        "config.json", FACTS, "model.weights.h5"
    ]  # fmt: skip
    monkeypatch.setattr(take_file, "write_facts", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        take(str(saved(extractor)), tmp_path / "extractor.keras", pixels="auto")
    assert not (tmp_path / "extractor.keras").exists()
    with pytest.raises(StageFailed, match=r"facts\.json cannot be read.*--redo pick"):
        row_named("extractor.keras", tmp_path)


def test_a_copy_whose_config_was_changed_is_checked_again(tmp_path: Path) -> None:
    taken(saved(extractor), tmp_path)
    config = tmp_path / "extractor.keras" / "config.json"
    config.write_text(config.read_text().replace('"Conv2D"', '"Lambda"'))
    with pytest.raises(StageFailed, match=r"config\.json cannot be read: .*'Lambda'.*--redo pick"):
        filled(tmp_path, "extractor.keras")


def test_one_that_takes_any_size_is_built_at_all_that_leave_it_two_resolutions(tmp_path: Path) -> None:
    taken(saved(bare), tmp_path, pixels="0..1")
    assert read_facts(tmp_path / "bare.keras").size_px == 224
    assert sizes_that_fit(tmp_path / "bare.keras", (3, 4, 33, 96)) == (4, 33, 96, 224)
    assert answer(filled(tmp_path, "bare.keras", 33), pictures(33)).shape == (3, 16, 16, 12)


def test_one_of_a_fixed_size_is_built_at_others_where_its_weights_allow_it(tmp_path: Path) -> None:
    taken(saved(sequential), tmp_path)  # its Flatten is cut off
    assert sizes_that_fit(tmp_path / "sequential.keras", (32, 64)) == (24, 32, 64)
    taken(saved(of_one_size), tmp_path)
    assert sizes_that_fit(tmp_path / "of_one_size.keras", (32, 64)) == (24,)


def test_the_recipe_says_on_which_pixels_one_was_trained_that_does_not_rescale_them(tmp_path: Path) -> None:
    images, path = pictures(), saved(bare)
    wanted = inside(path, "second", images / 127.5 - 1)
    found = answer(taken(path, tmp_path, pixels="-1..1"), pictures(224))
    assert found.shape == (3, 112, 112, 12)
    np.testing.assert_allclose(answer(filled(tmp_path, "bare.keras", 24), images), wanted, atol=1e-4 * wanted.max())
    assert read_facts(tmp_path / "bare.keras").told == "it gets pixel values as -1..1: weights.pixels says so"
    take(str(saved(extractor)), tmp_path / "extractor.keras", pixels="-1..1")
    assert read_facts(tmp_path / "extractor.keras").told == "", "it rescales them itself"


def refused(path: Path, folder: Path) -> str:
    with pytest.raises(WrongBackbone) as caught:
        take(str(path), folder / "copy.keras", pixels="auto")
    assert not (folder / "copy.keras").exists()
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "Wanted: " in message
    assert "leave it out of backbones" in message
    return message


def flat(pixels: Any) -> Any:
    return layers.Dense(3)(layers.Flatten()(layers.Conv2D(8, 3, padding="same")(pixels)))


def shared(pixels: Any) -> Any:
    both = layers.Conv2D(3, 3, padding="same", name="both")
    return layers.MaxPooling2D()(both(both(pixels)))


@pytest.mark.parametrize(
    ("pixels", "rest", "why"),
    [
        (image(), flat, "it has feature maps of fewer than two resolutions"),
        (image(), lambda x: layers.MaxPooling2D()(x * 2.0), "it has feature maps of fewer than two resolutions"),
        (image(), shared, "layer 'both' is called more than once, with the same weights"),
        (keras.Input((24, 24, 1)), trunk, r"it takes \(None, 24, 24, 1\); wanted: one square image"),
        (keras.Input((24, 32, 3)), trunk, r"it takes \(None, 24, 32, 3\); wanted: one square image"),
        (keras.Input((24,)), layers.Dense(3), r"it takes \(None, 24\); wanted: one square image"),
    ],
    ids=["one resolution", "pixels alone", "shared", "grey", "not square", "no image"],
)
def test_a_network_that_can_be_no_backbone_is_refused_in_one_sentence(
    pixels: Any, rest: Any, why: str, tmp_path: Path
) -> None:
    keras.Model(pixels, rest(pixels)).save(tmp_path / "wrong.keras")
    assert re.search(why, refused(tmp_path / "wrong.keras", tmp_path))


def test_two_images_are_one_too_many(tmp_path: Path) -> None:
    first, second = image(), image()
    keras.Model([first, second], trunk(first + second)).save(tmp_path / "two.keras")
    assert "(None, 24, 24, 3) and (None, 24, 24, 3); wanted: one square image" in refused(
        tmp_path / "two.keras", tmp_path
    )


def test_a_file_that_is_not_there_or_no_zip_is_refused(tmp_path: Path) -> None:
    assert "cannot be a backbone: No such file or directory" in refused(tmp_path / "absent.keras", tmp_path)
    (tmp_path / "text.keras").write_text("no network")
    assert "is refused: it is no .keras file but begins with" in refused(tmp_path / "text.keras", tmp_path)


def lambda_layer(config: Any) -> None:
    config["config"]["layers"][-1]["class_name"] = "Lambda"


def test_a_hostile_config_is_refused_and_nothing_of_it_is_deserialised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", lambda *_, **__: pytest.fail("Keras was given it"))
    path = remade(saved(extractor), tmp_path / "hostile.keras", edit=lambda_layer)
    assert "is refused: layer 'second' is a 'Lambda'" in refused(path, tmp_path)


def first_array(file: h5py.File) -> Any:
    return file["layers/conv2d/vars"]


def linked(file: h5py.File) -> None:
    del first_array(file)["0"]
    first_array(file)["0"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_linked(file: h5py.File) -> None:
    del first_array(file)["0"]
    first_array(file)["0"] = h5py.SoftLink("/layers/conv2d_1/vars/0")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(3, 3, 3, 8), dtype="f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", shape=(3, 3, 3, 8))
    del first_array(file)["0"]
    first_array(file).create_virtual_dataset("0", layout)


def external(file: h5py.File) -> None:
    del first_array(file)["0"]
    first_array(file).create_dataset("0", (3, 3, 3, 8), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def hollow(file: h5py.File) -> None:
    del first_array(file)["0"]
    first_array(file).create_dataset("0", (10**6, 10**6), "f4", chunks=(100, 100))


def texts(file: h5py.File) -> None:
    del first_array(file)["0"]
    first_array(file).create_dataset("0", data=["a", "b"])


def endless(file: h5py.File) -> None:
    file["layers/again"] = file["layers"]


def no_number(file: h5py.File) -> None:
    first_array(file)["0"][0, 0, 0, 0] = np.nan


def missing(file: h5py.File) -> None:
    del file["layers/conv2d"]


def other_shape(file: h5py.File) -> None:
    del first_array(file)["0"]
    first_array(file)["0"] = np.zeros((3, 3, 3, 9), np.float32)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (linked, "/layers/conv2d/vars/0 is a link, which weights need not have"),
        (soft_linked, "/layers/conv2d/vars/0 is a link"),
        (virtual, "/layers/conv2d/vars/0 takes its values from another file"),
        (external, "/layers/conv2d/vars/0 takes its values from another file"),
        (hollow, "its weights say that they hold 4,000,0"),
        (texts, "/layers/conv2d/vars/0 holds no plain numbers"),
        (endless, "it holds more than "),
        (no_number, "it holds weights that are not finite"),
        (missing, "weights, and the file holds"),
        (other_shape, "its weights do not fit its layers: "),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_weights_that_reach_out_of_their_file_or_are_none_are_refused(
    spoil: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5, "MAX_ENTRIES", 1000)
    path = with_weights(saved(extractor), tmp_path / "spoiled.keras", spoil)
    assert why in refused(path, tmp_path)


def test_a_network_larger_than_its_weights_is_refused_before_it_is_built(tmp_path: Path) -> None:
    def grow(config: Any) -> None:
        config["config"]["layers"][-1]["config"]["filters"] = 900_000_000

    path = remade(saved(extractor), tmp_path / "huge.keras", edit=grow)
    assert "weights, and the file holds" in refused(path, tmp_path)


def test_what_keras_says_of_arguments_that_it_does_not_take_is_said_of_the_file(tmp_path: Path) -> None:
    def spoil(config: Any) -> None:
        config["config"]["layers"][-1]["config"]["padding"] = "sideways"

    assert "sideways" in refused(remade(saved(extractor), tmp_path / "odd.keras", edit=spoil), tmp_path)


def test_a_full_disk_is_not_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(take_file, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        take(str(copy_of(saved(extractor), tmp_path)), tmp_path / "copy.keras", pixels="auto")
    assert not (tmp_path / "copy.keras").exists()


def test_the_written_config_holds_no_path_and_no_precision(tmp_path: Path) -> None:
    taken(saved(sequential), tmp_path)
    text = (tmp_path / "sequential.keras" / "config.json").read_text()
    assert str(tmp_path) not in text
    assert not {"bfloat16", "dtype_policy", "L2", "MaxNorm"} & set(text.replace('"', " ").split())
    assert json.loads(text)["class_name"] == "Functional"
