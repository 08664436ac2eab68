"""The rehearsal's look at the weights: what is missing is said at once, what is wrong ends the run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from automl.errors import WrongWeights
from automl.nets.build import build_backbone
from automl.nets.catalogue import BACKBONES, backbone_named
from automl.stages import rehearse
from tests.conftest import QuietFront
from tests.legacy_weights import write_legacy

ALL = [row.name for row in BACKBONES]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of mobilenetv3small, as Keras writes them."""
    path = tmp_path_factory.mktemp("weights") / backbone_named("mobilenetv3small").weights_files[0].name
    return write_legacy(path, build_backbone(backbone_named("mobilenetv3small"), 224))


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[QuietFront]:
    quiet = QuietFront()
    monkeypatch.setattr(rehearse, "this_childs_front", lambda: quiet)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    yield quiet
    keras.backend.clear_session()


def rehearsed(folder: Path | None, *backbones: str, **pick: object) -> Any:
    """What the rehearsal says where the export of all is known to be good. Args: pick: limits."""
    arguments = {
        "backbones": backbones, "weights": {"download": False}, "folder": folder and str(folder), "variants": [],
        "known": ALL, "scratch": "unused", "patience_s": 0, "pick": pick, "own": "unused", "pack": {"max_size_px": 160},
    }  # fmt: skip
    return rehearse.rehearse(arguments)


def test_weights_that_cannot_be_had_are_told_before_the_first_stage(small: Path, front: QuietFront) -> None:
    result = rehearsed(small.parent, "mobilenetv3small", "mobilenetv2")
    assert result["weights"] == {"mobilenetv3small": "folder"}
    assert len(front.warnings) == 1
    assert front.warnings[0].startswith("no pretrained weights for mobilenetv2 in the folder ")


def test_nothing_is_told_twice_where_nothing_is_missing(small: Path, front: QuietFront) -> None:
    rehearsed(small.parent, "mobilenetv3small", "smallnet")
    assert front.warnings == []


def test_weights_of_what_the_limits_leave_out_are_neither_looked_for_nor_missed(small: Path, front: QuietFront) -> None:
    assert rehearsed(small.parent, "mobilenetv3small", "efficientnetv2b0", max_params_m=1)["weights"] == {
        "mobilenetv3small": "folder"
    }
    assert front.warnings == []


def test_a_licence_that_is_not_accepted_is_told_before_the_first_stage(small: Path, front: QuietFront) -> None:
    rehearsed(small.parent, "mobilenetv3small", "resnet50", licences=["Apache-2.0"])
    assert front.warnings == [
        "resnet50 is left out: the licence of its weights is 'MIT', pick.licences accepts Apache-2.0"
    ]


def test_a_weights_file_of_another_backbone_ends_the_run(small: Path, front: QuietFront, tmp_path: Path) -> None:
    shutil.copy(small, tmp_path / backbone_named("mobilenetv2").weights_files[0].name)
    with pytest.raises(WrongWeights, match=r"cannot be the weights of mobilenetv2: .*without its top"):
        rehearsed(tmp_path, "mobilenetv2")


def test_a_weights_file_of_another_width_ends_the_run(front: QuietFront, tmp_path: Path) -> None:
    row = backbone_named("mobilenetv2")
    narrow = keras.applications.MobileNetV2(weights=None, include_top=False, alpha=0.35, input_shape=(96, 96, 3))
    write_legacy(tmp_path / row.weights_files[0].name, narrow)
    with pytest.raises(WrongWeights, match=r"cannot be the weights of mobilenetv2: .*without its top"):
        rehearsed(tmp_path, "mobilenetv2")


def test_every_file_that_pick_could_take_is_tried_not_only_the_likeliest(
    small: Path, front: QuietFront, tmp_path: Path
) -> None:
    """Images of 96 px would be given to a file that the largest size does not lead to."""
    shutil.copy(small, tmp_path / "right.h5")
    (tmp_path / "cut.h5").write_bytes(small.read_bytes()[:500_000])
    entry = "- {file: %s.h5, backbone: MobileNetV3Small, kwargs: {include_top: false, input_shape: [%d, %d, 3]}}\n"
    (tmp_path / "weights.yaml").write_text(entry % ("right", 160, 160) + entry % ("cut", 96, 96))
    with pytest.raises(WrongWeights, match=r"cut.h5 cannot be the weights of mobilenetv3small"):
        rehearsed(tmp_path, "mobilenetv3small")
    (tmp_path / "weights.yaml").write_text(entry % ("right", 160, 160) + entry % ("cut", 224, 224))
    assert rehearsed(tmp_path, "mobilenetv3small")["weights"] == {"mobilenetv3small": "folder"}


@pytest.mark.parametrize("share", [0.001, 0.5, 0.99])
def test_a_weights_file_that_was_cut_ends_the_run(small: Path, front: QuietFront, tmp_path: Path, share: float) -> None:
    whole = small.read_bytes()
    (tmp_path / small.name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WrongWeights, match=r"cannot be the weights of mobilenetv3small: .*without its top"):
        rehearsed(tmp_path, "mobilenetv3small")
