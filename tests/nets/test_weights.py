"""Finding weights: files by name, listings, the order of places, and what happens where there are none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from automl.errors import WrongWeights
from automl.nets import catalogue
from automl.nets.catalogue import SMALLNET, WeightsFile, backbone_named
from automl.nets.fetch import host_trouble
from automl.nets.weights import Place, find_weights, in_folder, takeable, with_weights
from tests.weights_host import content, serving

MOBILENET = backbone_named("mobilenetv2")
SMALL = backbone_named("mobilenetv3small")
CONTENT = content(1000)
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


def list_three(places: Places) -> None:
    """MobileNetV2's weights: of no stated size (so the native one, 224 px), trained at 128 px, and at 96."""
    shapes = {"unsaid.h5": {}, "at-128.h5": {"input_shape": [128, 128, 3]}, "at-96.h5": {"input_shape": [96, 96, 3]}}
    for name in shapes:
        places.put("folder", name)
    places.list(
        *({"file": name, "backbone": "MobileNetV2", "kwargs": {"include_top": False, **shape}}
          for name, shape in shapes.items())
    )  # fmt: skip


@pytest.mark.parametrize(
    ("packed_px", "taken"),
    [(None, "unsaid"), (64, "at-96"), (111, "at-96"), (112, "at-128"), (128, "at-128"), (175, "at-128"),
     (176, "unsaid"), (512, "unsaid")],
)  # fmt: skip
def test_of_several_listed_files_the_one_trained_nearest_to_the_packed_size_is_taken_of_equals_the_larger(
    places: Places, packed_px: int | None, taken: str
) -> None:
    list_three(places)
    found = find_weights(MOBILENET, places.folder, Settings(), size_px=packed_px, warn=no_warning, cache=places.cache)
    assert found.path == str(places.folder / f"{taken}.h5")


def test_keras_names_tell_the_size_too(places: Places) -> None:
    for file in MOBILENET.weights_files:
        places.put("cache", file.name)
    for packed_px, trained_px in ((None, 224), (96, 96), (130, 128), (176, 192), (600, 224)):
        found = find_weights(MOBILENET, None, Settings(), size_px=packed_px, warn=no_warning, cache=places.cache)
        assert f"_{trained_px}_no_top" in found.path


def test_a_file_with_its_top_serves_under_the_name_that_keras_gives_it_and_the_record_says_so(places: Places) -> None:
    path = places.put("cache", "weights_mobilenet_v3_small_224_1.0_float.h5")
    found = find_weights(SMALL, None, Settings(), warn=no_warning, cache=places.cache)
    assert (found.path, found.topped) == (str(path), True)
    bare = places.put("cache", SMALL.weights_files[0].name)
    found = find_weights(SMALL, None, Settings(), warn=no_warning, cache=places.cache)
    assert (found.path, found.topped) == (str(bare), False)


def test_of_files_trained_at_one_size_that_without_a_top_is_taken_but_a_nearer_one_goes_before(places: Places) -> None:
    kwargs: dict[str, dict[str, object]] = {
        "topped.h5": {"input_shape": [128, 128, 3]},
        "bare.h5": {"include_top": False, "input_shape": [128, 128, 3]},
        "far.h5": {"include_top": False},
    }
    for name in kwargs:
        places.put("folder", name)
    entries = [{"file": name, "backbone": "MobileNetV2", "kwargs": given} for name, given in kwargs.items()]

    def taken() -> str:
        places.list(*entries)
        found = find_weights(MOBILENET, places.folder, Settings(), size_px=96, warn=no_warning, cache=places.cache)
        return Path(found.path).name

    assert taken() == "bare.h5"
    del entries[1]
    assert taken() == "topped.h5"


def test_before_the_size_is_known_every_file_that_could_be_taken_is_told(places: Places) -> None:
    list_three(places)
    looked = (Place(path=places.folder, named="--weights"), Place(path=places.cache, named="Keras' cache"))

    def names(least_px: int, most_px: int) -> list[str]:
        return [file.path.name for file in takeable(MOBILENET, looked, (least_px, most_px))]

    assert names(1, 224) == ["at-96.h5", "at-128.h5", "unsaid.h5"]
    assert names(1, 160) == ["at-96.h5", "at-128.h5"]
    assert names(64, 64) == ["at-96.h5"]
    assert names(300, 300) == ["unsaid.h5"]
    assert takeable(SMALL, looked, (1, 224)) == ()


def test_the_licence_that_a_listing_states_is_recorded_with_the_weights(places: Places) -> None:
    places.put("folder", "right.h5")
    entry = {"file": "right.h5", "backbone": "MobileNetV2", "kwargs": {"include_top": False}, "licence": "AGPL-3.0"}
    places.list(entry)
    found = in_folder(MOBILENET, places.folder)
    assert found is not None
    assert found.licence == "AGPL-3.0"


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
        "recipe forbids downloads (weights.download): left out. Give a folder that holds them with --weights, or see "
        "`automl weights --help`."
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


def test_the_folder_of_the_variable_comes_after_weights_and_before_the_cache(
    places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    of_variable = tmp_path / "variable" / MOBILENET.weights_files[0].name
    of_variable.parent.mkdir()
    of_variable.write_bytes(CONTENT)
    monkeypatch.setenv("AUTOML_WEIGHTS", str(of_variable.parent))
    places.put("cache", MOBILENET.weights_files[0].name)

    def found() -> str:
        return find_weights(MOBILENET, places.folder, Settings(), warn=no_warning, cache=places.cache).path

    assert found() == str(of_variable)
    path = places.put("folder", MOBILENET.weights_files[0].name)
    assert found() == str(path)


def test_a_variable_that_names_no_folder_is_refused_by_its_name(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_WEIGHTS", str(places.folder / "absent"))
    with pytest.raises(WrongWeights, match=r"absent is not a folder.*Correct \$AUTOML_WEIGHTS"):
        find_weights(MOBILENET, None, Settings(), warn=no_warning, cache=places.cache)


def test_a_listing_counts_in_the_cache_as_well(places: Places) -> None:
    path = places.put("cache", "ours.h5")
    entry = {"file": "ours.h5", "backbone": "MobileNetV2", "kwargs": {"include_top": False}, "sha256": SHA256}
    (places.cache / "weights.yaml").write_text(yaml.safe_dump([entry]))
    found = find_weights(MOBILENET, None, Settings(), warn=no_warning, cache=places.cache)
    assert (found.source, found.path) == ("cache", str(path))


@pytest.mark.parametrize("named", ["--weights", "$AUTOML_WEIGHTS"])
def test_a_folder_without_the_weights_of_any_backbone_is_refused_with_what_it_holds(
    places: Places, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    places.put("cache", MOBILENET.weights_files[0].name)
    for name in "abcdef":
        places.put("folder", f"{name}.h5")
    folder = places.folder
    if named != "--weights":
        monkeypatch.setenv("AUTOML_WEIGHTS", str(folder))
        folder = None
    with pytest.raises(WrongWeights) as refused:
        with_weights([MOBILENET], folder, Settings(), warn=no_warning, cache=places.cache)
    assert str(refused.value) == (
        f"{places.folder} holds no weights of any backbone, but 'a.h5', 'b.h5', 'c.h5', 'd.h5', 'e.h5', .... Wanted: "
        "files under the names that Keras gives them, or a weights.yaml that says which is which. "
        f"Correct {named}."
    )


def test_a_folder_with_the_weights_of_another_backbone_is_none_to_refuse(places: Places) -> None:
    places.put("folder", SMALL.weights_files[0].name)
    places.put("cache", MOBILENET.weights_files[0].name)
    kept = with_weights([MOBILENET], places.folder, Settings(), warn=no_warning, cache=places.cache)
    assert [one.weights.source for one in kept] == ["cache"]


def test_the_folder_of_the_variable_may_still_be_empty(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_WEIGHTS", str(places.folder))
    places.put("cache", MOBILENET.weights_files[0].name)
    kept = with_weights([MOBILENET], None, Settings(), warn=no_warning, cache=places.cache)
    assert [one.weights.source for one in kept] == ["cache"]


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (b"<!DOCTYPE html>\n<title>Sign in</title>", "it is a web page"),
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a pointer of Git LFS"),
        (b"PK\x03\x04 and more", r"it begins with b'PK\\x03\\x04 and'"),
    ],
)
def test_a_file_that_is_no_weights_file_is_refused_by_what_it_is(places: Places, held: bytes, why: str) -> None:
    places.put("folder", SMALL.weights_files[0].name).write_bytes(held)
    with pytest.raises(WrongWeights, match=f"cannot be the weights of mobilenetv3small: {why}.*fetch it again"):
        find_weights(SMALL, places.folder, Settings(), warn=no_warning, cache=places.cache)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A proxy at which nobody listens."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr("urllib.request._opener", None)  # it knows the proxies of the first request
    host_trouble.cache_clear()
    yield
    host_trouble.cache_clear()


def test_without_a_network_no_download_is_tried_and_the_reason_is_said_once(places: Places, no_network: None) -> None:
    said: list[str] = []
    with_weights((SMALL, MOBILENET), None, Settings(download=True), warn=said.append, cache=places.cache)
    assert len(said) == 2
    assert "nor by download (<urlopen error [Errno 111] Connection refused>)" in said[0]
    assert host_trouble.cache_info().misses == 1


def test_a_download_ends_in_keras_cache_and_is_found_there_from_then_on(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (WeightsFile("models", "native.h5"), WeightsFile("models", "small.h5", SHA256, size_px=128))
    row = replace(SMALL, weights_files=files)
    told: list[tuple[int, int]] = []
    with serving() as host:
        monkeypatch.setattr(catalogue, "KERAS_HOST", host.url)
        host.files["/models/small.h5"] = CONTENT
        found = find_weights(row, None, Settings(download=True), size_px=160, warn=no_warning,
                             progress=lambda *of: told.append(of), cache=places.cache)  # fmt: skip
    assert (found.source, found.sha256, found.path) == ("download", SHA256, str(places.cache / "small.h5"))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    again = find_weights(row, None, Settings(download=True), warn=no_warning, cache=places.cache)
    assert again.source == "cache"


def test_a_download_that_fails_costs_one_warning_and_the_weights_are_random(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with serving() as host:
        monkeypatch.setattr(catalogue, "KERAS_HOST", host.url)
        found = find_weights(SMALL, None, Settings(download=True), warn=said.append, cache=places.cache)
    assert found.source == "random"
    assert len(said) == 1
    assert said[0].startswith("the weights of mobilenetv3small could not be downloaded: ")
    assert said[0].endswith("answers 404 Not Found")
