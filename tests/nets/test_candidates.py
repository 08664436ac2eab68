from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from automl.nets.candidates import candidates
from automl.nets.own.rows import Facts, write_facts

NAMES = ("efficientnetv2b0", "mobilenetv2", "mobilenetv3small")


def test_images_under_64_px_go_to_the_small_net_alone_and_it_is_said_why() -> None:
    choice = candidates(NAMES, sizes_px=(63,))
    assert [row.name for row in choice.rows] == ["smallnet"]
    assert choice.note == (
        "images are packed at 63 px, below 64 px, where ImageNet backbones see almost nothing: "
        "smallnet alone is used, not efficientnetv2b0, mobilenetv2, mobilenetv3small"
    )


def test_nothing_is_said_where_the_recipe_wants_the_small_net_for_small_images() -> None:
    assert candidates(("smallnet",), sizes_px=(32,)).note == ""


def test_larger_images_get_the_recipes_backbones_the_cheapest_first_and_each_once() -> None:
    choice = candidates((*NAMES, *NAMES), sizes_px=(64,))
    assert [row.name for row in choice.rows] == ["mobilenetv3small", "mobilenetv2", "efficientnetv2b0"]
    assert (choice.note, choice.taken) == ("", ())


def test_a_backbone_that_needs_larger_images_is_left_out_by_name_and_size() -> None:
    choice = candidates(("xception", "mobilenetv2"), sizes_px=(64,))
    assert [row.name for row in choice.rows] == ["mobilenetv2"]
    assert [one.note for one in choice.taken] == [
        "xception is left out: it needs images of at least 71 px, and these are packed at 64 px"
    ]


def test_catalogue_and_weights_are_light() -> None:
    code = (
        "import sys, automl.nets.candidates, automl.nets.limits, automl.nets.weights;"
        "print({'keras', 'tensorflow', 'numpy', 'h5py', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def bring(folder: Path, **facts: object) -> Path:
    """A backbone of the user's own, as the rehearsal leaves it. Returns: the folder of them all."""
    known = Facts(
        file="/home/me/mine.keras", sha256="0" * 64, pixels="auto", told="", size_px=96, params_m=1.0, gmacs=0.1,
        taps=("a", "b"), n_features=20, sizes_px=(32, 96),
    )  # fmt: skip
    (folder / "mine.keras").mkdir(parents=True)
    write_facts(folder / "mine.keras", replace(known, **facts))
    return folder


def test_ones_own_backbone_counts_at_each_size_that_it_can_be_built_at_also_below_64_px(tmp_path: Path) -> None:
    own = bring(tmp_path / "backbones")
    choice = candidates((*NAMES, "/home/me/mine.keras"), sizes_px=(96,), own=own)
    assert [row.name for row in choice.rows] == ["mobilenetv3small", "mine.keras", "mobilenetv2", "efficientnetv2b0"]
    assert (choice.note, choice.taken) == ("", ())
    small = candidates(("mobilenetv2", "/home/me/mine.keras"), sizes_px=(32,), own=own)
    assert [row.name for row in small.rows] == ["smallnet", "mine.keras"]
    assert small.note == (
        "images are packed at 32 px, below 64 px, where ImageNet backbones see almost nothing: "
        "smallnet is used, not mobilenetv2"
    )
    alone = candidates(("/home/me/mine.keras",), sizes_px=(32,), own=own)
    assert ([row.name for row in alone.rows], alone.note) == (["mine.keras"], "")


def test_ones_own_backbone_is_left_out_where_it_cannot_be_built_or_exported_and_why_is_said(tmp_path: Path) -> None:
    own = bring(tmp_path / "sizes")
    choice = candidates(("mobilenetv2", "mine.keras"), sizes_px=(160,), own=own)
    assert [row.name for row in choice.rows] == ["mobilenetv2"]
    assert [one.note for one in choice.taken] == [
        "mine.keras is left out: it can be built for images of 32, 96 px, and these are packed at 160 px"
    ]
    assert candidates(("mine.keras",), sizes_px=(96, 160), own=own).taken == ()
    own = bring(tmp_path / "fault", fault="layer 'x' is unknown")
    (taken,) = candidates(("smallnet", "mine.keras"), sizes_px=(96,), own=own).taken
    assert (taken.by, taken.note) == ("backbones", "mine.keras is left out: layer 'x' is unknown")
