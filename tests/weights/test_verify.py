"""`automl weights verify`: bytes against what is stated, and files against networks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner

from automl.cli.weights import weights as weights_command
from automl.errors import AnswerIsNo
from automl.nets.build import build_backbone
from automl.nets.catalogue import Backbone, backbone_named
from automl.nets.listing import read_listing
from automl.nets.weights import Place
from automl.weights.verify import Verified, claims_in, judged
from tests.legacy_weights import write_legacy
from tests.weights.toy_rows import SMALL, TWO, Toys, sha256, toys

__all__ = ["toys"]


def verified(folder: Path, *, taken: bool = True) -> list[Verified]:
    """The verdict on a folder's files, where each network takes every file, or none."""

    def load(row: Backbone, path: Path, topped: bool) -> str:
        return "" if taken else f"{row.name} does not take it"

    return list(judged(list(claims_in(Place(path=folder, named="--weights"))), load, lambda _: None))


def listing(folder: Path, *lines: str) -> None:
    (folder / "weights.yaml").write_text("".join(f"- {{{line}}}\n" for line in lines))


def test_files_that_are_as_keras_and_the_listing_state_are_right(toys: Toys) -> None:
    (toys.folder / "small.h5").write_bytes(SMALL)
    (toys.folder / "two.h5").write_bytes(TWO)
    (toys.folder / "mine.h5").write_bytes(TWO)
    listing(toys.folder, f"file: mine.h5, backbone: MobileNetV2, kwargs: {{include_top: false}}, sha256: {sha256(TWO)}")
    rows = {Path(row.file).name: row for row in verified(toys.folder)}
    assert all(row.ok and not row.fault for row in rows.values())
    assert {name: row.stated_by for name, row in rows.items()} == {
        "mine.h5": "weights.yaml", "small.h5": "Keras", "two.h5": "",
    }  # fmt: skip
    assert rows["two.h5"].sha256 == sha256(TWO)


@pytest.mark.parametrize(
    ("name", "held", "line", "fault"),
    [
        ("small.h5", SMALL[:-1] + b"x", "", "its sha256 is .*, and Keras states"),
        ("two.h5", b"<html>", "", "it is a web page"),
        ("mine.h5", SMALL, f"file: mine.h5, backbone: MobileNetV2, sha256: {sha256(TWO)}", "and weights.yaml says"),
        ("mine.h5", SMALL, "file: gone.h5, backbone: MobileNetV2", "there is no such file"),
        ("mine.h5", SMALL, "file: ../mine.h5, backbone: MobileNetV2", "it does not lie beside weights.yaml"),
    ],
)
def test_a_file_that_is_not_as_stated_is_wrong(toys: Toys, name: str, held: bytes, line: str, fault: str) -> None:
    (toys.folder / name).write_bytes(held)
    (toys.folder.parent / "mine.h5").write_bytes(SMALL)
    if line:
        listing(toys.folder, line)
    (row,) = verified(toys.folder)
    assert not row.ok
    assert re.search(fault, row.fault)


def test_files_with_a_top_are_told_from_those_without(toys: Toys) -> None:
    (toys.folder / "small.h5").write_bytes(SMALL)
    (toys.folder / "small-topped.h5").write_bytes(TWO)
    (toys.folder / "mine.h5").write_bytes(TWO)
    listing(toys.folder, "file: mine.h5, backbone: MobileNetV2, kwargs: {include_top: true}")
    loaded: dict[str, bool] = {}

    def load(row: Backbone, path: Path, topped: bool) -> str:
        loaded[path.name] = topped
        return ""

    rows = judged(list(claims_in(Place(path=toys.folder, named="--weights"))), load, lambda _: None)
    assert {Path(row.file).name: (row.ok, row.stated_by) for row in rows} == {
        "mine.h5": (True, ""), "small.h5": (True, "Keras"), "small-topped.h5": (True, "Keras"),
    }  # fmt: skip
    assert loaded == {"mine.h5": True, "small.h5": False, "small-topped.h5": True}


def test_a_file_that_its_network_does_not_take_is_wrong(toys: Toys) -> None:
    (toys.folder / "two.h5").write_bytes(TWO)
    (row,) = verified(toys.folder, taken=False)
    assert (row.ok, row.fault) == (False, "mobilenetv2 does not take it")


def test_a_listed_file_of_a_backbone_that_is_not_in_the_catalogue_is_judged_by_its_bytes(toys: Toys) -> None:
    (toys.folder / "x.h5").write_bytes(TWO)
    listing(toys.folder, f"file: x.h5, backbone: Unheard, sha256: {sha256(TWO)}")
    (row,) = verified(toys.folder, taken=False)
    assert (row.ok, row.backbones) == (True, ())


def test_an_entry_without_alpha_means_keras_default(toys: Toys) -> None:
    listing(toys.folder, "file: x.h5, backbone: MobileNetV2, kwargs: {include_top: false}")
    (entry,) = read_listing(toys.folder)
    assert entry.fits(toys.two)
    assert not entry.fits(replace(toys.two, arguments={**toys.two.arguments, "alpha": 0.35}))


def test_the_command_tells_which_files_their_networks_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = backbone_named("mobilenetv3small")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    folder = tmp_path / "own"
    folder.mkdir()
    write_legacy(folder / "right.h5", build_backbone(row, 64))
    (folder / "cut.h5").write_bytes((folder / "right.h5").read_bytes()[:1_000_000])
    whole = bytearray((folder / "right.h5").read_bytes())
    start = whole.index(b"HEAP") if b"HEAP" in whole else 96
    whole[start : start + 4] = b"XXXX"
    (folder / "flipped.h5").write_bytes(whole)
    lines = [f"file: {name}, backbone: MobileNetV3Small, kwargs: {{include_top: false}}" for name in
             ("right.h5", "cut.h5", "flipped.h5")]  # fmt: skip
    listing(folder, *lines)
    done = CliRunner().invoke(weights_command, ["verify", "--json", "--weights", str(folder)])
    rows = {Path(row["file"]).name: row for row in json.loads(done.stdout)["weights"]}
    assert {name: row["ok"] for name, row in rows.items()} == {"right.h5": True, "cut.h5": False, "flipped.h5": False}
    assert "cannot be the weights of mobilenetv3small: " in rows["cut.h5"]["fault"]
    assert isinstance(done.exception, AnswerIsNo)
    assert str(done.exception).startswith("2 of 3 files are wrong:")


def test_the_command_has_the_network_with_its_top_take_a_file_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    folder = tmp_path / "own"
    folder.mkdir()
    write_legacy(folder / "mobilenet_2_5_224_tf.h5", keras.applications.MobileNet(alpha=0.25, weights=None))
    write_legacy(folder / "mobilenet_5_0_224_tf.h5", build_backbone(backbone_named("mobilenet_050"), 32))
    done = CliRunner().invoke(weights_command, ["verify", "--json", "--weights", str(folder)])
    rows = {row["backbones"][0]: row for row in json.loads(done.stdout)["weights"]}
    assert {name: row["ok"] for name, row in rows.items()} == {"mobilenet_025": True, "mobilenet_050": False}
    assert "with its top of 1,000 classes" in rows["mobilenet_050"]["fault"]


def test_where_there_are_no_weights_the_answer_is_no(toys: Toys) -> None:
    done = CliRunner().invoke(weights_command, ["verify"])
    assert isinstance(done.exception, AnswerIsNo)
    assert "there are no weights to verify" in str(done.exception)
