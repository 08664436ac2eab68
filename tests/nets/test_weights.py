"""Finding weights: files by name, listings, the order of places, and what happens where there are none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from automl.errors import WrongWeights
from automl.nets import weights
from automl.nets.catalogue import SMALLNET, Backbone, backbone_named
from automl.nets.weights import find_weights, in_folder, with_weights

MOBILENET = backbone_named("mobilenetv2")
SMALL = backbone_named("mobilenetv3small")
CONTENT = b"stands for an HDF5 file"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass(frozen=True)
class Settings:
    pretrained: bool = True
    download: bool = False


@dataclass(frozen=True)
class Places:
    folder: Path
    cache: Path

    def put(self, where: str, name: str) -> Path:
        path = (self.folder if where == "folder" else self.cache) / name
        path.write_bytes(CONTENT)
        return path

    def list(self, *entries: object) -> None:
        (self.folder / "weights.yaml").write_text(yaml.safe_dump(list(entries)))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(tmp_path / "weights", tmp_path / "keras" / "models")
    made.folder.mkdir()
    made.cache.mkdir(parents=True)
    return made


def no_warning(text: str) -> None:
    raise AssertionError(text)


def test_a_file_with_keras_own_name_is_found_in_the_folder_before_the_cache(places: Places) -> None:
    path = places.put("folder", MOBILENET.weights_files[2].name)
    places.put("cache", MOBILENET.weights_files[0].name)
    found = find_weights(MOBILENET, places.folder, Settings(), warn=no_warning, cache=places.cache)
    assert (found.source, found.path, found.sha256) == ("folder", str(path), SHA256)


def test_the_cache_serves_where_the_folder_has_nothing_for_the_backbone(places: Places) -> None:
    places.put("folder", SMALL.weights_files[0].name)
    path = places.put("cache", MOBILENET.weights_files[0].name)
    found = find_weights(MOBILENET, places.folder, Settings(), warn=no_warning, cache=places.cache)
    assert (found.source, found.path) == ("cache", str(path))


def test_a_listing_names_files_by_class_and_arguments(places: Places) -> None:
    for name in ("narrow.h5", "topped.h5", "other.h5", "right.h5"):
        places.put("folder", name)
    places.list(
        {"file": "narrow.h5", "backbone": "MobileNetV2", "kwargs": {"alpha": 0.35, "include_top": False}},
        {"file": "topped.h5", "backbone": "MobileNetV2", "kwargs": {"alpha": 1.0}},
        {"file": "other.h5", "backbone": "MobileNet", "kwargs": {"alpha": 1.0, "include_top": False}},
        {"file": "right.h5", "backbone": "MobileNetV2", "kwargs": {"include_top": False, "input_shape": [224, 224, 3]},
         "sha256": SHA256},
    )  # fmt: skip
    found = in_folder(MOBILENET, places.folder)
    assert found is not None
    assert found.path == str(places.folder / "right.h5")
    assert in_folder(SMALL, places.folder) is None


def test_listed_bytes_that_are_others_are_refused(places: Places) -> None:
    places.put("folder", "right.h5")
    places.list({"file": "right.h5", "backbone": "MobileNetV2", "kwargs": {"include_top": False}, "sha256": "0" * 64})
    with pytest.raises(WrongWeights, match=rf"right.h5, the weights of mobilenetv2, has the sha256 {SHA256}.*fetch it"):
        in_folder(MOBILENET, places.folder)


@pytest.mark.parametrize("name", ["absent.h5", "../outside.h5", "sub/inside.h5"])
def test_a_listed_file_must_lie_in_the_folder_itself(places: Places, name: str) -> None:
    (places.folder / "sub").mkdir()
    for path in (places.folder.parent / "outside.h5", places.folder / "sub" / "inside.h5"):
        path.write_bytes(CONTENT)
    places.list({"file": name, "backbone": "MobileNetV2", "kwargs": {"include_top": False}})
    with pytest.raises(WrongWeights, match="holds no such file"):
        in_folder(MOBILENET, places.folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "weights.yaml cannot be read"),
        ("file: x.h5", "holds a dict. Wanted: a list"),
        ("- just words", "entry 1: 'just words'"),
        ("- {file: x.h5, backbone: MobileNetV2, kwargs: 3}", "entry 1: "),
        ("!!python/object/apply:os.getcwd []", "weights.yaml cannot be read"),
    ],
)
def test_a_listing_that_is_none_is_refused_by_name(places: Places, text: str, message: str) -> None:
    (places.folder / "weights.yaml").write_text(text)
    with pytest.raises(WrongWeights, match=message):
        in_folder(MOBILENET, places.folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongWeights, match=r"absent is not a folder.*Correct --weights"):
        in_folder(MOBILENET, tmp_path / "absent")


def test_nothing_is_looked_for_where_the_recipe_wants_no_pretrained_weights(places: Places) -> None:
    places.put("cache", MOBILENET.weights_files[0].name)
    settings = Settings(pretrained=False, download=True)
    found = find_weights(MOBILENET, None, settings, warn=no_warning, cache=places.cache)
    assert (found.source, found.path, found.sha256) == ("random", "", "")


def test_a_backbone_without_weights_is_left_out_where_another_has_them(places: Places) -> None:
    places.put("folder", SMALL.weights_files[0].name)
    said: list[str] = []
    kept = with_weights([SMALL, MOBILENET], places.folder, Settings(), warn=said.append, cache=places.cache)
    assert [one.row.name for one in kept] == ["mobilenetv3small"]
    assert said == [
        f"no pretrained weights for mobilenetv2 in the folder {places.folder} or Keras' cache {places.cache}, and the "
        "recipe forbids downloads (weights.download): left out. Give a folder that holds them with --weights."
    ]


def test_the_small_net_stands_in_where_no_weights_can_be_had(places: Places) -> None:
    said: list[str] = []
    kept = with_weights([SMALL, MOBILENET], None, Settings(), warn=said.append, cache=places.cache)
    assert [(one.row.name, one.weights.source) for one in kept] == [("smallnet", "random")]
    assert "mobilenetv3small, mobilenetv2" in said[0]
    assert "replaced by smallnet" in said[0]
    assert said[1] == "smallnet starts from random weights: it learns from this dataset alone"


def test_the_small_net_stays_beside_one_with_weights_and_its_start_is_said(places: Places) -> None:
    places.put("cache", SMALL.weights_files[0].name)
    said: list[str] = []
    kept = with_weights([SMALLNET, SMALL], None, Settings(), warn=said.append, cache=places.cache)
    assert [one.row.name for one in kept] == ["smallnet", "mobilenetv3small"]
    assert said == ["smallnet starts from random weights: it learns from this dataset alone"]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy at which nobody listens."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    weights.host_trouble.cache_clear()


def test_without_a_network_no_download_is_tried_and_the_reason_is_said_once(places: Places, no_network: None) -> None:
    said: list[str] = []
    untried = tuple(replace(row, entry="nowhere:nothing") for row in (SMALL, MOBILENET))
    with_weights(untried, None, Settings(download=True), warn=said.append, cache=places.cache)
    assert len(said) == 2
    assert "nor by download (<urlopen error [Errno 111] Connection refused>)" in said[0]
    weights.host_trouble.cache_clear()


def fetched(row: Backbone, monkeypatch: pytest.MonkeyPatch, keras: object) -> Backbone:
    monkeypatch.setattr(weights, "host_trouble", lambda: "")
    monkeypatch.setattr(weights, "load_entry", lambda entry: keras)
    return row


def test_a_download_through_keras_ends_in_its_cache_and_is_found_there(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def keras(**arguments: object) -> None:
        asked.append(arguments)
        places.put("cache", SMALL.weights_files[0].name)

    row = fetched(SMALL, monkeypatch, keras)
    found = find_weights(row, None, Settings(download=True), warn=no_warning, cache=places.cache)
    assert (found.source, found.sha256) == ("download", SHA256)
    assert asked == [{"weights": "imagenet", "input_shape": (224, 224, 3), **SMALL.arguments}]


def test_a_download_that_fails_costs_one_warning_and_the_weights_are_random(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keras(**arguments: object) -> None:
        raise Exception("URL fetch failure: 404")  # noqa: TRY002  # as Keras raises it

    said: list[str] = []
    row = fetched(SMALL, monkeypatch, keras)
    found = find_weights(row, None, Settings(download=True), warn=said.append, cache=places.cache)
    assert found.source == "random"
    assert said == ["the weights of mobilenetv3small could not be downloaded: URL fetch failure: 404"]
