"""Weights files that fit, and those that must not be loaded; the head; the features of a map."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from automl.errors import StageFailed, WrongWeights
from automl.nets import build
from automl.nets.build import (
    build_backbone,
    build_extractor,
    build_network,
    check_weights_fit,
    load_network,
    load_pretrained,
    save_weights,
)
from automl.nets.catalogue import SMALLNET, backbone_named
from automl.nets.features import extract_features, tap_layers
from automl.nets.head import reset_head, set_head
from automl.nets.probe import Probe
from automl.nets.views import mirrored
from automl.nets.weights import find_weights
from automl.types import Network, WeightsFound
from tests.legacy_weights import write_legacy

SIZE_PX = 16


@pytest.fixture(scope="module")
def backbone() -> Any:
    """The small net, whose weights files are small too."""
    return build_backbone(SMALLNET, SIZE_PX)


def found(path: Path, backbone: str = "smallnet") -> WeightsFound:
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightsFound(backbone=backbone, source="folder", path=str(path), sha256=checksum)


def test_a_fitting_file_gives_the_backbone_its_numbers(backbone: Any, tmp_path: Path) -> None:
    weights = found(write_legacy(tmp_path / "right.h5", backbone))
    other = build_backbone(SMALLNET, 2 * SIZE_PX)
    load_pretrained(other, weights)
    for ours, theirs in zip(backbone.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_of_another_backbone_is_refused_by_name_with_what_to_do(backbone: Any, tmp_path: Path) -> None:
    path = tmp_path / "small.h5"
    write_legacy(path, backbone)
    with pytest.raises(WrongWeights) as caught:
        check_weights_fit(backbone_named("mobilenetv3small"), found(path, "mobilenetv3small"))
    message = str(caught.value)
    assert message.startswith(f"{path} cannot be the weights of mobilenetv3small: Layer count mismatch")
    assert message.endswith("Take it out of that folder (--weights, or AUTOML_WEIGHTS), or put the right file there.")


def test_a_file_that_is_no_hdf5_is_refused(backbone: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.h5"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(WrongWeights, match=r"page.h5 cannot be the weights of smallnet: .*signature not found"):
        load_pretrained(backbone, found(path))


def test_a_file_with_a_spoiled_byte_is_refused_or_read_and_nothing_else(backbone: Any, tmp_path: Path) -> None:
    write_legacy(tmp_path / "whole.h5", backbone)
    whole = (tmp_path / "whole.h5").read_bytes()
    model, refused = build_backbone(SMALLNET, SIZE_PX), 0
    for seed in range(30):
        spoiled, draw = bytearray(whole), np.random.default_rng(seed)
        for place in draw.integers(0, 20_000, 20):  # where most of HDF5's own lists lie
            spoiled[place] ^= 1 << int(draw.integers(8))
        (tmp_path / "spoiled.h5").write_bytes(spoiled)
        try:
            load_pretrained(model, found(tmp_path / "spoiled.h5"))
        except WrongWeights:
            refused += 1
    assert refused > 10


def test_a_file_without_layers_is_refused(backbone: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["values"] = np.zeros(3)
    with pytest.raises(WrongWeights, match=r"bare.h5 cannot be the weights of smallnet"):
        load_pretrained(backbone, found(tmp_path / "bare.h5"))


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = build_backbone(SMALLNET, SIZE_PX)
    model.set_weights([np.full_like(values, np.nan) for values in model.get_weights()])
    weights = found(write_legacy(tmp_path / "nan.h5", model))
    with pytest.raises(WrongWeights, match="values that are not finite"):
        load_pretrained(model, weights)


def test_a_file_that_reaches_into_another_is_refused_before_it_is_read(backbone: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(64))
    for name, hide in {
        "link.h5": lambda file: file.__setitem__("deep/er", h5py.ExternalLink("other.h5", "/x")),
        "soft.h5": lambda file: file.__setitem__("deep/er", h5py.SoftLink("/x")),
        "storage.h5": lambda file: file.create_dataset(
            "deep/er", (8,), "f8", external=[(str(tmp_path / "secret"), 0, 64)]
        ),
    }.items():
        path = tmp_path / name
        write_legacy(path, backbone)
        with h5py.File(path, "a") as file:
            hide(file)
        with pytest.raises(WrongWeights, match=r"/deep/er (is a link|takes its values from another file)"):
            load_pretrained(backbone, found(path))


@pytest.fixture(scope="module")
def topped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileNet 0.25 with its top, as Keras writes it; without training."""
    path = tmp_path_factory.mktemp("topped") / "mobilenet_2_5_224_tf.h5"
    return write_legacy(path, keras.applications.MobileNet(alpha=0.25, weights=None))


def test_a_file_with_a_top_gives_a_backbone_of_any_size_its_numbers(topped: Path) -> None:
    backbone = build_backbone(backbone_named("mobilenet_025"), 32)
    load_pretrained(backbone, replace(found(topped, "mobilenet_025"), topped=True))
    with h5py.File(topped) as file:
        np.testing.assert_array_equal(backbone.get_layer("conv1").get_weights()[0], file["conv1"]["conv1/0"])
        last = file["conv_pw_13_bn"]
        np.testing.assert_array_equal(backbone.get_layer("conv_pw_13_bn").get_weights()[3], last["conv_pw_13_bn/3"])


def test_a_file_that_has_no_top_though_it_should_is_refused_with_what_was_wanted(tmp_path: Path) -> None:
    row = backbone_named("mobilenet_025")
    path = write_legacy(tmp_path / "bare.h5", build_backbone(row, 32))
    with pytest.raises(WrongWeights) as caught:
        load_pretrained(build_backbone(row, 32), replace(found(path, row.name), topped=True))
    assert str(caught.value).startswith(f"{path} cannot be the weights of mobilenet_025: Layer count mismatch")
    assert (
        "for mobilenet_025 with its top of 1,000 classes, which its name or weights.yaml (include_top) says it has. "
        in str(caught.value)
    )


def test_a_file_that_has_a_top_though_it_should_not_is_refused(topped: Path) -> None:
    with pytest.raises(WrongWeights, match=r"mobilenet_025 without its top"):
        load_pretrained(build_backbone(backbone_named("mobilenet_025"), 32), found(topped, "mobilenet_025"))


def test_a_network_with_a_top_that_is_another_gives_nothing(topped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = backbone_named("mobilenet_025")
    weights = replace(found(topped, row.name), topped=True)
    wide = keras.applications.MobileNet(alpha=0.5, weights=None, input_shape=(32, 32, 3))
    monkeypatch.setattr(build, "loaded_with_top", lambda row, path: wide)
    with pytest.raises(WrongWeights, match="its layer conv1 stands where the backbone has conv1"):
        load_pretrained(build_backbone(row, 32), weights)
    bare = build_backbone(row, 32)
    monkeypatch.setattr(build, "loaded_with_top", lambda row, path: bare)
    with pytest.raises(WrongWeights, match="with its top it has 54 layers with weights, and without it 54"):
        load_pretrained(build_backbone(row, 32), weights)


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(backbone="smallnet", size_px=SIZE_PX, classes=("one", "two"), dropout=0.5)


def test_weights_of_a_network_with_other_classes_are_refused(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "pick" / "model.weights.h5"
    save_weights(build_network(network), path)
    other = Network(backbone="smallnet", size_px=SIZE_PX, classes=("one", "two", "three"))
    with pytest.raises(StageFailed, match=r"model.weights.h5 cannot be loaded.*with 3 classes.*Redo that stage"):
        load_network(other, path)


def test_a_weights_file_must_be_named_as_keras_wants(network: Network, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"does not end in \.weights\.h5"):
        save_weights(build_network(network), tmp_path / "model.h5")


def test_the_head_predicts_what_the_probe_predicts_also_after_a_compiled_call(network: Network, tmp_path: Path) -> None:
    model = build_network(network)
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (5, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    _, features = model.predict_on_batch(pixels)
    d = features.shape[1]
    probe = Probe(
        mean=features.mean(axis=0),
        scale=rng.uniform(0.5, 2, d).astype(np.float32),
        kernel=rng.normal(0, 0.1, (d, 2)).astype(np.float32),
        bias=np.array([0.5, -0.5], np.float32),
    )
    set_head(model, mean=probe.mean, scale=probe.scale, kernel=probe.kernel, bias=probe.bias)
    wanted = probe.predict(features)
    assert np.ptp(wanted[:, 0]) > 1e-3
    np.testing.assert_allclose(model.predict_on_batch(pixels)[0], wanted, atol=1e-5)
    save_weights(model, tmp_path / "model.weights.h5")
    loaded = load_network(network, tmp_path / "model.weights.h5")
    np.testing.assert_allclose(loaded.predict_on_batch(pixels)[0], wanted, atol=1e-5)
    assert float(np.linalg.norm(loaded.get_layer("standardise")(features), axis=1).max()) < 5  # unit length, about


def test_squeeze_and_excite_tensors_and_padding_are_never_taps() -> None:
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="fine")(image)
    x = layers.Conv2D(4, 3, strides=2, name="deep")(layers.ZeroPadding2D(1)(x))
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    excited = layers.Conv2D(4, 1, activation="sigmoid")(squeezed)
    x = layers.Multiply(name="scaled")([x, excited])
    last = layers.Conv2D(8, 4, name="one_pixel")(x)
    assert [tap.name for tap in tap_layers(keras.Model(image, last))] == ["fine", "scaled"]


def test_a_net_with_one_resolution_has_no_taps() -> None:
    image = keras.Input((16, 16, 3))
    with pytest.raises(ValueError, match=r"has 1 resolution\(s\) of more than 1 px"):
        tap_layers(keras.Model(image, layers.Conv2D(4, 3, padding="same")(image)))


def test_features_come_in_the_order_of_the_rows_whatever_the_batches(backbone: Any) -> None:
    extractor = build_extractor(backbone)
    pixels = np.random.default_rng(4).integers(0, 256, (7, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    ticks: list[tuple[int, int]] = []
    whole = extract_features(extractor, pixels, batch_size=3, progress=lambda done, n: ticks.append((done, n)))
    assert ticks == [(3, 7), (6, 7), (7, 7)]
    np.testing.assert_allclose(whole.features, np.asarray(extractor(pixels)), atol=1e-4)
    rows = np.array([5, 0, 5])
    some = extract_features(extractor, pixels, rows=rows, batch_size=3)
    np.testing.assert_allclose(some.features, whole.features[rows], atol=1e-4)


def test_mirrored_features_are_those_of_mirrored_images(backbone: Any) -> None:
    extractor = build_extractor(backbone)
    pixels = np.random.default_rng(5).integers(0, 256, (3, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    seen = extract_features(extractor, pixels, batch_size=3, see=mirrored).features
    flipped = extract_features(extractor, np.ascontiguousarray(pixels[:, :, ::-1]), batch_size=3).features
    np.testing.assert_array_equal(seen, flipped)
    assert not np.allclose(seen, extract_features(extractor, pixels, batch_size=3).features, atol=1e-3)


def test_speed_is_images_a_second_without_the_compiling_call(backbone: Any) -> None:
    pixels = np.zeros((6, SIZE_PX, SIZE_PX, 3), np.uint8)
    ticking = iter([100.0, 101.5, 190.0, 190.5])  # before and after each pass; what lies between is not counted
    seen = extract_features(build_extractor(backbone), pixels, batch_size=4, clock=lambda: next(ticking))
    assert seen.images_s == 3.0


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv3small",
        "mobilenetv2",
        "mobilenetv2_035",
        "mobilenet",
        "mobilenet_050",
        "mobilenet_025",
        "efficientnetv2b0",
    ],
)
def test_the_shared_weights_fit_their_backbones(name: str) -> None:
    folder = Path(__file__).parents[3] / "shared" / "weights"
    if not folder.is_dir():
        pytest.skip("the weights beside the repository are absent")

    class Settings:
        pretrained = True
        download = False

    row = backbone_named(name)
    weights = find_weights(row, folder, Settings(), warn=lambda text: None)
    assert (weights.source, weights.topped) == ("folder", name == "mobilenet_025")
    check_weights_fit(row, weights)


def test_a_reset_head_predicts_the_classes_shares_and_passes_the_features_on():
    model = build_network(Network(backbone="smallnet", size_px=32, classes=("a", "b", "c")))
    reset_head(model, np.array([6.0, 3.0, 1.0]))
    pixels = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    probabilities, features = model.predict_on_batch(pixels)
    assert np.allclose(probabilities, [[0.6, 0.3, 0.1]] * 4, atol=1e-6)
    standardised = keras.Model(model.inputs[0], model.get_layer("standardise").output).predict_on_batch(pixels)
    assert np.allclose(standardised, features, rtol=1e-5)
