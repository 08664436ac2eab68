"""The rehearsal takes the user's own backbones into the run; one that cannot be exported costs itself alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from automl.errors import WrongBackbone
from automl.nets.own.rows import read_facts, row_named
from automl.stages import bring, rehearse
from tests.conftest import QuietFront
from tests.own_models import bare, classifier, copy_of, extractor, of_one_size, remade, saved, silent, unwritable


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[QuietFront]:
    quiet = QuietFront()
    monkeypatch.setattr(rehearse, "this_childs_front", lambda: quiet)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    yield quiet
    keras.utils.clear_session(free_memory=False)


@pytest.fixture
def rehearsed(front: QuietFront, tmp_path: Path) -> Callable[..., Any]:
    """The rehearsal of these entries, the export of the catalogue's known to be good."""

    def rehearse_these(*backbones: str | Path, pixels: str = "auto", **pack: object) -> Any:
        return rehearse.rehearse(
            {
                "backbones": list(map(str, backbones)), "weights": {"download": False, "pixels": pixels},
                "folder": None, "variants": ["fp32", "int8_minmax"], "known": ["smallnet"],
                "scratch": str(tmp_path / "scratch"), "patience_s": 0, "own": str(tmp_path / "backbones"),
                "pack": {"size_px": 32, **pack}, "pick": {},
            }
        )  # fmt: skip

    return rehearse_these


def test_a_file_is_taken_and_tried_with_its_own_weights_even_where_no_time_is_left(
    rehearsed: Callable[..., Any], front: QuietFront, tmp_path: Path
) -> None:
    result = rehearsed("smallnet", saved(classifier))
    assert result["weights"] == {"smallnet": "random", "classifier.keras": "own"}
    assert list(result["tried"]) == ["classifier.keras"]
    assert front.warnings == []
    row = row_named("classifier.keras", tmp_path / "backbones")
    assert row.own.sizes_px == (24, 32)


def test_a_layer_that_the_writer_does_not_know_is_named_and_costs_its_backbone_alone(
    rehearsed: Callable[..., Any], front: QuietFront, tmp_path: Path
) -> None:
    result = rehearsed("smallnet", saved(unwritable))
    assert result["tried"] == {}
    assert len(front.warnings) == 1
    assert front.warnings[0].startswith("unwritable.keras is left out: layer 'groups' is a ")
    assert "which the ONNX writer does not know" in front.warnings[0]
    fault = row_named("unwritable.keras", tmp_path / "backbones").own.fault
    assert fault.startswith("layer 'groups' is a ")


def test_where_no_other_candidate_is_left_that_ends_the_run(rehearsed: Callable[..., Any]) -> None:
    with pytest.raises(WrongBackbone) as caught:
        rehearsed(saved(unwritable))
    message = str(caught.value)
    assert message.startswith("none of the recipe's backbones can be used:\n  ")
    assert f"{saved(unwritable)}: layer 'groups' is a " in message
    assert message.endswith("Wanted: one that can be exported. Correct it, or add another one to backbones.")


def test_a_hostile_file_ends_the_run_whatever_stands_beside_it(rehearsed: Callable[..., Any], tmp_path: Path) -> None:
    def spoil(config: Any) -> None:
        config["config"]["layers"][-1]["class_name"] = "Lambda"

    path = remade(saved(extractor), tmp_path / "hostile.keras", edit=spoil)
    with pytest.raises(WrongBackbone, match=r"hostile\.keras is refused: layer 'second' is a 'Lambda' .*runs code"):
        rehearsed("smallnet", path)


def test_one_of_a_fixed_size_says_which_sizes_it_needs_and_is_left_out_where_none_is_packed(
    rehearsed: Callable[..., Any], front: QuietFront, tmp_path: Path
) -> None:
    rehearsed("smallnet", saved(of_one_size))
    assert front.warnings == [
        "of_one_size.keras is left out: it can be built for images of 24 px alone, and the recipe packs none of these "
        "sizes: set pack.size_px to one of them"
    ]
    front.warnings.clear()
    rehearsed("smallnet", saved(of_one_size), size_px=24)
    assert front.warnings == []
    with pytest.raises(WrongBackbone, match=r"images of 24 px alone.*set pack\.size_px"):
        rehearsed(saved(of_one_size), size_px=64)


def test_of_several_sizes_that_may_be_packed_those_are_told_that_it_cannot_be_built_at(
    rehearsed: Callable[..., Any], front: QuietFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearse, "possible_sizes_px", lambda *_: (24, 32))
    rehearsed("smallnet", saved(of_one_size))
    assert front.warnings == [
        "of_one_size.keras: it can be built for images of 24 px alone. Where images are packed at another size, it is "
        "left out; pack.size_px sets it"
    ]


def test_which_pixel_values_it_gets_is_said_where_it_does_not_rescale_them(
    rehearsed: Callable[..., Any], front: QuietFront
) -> None:
    rehearsed(saved(silent))
    rehearsed(saved(bare))
    rehearsed(saved(bare), pixels="-1..1")
    untold, told, as_set = front.warnings
    assert untold == (
        "silent.keras: it gets pixel values as they are, 0..255, for nothing in it says on which it was trained. If it "
        "was trained on others, set weights.pixels"
    )
    assert "it gets pixel values as 'torch' (ImageNet's mean taken off, divided by its deviation): its first B" in told
    assert "it gets pixel values as -1..1: weights.pixels says so" in as_set


def test_a_later_change_of_the_file_does_not_change_the_run(
    rehearsed: Callable[..., Any], front: QuietFront, tmp_path: Path
) -> None:
    path = copy_of(saved(extractor), tmp_path)
    rehearsed(path)
    copy = tmp_path / "backbones" / "extractor.keras"
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    rehearsed(path)
    assert front.warnings == []
    shutil.copy(saved(classifier), path)
    rehearsed(path)
    assert front.warnings == [
        f"{path} has changed since the run took it, and the run keeps its copy. --redo pick takes it anew"
    ]
    path.unlink()
    rehearsed(path)
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before


def test_another_file_of_the_same_name_and_other_pixels_are_taken_anew(
    rehearsed: Callable[..., Any], tmp_path: Path
) -> None:
    rehearsed(copy_of(saved(extractor), tmp_path))
    copy = tmp_path / "backbones" / "extractor.keras"
    first = read_facts(copy)
    (tmp_path / "other").mkdir()
    shutil.copy(saved(classifier), tmp_path / "other" / "extractor.keras")
    rehearsed(tmp_path / "other" / "extractor.keras")
    assert read_facts(copy).sha256 != first.sha256
    rehearsed(tmp_path / "other" / "extractor.keras", pixels="caffe")
    assert read_facts(copy).pixels == "caffe"


def test_a_copy_that_was_cut_short_is_taken_again(
    rehearsed: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsed(saved(extractor))
    (tmp_path / "backbones" / "extractor.keras" / "model.weights.h5").unlink()
    taken: list[object] = []
    take = bring.take
    monkeypatch.setattr(bring, "take", lambda *args, **named: (taken.append(args), take(*args, **named))[1])
    rehearsed(saved(extractor))
    assert len(taken) == 1
    facts = tmp_path / "backbones" / "extractor.keras" / "facts.json"
    facts.write_text(json.dumps({"file": "half"}))
    rehearsed(saved(extractor))
    assert len(taken) == 2


def test_a_variant_that_cannot_be_built_is_told_and_costs_itself_alone(
    rehearsed: Callable[..., Any], front: QuietFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(row: Any, *_: object) -> None:
        if row.name != "fp32":
            raise ValueError("the graph has no convolution")

    monkeypatch.setattr(rehearse, "_try_variant", lambda row, name, *_: fail(type("R", (), {"name": name})))
    assert list(rehearsed(saved(extractor))["tried"]) == ["extractor.keras"]
    assert front.warnings == [
        "extractor.keras can be exported, but its variant int8_minmax cannot be built: the graph has no convolution"
    ]
