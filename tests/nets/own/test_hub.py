"""What a KerasHub preset says of itself is judged before KerasHub sees it. These tests need no KerasHub."""

from __future__ import annotations

import copy
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from automl.errors import UsageError
from automl.nets.own import hub
from automl.nets.own.allowed import MAX_ARGUMENT, NotAllowed
from automl.nets.own.hub import checked_preset, folder_sum, from_preset, scale_of
from tests.conftest import write_bars

VGG: dict[str, Any] = {
    "module": "keras_hub.src.models.vgg.vgg_backbone",
    "class_name": "VGGBackbone",
    "config": {
        "name": "vgg_backbone",
        "trainable": True,
        "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "bfloat16"}},
        "stackwise_num_repeats": [1, 1],
        "stackwise_num_filters": [8, 16],
        "image_shape": [None, None, 3],
    },
    "registered_name": "keras_hub>VGGBackbone",
}


def test_a_preset_is_its_class_and_its_arguments_without_training_and_precision() -> None:
    assert checked_preset(VGG) == (
        "VGGBackbone",
        {
            "name": "vgg_backbone",
            "stackwise_num_repeats": [1, 1],
            "stackwise_num_filters": [8, 16],
            "image_shape": [None, None, 3],
        },
    )


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"class_name": "Lambda"},
            "is of a 'Lambda' of module 'keras_hub.src.models.vgg.vgg_backbone'; wanted: one of",
        ),
        ({"class_name": "GemmaBackbone"}, "is of a 'GemmaBackbone' of module"),
        ({"class_name": ["VGGBackbone"]}, "is of a "),
        ({"module": "os"}, "is of a 'VGGBackbone' of module 'os'"),
        ({"module": "keras_hub.src.utils"}, "is of a 'VGGBackbone' of module 'keras_hub.src.utils'"),
        ({"module": None}, "is of a 'VGGBackbone' of module 'None'"),
        ({"registered_name": "mine>VGGBackbone"}, "registered as 'mine>VGGBackbone': it is a class of somebody's own"),
        ({"registered_name": None}, "registered as 'None'"),
        ({"config": None}, "its config.json has no arguments"),
    ],
)
def test_a_foreign_class_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        checked_preset({**VGG, **changed})
    assert why in str(caught.value)


LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}, "registered_name": None}
DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}, "registered_name": None}


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        (LAMBDA, "is given {'module': 'keras.layers', 'class_name': 'Lambda'"),
        (DENSE, "is given {'module': 'keras.layers', 'class_name': 'Dense'"),
        ([[1, LAMBDA]], "wanted: numbers, names, and lists of these"),
        ({"class_name": "function", "config": "system", "module": "os"}, "wanted: numbers, names, and lists of these"),
        ("/etc/passwd", "and no path"),
        (["../../x"], "and no path"),
        ("https://x.example/y", "and no path"),
        ("lambda x: x", "and no path"),
        (MAX_ARGUMENT + 1, "is given 10001; wanted: at most 10,000"),
        ([1, [float("inf")]], "wanted: at most 10,000"),
        (["x"] * 10_001, "is a list of 10,001"),
    ],
    ids=["lambda", "layer", "inside", "function", "path", "up", "address", "code", "large", "endless", "long"],
)
def test_an_argument_that_is_no_plain_value_is_refused(argument: object, why: str) -> None:
    config = copy.deepcopy(VGG)
    config["config"]["block_type"] = argument
    with pytest.raises(NotAllowed) as caught:
        checked_preset(config)
    assert why in str(caught.value)


def converter(**config: object) -> dict[str, object]:
    return {"module": "keras_hub.src.models.vgg.vgg_image_converter", "class_name": "X", "config": config}


@pytest.mark.parametrize(
    ("found", "scale", "offset"),
    [
        (converter(scale=0.5, offset=None), [0.5] * 3, [0.0] * 3),
        (converter(scale=[0.1, 0.2, 0.3], offset=[-1, -2, -3]), [0.1, 0.2, 0.3], [-1.0, -2.0, -3.0]),
        (converter(scale=[[[[0.1, 0.2, 0.3]]]], offset=[2]), [0.1, 0.2, 0.3], [2.0] * 3),
        (converter(scale=None, offset=None), [1.0] * 3, [0.0] * 3),
        (converter(scale=1, mean=[1, 2, 4], variance=[1, 4, 16]), [1.0, 0.5, 0.25], [-1.0, -1.0, -1.0]),
        (converter(image_converter=converter(scale=2.0)), [2.0] * 3, [0.0] * 3),
    ],
    ids=["one", "three", "brackets", "as they are", "older", "in a preprocessor"],
)  # fmt: skip
def test_how_pixels_are_changed_is_read_as_numbers(found: object, scale: list[float], offset: list[float]) -> None:
    told = scale_of(found)
    assert told is not None
    assert [list(one) for one in told] == [scale, offset]


@pytest.mark.parametrize("found", [{}, [], "x", converter(), converter(image_converter=None), {"config": [1]}])
def test_a_file_that_says_nothing_of_pixels_says_nothing(found: object) -> None:
    assert scale_of(found) is None


@pytest.mark.parametrize(
    "config",
    [
        {"scale": "0.5"}, {"scale": [1, 2]}, {"scale": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]}, {"offset": True},
        {"offset": LAMBDA}, {"scale": float("nan")}, {"scale": 1, "mean": 0, "variance": 0},
    ],
)  # fmt: skip
def test_pixels_that_would_be_changed_by_what_is_no_number_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(NotAllowed, match="its image converter "):
        scale_of(converter(**config))


def test_the_sum_is_that_of_the_lines_that_sha256sum_prints(tmp_path: Path) -> None:
    for name in ("config.json", "model.weights.h5", "preprocessor.json", "image_converter.json", "task.json"):
        (tmp_path / name).write_text(name)
    shell = "sha256sum config.json model.weights.h5 image_converter.json | sha256sum"
    told = subprocess.run(shell, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert folder_sum(tmp_path) == told.split()[0]
    (tmp_path / "image_converter.json").unlink()
    assert folder_sum(tmp_path) != told.split()[0]
    (tmp_path / "config.json").unlink()
    with pytest.raises(OSError, match="No such file"):
        folder_sum(tmp_path)


def test_without_the_package_a_preset_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub, "PACKAGE", "keras-hub-that-nobody-has")
    for entry in ("hub:resnet_18_imagenet", f"hub:{tmp_path}"):
        with pytest.raises(UsageError) as caught:
            from_preset(entry, download=True)
        assert str(caught.value) == (
            f"{entry} is a preset of KerasHub, and its package is not installed. Wanted: the package "
            "keras-hub-that-nobody-has, or another backbone. Install it by: pip install 'automl[hub]'"
        )


def test_a_run_without_the_package_ends_in_that_message(tmp_path: Path) -> None:
    try:
        metadata.version("keras-hub")
    except metadata.PackageNotFoundError:
        pass
    else:
        pytest.skip("keras-hub is installed")
    write_bars(tmp_path / "bars", per_class=8, size_px=32)
    words = ["run", "bars", "--recipe", "demo", "--set", "backbones.custom=hub:resnet_18_imagenet"]
    done = subprocess.run(
        [sys.executable, "-m", "automl", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == UsageError.exit_code, done.stderr
    assert "hub:resnet_18_imagenet is a preset of KerasHub, and its package is not installed" in done.stderr
    assert "pip install 'automl[hub]'" in done.stderr
    assert "Traceback" not in done.stderr
