"""A KerasHub preset becomes the run's copy: the same features, pixels rescaled inside, written as Keras runs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import h5py
import keras
import numpy as np
import pytest

# An extra that the lock leaves out, for its 17 packages.
pytest.importorskip("keras_hub", reason="pip install 'automl[hub]'")

from automl.errors import WrongBackbone
from automl.graph.session import open_session, predict
from automl.graph.writer import write_onnx
from automl.nets.build import attach_head, build_backbone, build_extractor, load_pretrained
from automl.nets.own import hub
from automl.nets.own.brought import LeftOut
from automl.nets.own.hub import folder_sum
from automl.nets.own.rows import read_facts, row_named, write_facts
from automl.nets.own.take import sizes_that_fit, take
from automl.nets.weights import find_weights
from automl.recipe.backbones import own_name
from automl.recipe.model import Weights
from automl.stages import rehearse
from automl.types import Network
from tests.conftest import QuietFront
from tests.onnx_toys import max_difference
from tests.own_models import pictures
from tests.own_presets import (
    GOOD,
    PIXELS,
    as_kerashub_runs_it,
    densenet,
    efficientnet,
    preset,
    remade,
    resnet,
    resnet_v2,
    vgg,
)

SIZE_PX = 64
CLASSES = ("one", "two", "three")
NAME = "resnet_18_imagenet"

Make = Callable[[], Any]


@pytest.fixture(autouse=True)
def no_names_left() -> Iterator[None]:
    yield
    keras.utils.clear_session(free_memory=False)


@cache
def brought(make: Make) -> tuple[str, Path]:
    """The name of a preset's copy, and the folder of the copies."""
    folder = Path(mkdtemp(prefix="automl-test-brought-"))
    taken(preset(make), folder)
    return f"hub:{make.__name__}", folder


def taken(source: Path, folder: Path, **how: Any) -> Any:
    """The facts of the copy that a run makes of a preset's folder."""
    copy = folder / own_name(f"hub:{source}")
    facts = take(f"hub:{source}", copy, **{"pixels": "auto", **how})
    facts = replace(facts, sizes_px=sizes_that_fit(copy, (SIZE_PX,)))
    write_facts(copy, facts)
    return facts


def backbone_of(name: str, own: Path) -> keras.Model:
    row = row_named(name, own)
    model = build_backbone(row, SIZE_PX)
    load_pretrained(model, find_weights(row, None, Weights(), warn=print))
    return model


@pytest.mark.parametrize("make", GOOD, ids=lambda make: make.__name__)
def test_the_copy_says_of_bytes_what_kerashub_says_of_what_its_converter_makes_of_them(make: Make) -> None:
    images = pictures(SIZE_PX)
    there = np.asarray(as_kerashub_runs_it(preset(make), images))
    here = np.asarray(backbone_of(*brought(make))(images.astype(np.float32), training=False))
    assert np.ptp(there) > 1e-3
    assert np.abs(here - there).max() <= 1e-4 * np.abs(there).max()


@pytest.mark.parametrize("make", GOOD, ids=lambda make: make.__name__)
def test_its_file_is_written_as_keras_runs_it(make: Make, tmp_path: Path) -> None:
    name, own = brought(make)
    network = Network(backbone=name, size_px=SIZE_PX, classes=CLASSES, dropout=0.1)
    model = attach_head(build_extractor(backbone_of(name, own)), network)
    rng = np.random.default_rng(2)
    logits = model.get_layer("logits")
    logits.set_weights([rng.normal(0, 0.1, weight.shape) for weight in logits.get_weights()])
    write_onnx(model, tmp_path / "x.onnx", class_names=CLASSES, metadata={"backbone": name})
    images = pictures(SIZE_PX)
    wanted = [np.asarray(one) for one in model(images, training=False)]
    for found, there in zip(predict(open_session(tmp_path / "x.onnx", threads=1), images), wanted, strict=True):
        assert np.ptp(there) > 1e-3
        assert max_difference(found, there) < 1e-4


def test_pixels_are_rescaled_inside_as_the_converter_says(tmp_path: Path) -> None:
    facts = taken(preset(vgg), tmp_path)
    rescale = backbone_of("hub:vgg", tmp_path).layers[1]
    assert type(rescale).__name__ == "Rescaling"
    np.testing.assert_allclose([rescale.scale, rescale.offset], [PIXELS["scale"], PIXELS["offset"]])
    assert facts.told == ""


def test_the_recipe_overrules_the_converter_and_without_one_it_is_said_which_pixels_it_gets(tmp_path: Path) -> None:
    assert taken(preset(vgg), tmp_path, pixels="0..1").told == "it gets pixel values as 0..1: weights.pixels says so"
    (remade(preset(vgg), tmp_path / "bare") / "image_converter.json").unlink()
    assert "for nothing in it says on which it was trained" in taken(tmp_path / "bare", tmp_path / "own").told


def test_the_facts_name_the_preset_its_sum_and_whose_licence_it_is() -> None:
    name, own = brought(densenet)
    row = row_named(name, own)
    assert row.own is not None
    assert (row.name, row.own.file) == ("hub:densenet", f"hub:{preset(densenet)}")
    assert (row.own.sha256, row.licence) == (folder_sum(preset(densenet)), "unknown: the owner's")
    assert (row.size_px, row.own.sizes_px, row.own.fault) == (224, (SIZE_PX, 224), "")
    written = (own / name / "config.json").read_text()
    assert "keras_hub" not in written
    assert str(preset(densenet)) not in written


def test_blocks_of_kerashub_are_written_out_as_plain_layers() -> None:
    name, own = brought(efficientnet)
    modules = {type(layer).__module__.split(".")[0] for layer in backbone_of(name, own).layers}
    assert modules == {"keras"}


def refused(source: Path, folder: Path) -> str:
    with pytest.raises(WrongBackbone) as caught:
        take(f"hub:{source}", folder / "copy", pixels="auto")
    assert not (folder / "copy").exists()
    message = str(caught.value)
    assert message.startswith(f"hub:{source} ")
    assert "Wanted: " in message
    assert "leave it out of backbones" in message
    return message


def arguments(**changed: object) -> Callable[[Any], object]:
    return lambda config: config["config"].update(changed)


def missing(config: Any) -> None:
    del config["config"]["stackwise_num_filters"]


def top(**changed: object) -> Callable[[Any], object]:
    return lambda config: config.update(changed)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (top(class_name="Lambda"), "is refused: its config.json is of a 'Lambda'"),
        (top(module="os", class_name="system"), "is refused: its config.json is of a 'system' of module 'os'"),
        (top(registered_name="evil>VGGBackbone"), "is refused: its VGGBackbone is registered as 'evil>VGGBackbone'"),
        (arguments(stackwise_num_filters=[8, {"class_name": "Lambda"}]), "is given {'class_name': 'Lambda'}"),
        (arguments(stackwise_num_repeats=[1, 10**9]), "wanted: at most 10,000"),
        (arguments(name="../../x"), "and no path"),
        (missing, "cannot be a backbone: KerasHub makes no VGGBackbone of its arguments"),
        (arguments(image_shape=[32, 48, 3]), "it takes (None, 32, 48, 3); wanted: one square image"),
        (arguments(stackwise_num_filters=[8, 9000]), "weights, and the file holds"),
        (arguments(stackwise_num_filters=[8, 12]), "its weights do not fit its layers: "),
    ],
    ids=[
        "lambda", "module", "registered", "object", "blocks", "path", "missing", "not square", "larger", "smaller"
    ],
)  # fmt: skip
def test_a_hostile_config_is_refused(
    edit: Callable[[Any], object], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", lambda *_, **__: pytest.fail("Keras was given it"))
    assert why in refused(remade(preset(vgg), tmp_path / "x", edit), tmp_path)


def first_array(file: h5py.File) -> Any:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return file[found[0]]


def linked(file: h5py.File) -> None:
    name = first_array(file).name
    del file[name]
    file[name] = h5py.ExternalLink("/etc/passwd", "/x")


def external(file: h5py.File) -> None:
    array = first_array(file)
    name, shape = array.name, array.shape
    del file[name]
    file.create_dataset(name, shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def hollow(file: h5py.File) -> None:
    name = first_array(file).name
    del file[name]
    file.create_dataset(name, (10**6, 10**6), "f4", chunks=(100, 100))


def other_shape(file: h5py.File) -> None:
    array = first_array(file)
    name, shape = array.name, array.shape
    del file[name]
    file[name] = np.zeros((*shape[:-1], shape[-1] + 1), np.float32)


def no_number(file: h5py.File) -> None:
    first_array(file)[0] = np.nan


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (linked, "is a link, which weights need not have"),
        (external, "takes its values from another file"),
        (hollow, "its weights say that they hold 4,000,0"),
        (other_shape, "its weights do not fit its layers: "),
        (no_number, "it holds weights that are not finite"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_weights_that_reach_out_of_their_file_or_do_not_fit_are_refused(
    spoil: Callable[[h5py.File], object], why: str, tmp_path: Path
) -> None:
    assert why in refused(remade(preset(vgg), tmp_path / "x", weights=spoil), tmp_path)


def test_a_folder_that_is_not_there_or_not_whole_is_refused(tmp_path: Path) -> None:
    assert "cannot be a backbone: there is no such folder" in refused(tmp_path / "absent", tmp_path)
    (remade(preset(vgg), tmp_path / "x") / "model.weights.h5").unlink()
    assert "cannot be a backbone: it has no model.weights.h5" in refused(tmp_path / "x", tmp_path)
    (tmp_path / "x" / "config.json").write_text("no json")
    (tmp_path / "x" / "model.weights.h5").write_text("no weights")
    assert "is refused: its config is no JSON" in refused(tmp_path / "x", tmp_path)


def test_one_that_cannot_be_exported_says_which_of_its_layers(tmp_path: Path) -> None:
    with pytest.raises(LeftOut, match=r"layer 'pad' is a 'Pad' of .*, which the ONNX writer does not know"):
        taken(preset(resnet_v2), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """No network, and nothing in KaggleHub's cache. Returns: the hosts that were looked at."""
    looked: list[str] = []
    monkeypatch.setattr(hub, "host_trouble", lambda host: looked.append(host) or "no route to host")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    return looked


def test_a_name_without_a_network_says_how_to_bring_its_folder(offline: list[str], tmp_path: Path) -> None:
    with pytest.raises(LeftOut) as caught:
        take(f"hub:{NAME}", tmp_path / "copy", pixels="auto", download=True)
    handle = hub._handle(f"hub:{NAME}")
    assert str(caught.value) == (
        "its preset is not here, and cannot be fetched: no route to host. Where there is a network, python -c 'import "
        f'kagglehub; kagglehub.model_download("{handle}", output_dir="{NAME}")\' writes it into a folder {NAME}; give '
        f"that one as hub:./{NAME}"
    )
    assert handle.startswith("keras/resnetv1/keras/resnet_18_imagenet/")
    assert offline == ["https://www.kaggle.com/"]
    assert not (tmp_path / "copy").exists()


def test_where_downloads_are_forbidden_nobody_looks_for_a_network(offline: list[str], tmp_path: Path) -> None:
    with pytest.raises(LeftOut, match=r"cannot be fetched: the recipe forbids downloads \(weights\.download\)"):
        take(f"hub:{NAME}", tmp_path / "copy", pixels="auto", download=False)
    assert offline == []


def test_a_name_that_kerashub_does_not_have_is_refused_with_those_it_has(offline: list[str], tmp_path: Path) -> None:
    with pytest.raises(WrongBackbone) as caught:
        take("hub:resnet18_imagenet", tmp_path / "copy", pixels="auto")
    assert "Did you mean resnet_18_imagenet" in str(caught.value)
    assert "or a folder with a slash in its path, hub:./resnet18_imagenet" in str(caught.value)
    with pytest.raises(WrongBackbone, match="no preset of KerasHub's DenseNetBackbone, .* has that name"):
        take("hub:gemma_2b_en", tmp_path / "copy", pixels="auto")
    assert offline == []


def test_a_name_whose_files_are_in_the_cache_needs_no_network(offline: list[str], tmp_path: Path) -> None:
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_model_handle

    cache_, handle = Cache(), parse_model_handle(hub._handle(f"hub:{NAME}"))
    for file in preset(resnet).iterdir():
        place = Path(cache_.get_path(handle, file.name))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
        cache_.mark_as_complete(handle, file.name)
    facts = take(f"hub:{NAME}", tmp_path / "copy", pixels="auto", download=False)
    assert facts.licence == "unknown: see https://www.kaggle.com/models/keras/resnetv1"
    assert facts.sha256 == folder_sum(preset(resnet))
    assert offline == []


@pytest.fixture
def rehearsed(
    offline: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[list[str], Any]]:
    """The rehearsal of these entries. Returns: its warnings, and where it found weights."""

    def rehearse_these(*backbones: str, **pick: object) -> tuple[list[str], Any]:
        front = QuietFront()
        monkeypatch.setattr(rehearse, "this_childs_front", lambda: front)
        found = rehearse.rehearse(
            {
                "backbones": list(backbones), "weights": {}, "folder": None, "variants": ["fp32", "int8_minmax"],
                "known": ["smallnet"], "scratch": str(tmp_path / "scratch"), "patience_s": 0,
                "own": str(tmp_path / "own"), "pack": {"size_px": SIZE_PX}, "pick": pick,
            }
        )  # fmt: skip
        return front.warnings, found["weights"]

    return rehearse_these


def test_in_a_run_a_preset_that_cannot_be_had_costs_itself_alone(rehearsed: Any) -> None:
    (warning,), weights = rehearsed("smallnet", f"hub:{NAME}")
    assert warning.startswith(f"hub:{NAME} is left out: its preset is not here, and cannot be fetched: ")
    assert weights == {"smallnet": "random"}
    with pytest.raises(WrongBackbone, match=rf"none of the recipe's backbones can be used:\n  hub:{NAME}: its preset"):
        rehearsed(f"hub:{NAME}")


def test_a_copy_is_kept_and_a_later_change_of_its_folder_is_said(rehearsed: Any, tmp_path: Path) -> None:
    entry = f"hub:{remade(preset(vgg), tmp_path / 'mine')}"
    assert rehearsed("smallnet", entry)[0] == []
    before = read_facts(tmp_path / "own" / "hub:mine")
    assert rehearsed("smallnet", entry)[0] == []
    os.utime(tmp_path / "mine" / "config.json")
    assert rehearsed("smallnet", entry)[0] == []
    (tmp_path / "mine" / "image_converter.json").write_text("{}")
    assert rehearsed("smallnet", entry)[0] == [
        f"{entry} has changed since the run took it, and the run keeps its copy. --redo pick takes it anew"
    ]
    assert read_facts(tmp_path / "own" / "hub:mine") == before


def test_a_preset_is_of_an_unknown_licence_and_a_recipe_that_accepts_some_may_accept_that(rehearsed: Any) -> None:
    entry = f"hub:{preset(vgg)}"
    assert rehearsed("smallnet", entry, licences=["Apache-2.0"])[0][0] == (
        'hub:vgg is left out: the licence of its weights is "unknown: the owner\'s", pick.licences accepts Apache-2.0'
    )
    assert rehearsed("smallnet", entry, licences=["Apache-2.0", "unknown"])[0] == []
