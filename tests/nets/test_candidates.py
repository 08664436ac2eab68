from __future__ import annotations

import subprocess
import sys

from automl.nets.candidates import candidates

NAMES = ("efficientnetv2b0", "mobilenetv2", "mobilenetv3small")


def test_images_under_64_px_go_to_the_small_net_alone_and_it_is_said_why() -> None:
    choice = candidates(NAMES, size_px=63)
    assert [row.name for row in choice.rows] == ["smallnet"]
    assert choice.note == (
        "images are packed at 63 px, below 64 px, where ImageNet backbones see almost nothing: "
        "smallnet alone is used, not efficientnetv2b0, mobilenetv2, mobilenetv3small"
    )


def test_nothing_is_said_where_the_recipe_wants_the_small_net_for_small_images() -> None:
    assert candidates(("smallnet",), size_px=32).note == ""


def test_larger_images_get_the_recipes_backbones_the_cheapest_first_and_each_once() -> None:
    choice = candidates((*NAMES, *NAMES), size_px=64)
    assert [row.name for row in choice.rows] == ["mobilenetv3small", "mobilenetv2", "efficientnetv2b0"]
    assert (choice.note, choice.taken) == ("", ())


def test_a_backbone_that_needs_larger_images_is_left_out_by_name_and_size() -> None:
    choice = candidates(("xception", "mobilenetv2"), size_px=64)
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
