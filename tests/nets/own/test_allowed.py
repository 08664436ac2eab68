"""A config from outside is a list of names, each of which must be known; Keras sees only what was recognised."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from automl.nets.own.allowed import MAX_DEPTH, NotAllowed, checked_model, read_config
from tests.own_models import classifier, saved, sequential, two_branches

Edit = Callable[[Any], object]


def config_of(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


@pytest.fixture(scope="module")
def plain() -> Any:
    """A functional model's config. Edit copies alone."""
    return config_of(saved(two_branches))


def layer(config: Any, name: str) -> Any:
    return next(one for one in config["config"]["layers"] if one["name"] == name)


def classes_in(value: Any) -> set[tuple[Any, Any]]:
    if isinstance(value, list):
        return set().union(*map(classes_in, value))
    if isinstance(value, dict):
        own = {(value.get("module"), value["class_name"])} if "class_name" in value else set()
        return own.union(*map(classes_in, value.values()))
    return set()


@pytest.mark.parametrize("make", [two_branches, classifier, sequential])
def test_what_is_recognised_makes_the_same_layers_without_their_training_precision_and_build(
    make: Callable[[], keras.Model],
) -> None:
    config = config_of(saved(make))
    written = checked_model(config)
    text = json.dumps(written)
    for left_out in ("build_config", "compile_config", "dtype_policy", "DTypePolicy", "L2", "MaxNorm", "trainable"):
        assert left_out not in text
    names = [one["config"]["name"] for one in written["config"]["layers"]]
    assert names == [one["config"]["name"] for one in config["config"]["layers"]]
    revived = keras.saving.deserialize_keras_object(copy.deepcopy(written), safe_mode=True)
    assert [one.name for one in revived.layers] == [one.name for one in keras.saving.load_model(saved(make)).layers]
    assert checked_model(written) == written


def test_everything_that_keras_own_networks_are_made_of_is_recognised() -> None:
    for name in ("MobileNetV3Small", "ConvNeXtTiny", "NASNetMobile", "InceptionResNetV2"):
        with keras.StatelessScope(initialize_variables=False):
            model = getattr(keras.applications, name)(weights=None)
        keras.utils.clear_session()
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
        assert len(checked_model(config)["config"]["layers"]) == len(config["config"]["layers"])


def swap(of: str, **parts: Any) -> Edit:
    """Make another thing of a layer."""
    return lambda config: layer(config, of).update(parts)


def argument(name: str, key: str, value: Any) -> Edit:
    """Give a layer another argument."""
    return lambda config: layer(config, name)["config"].update({key: value})


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def renamed(name: str, to: str) -> Edit:
    def edit(config: Any) -> None:
        text = json.dumps(config).replace(json.dumps(name), json.dumps(to))
        config.clear()
        config.update(json.loads(text))

    return edit


def read_by(name: str, value: Any) -> Edit:
    return lambda config: layer(config, name)["inbound_nodes"][0]["args"].append(value)


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wEAAA=="]}}
REFUSED: dict[str, tuple[Edit, str]] = {
    # Code that lies in the file (CVE-2024-3660, and what CVE-2025-9905 let pass in .h5 files).
    "a Lambda": (
        swap("dropout", class_name="Lambda"),
        "layer 'dropout' is a 'Lambda' .*runs code that lies in the file",
    ),
    "code as an activation": (argument("dropout", "activation", LAMBDA), "'__lambda__' of no module: it is code"),
    "code in a call": (read_by("dropout", LAMBDA), "what layer 'dropout' reads is a '__lambda__': it is code"),
    # CVE-2025-1550: any module, any function.
    "a function of the system": (
        argument("dropout", "activation", function("os", "system")),
        "'system' of module 'os'",
    ),
    "a class of a module": (swap("dropout", module="subprocess", class_name="Popen"), "'Popen' of module 'subprocess'"),
    "a text that a layer calls": (read_by("dropout", "touch owned"), "reads is the text 'touch owned'"),
    # CVE-2025-8747 and 9906: Keras' own functions, to fetch a file or to switch the safe mode off.
    "a download": (
        argument("dropout", "kernel_initializer", function("keras.utils", "get_file")),
        "kernel_initializer of layer 'dropout' is the function 'get_file' of module 'keras.utils'",
    ),
    "the safe mode's end": (
        argument("dropout", "activation", function("keras.config", "enable_unsafe_deserialization")),
        "function 'enable_unsafe_deserialization' of module 'keras.config', no activation",
    ),
    "a whole model as an initializer": (
        argument("dropout", "kernel_initializer", {"module": "keras", "class_name": "Sequential", "config": {}}),
        "kernel_initializer of layer 'dropout' is a whole model",
    ),
    # CVE-2025-12058: layers that read files, or addresses.
    "a vocabulary's file": (
        swap("dropout", class_name="StringLookup"),
        "'StringLookup' of module 'keras.layers': it reads files",
    ),
    "a path among the arguments": (argument("dropout", "padding", "/etc/passwd"), "padding of .* is '/etc/passwd'"),
    "an address": (argument("dropout", "padding", "http://host/x"), "padding of .* is 'http://host/x'"),
    # CVE-2025-12638: an archive that unpacks itself over other files.
    "an archive that is unpacked": (
        read_by("dropout", {"module": "keras.utils", "class_name": "function", "config": "get_file"}),
        "what layer 'dropout' reads is a 'function': no tensor",
    ),
    # CVE-2026-1462: a SavedModel, which is code, from anywhere.
    "a SavedModel": (swap("dropout", class_name="TFSMLayer"), "'TFSMLayer' .*: it loads a SavedModel, which is code"),
    # CVE-2026-12479: names that become paths when weights or assets are written.
    "a name that leads upwards": (
        renamed("dropout", "../../owned"),
        r"name is '\.\./\.\./owned': names have .*no path",
    ),
    "a name that is a path": (renamed("dropout", "/tmp/owned"), "a layer's name is '/tmp/owned'"),
    "a name of dots": (renamed("dropout", ".."), r"a layer's name is '\.\.'"),
    "a name of another system": (renamed("dropout", "c:\\owned"), "a layer's name is "),
    "a name without end": (renamed("dropout", "x" * 201), "a layer's name is 'xxx"),
    "two names for one layer": (swap("dropout", name="other"), "layer 'dropout' is called 'other' in the graph"),
    "the model's name": (lambda config: config["config"].update(name="../up"), r"the name of the model is '\.\./up'"),
    # Classes of one's own.
    "a class of one's own": (
        swap("dropout", module="mine", class_name="Mine"),
        "'Mine' of module 'mine': .*somebody's own",
    ),
    "a class without a module": (swap("dropout", module=None, class_name="Mine"), "'Mine' of no module"),
    "a registered class": (swap("dropout", registered_name="mine>Conv2D"), "is registered as 'mine>Conv2D'"),
    "a class of Keras that is no layer": (
        swap("dropout", module="keras.losses", class_name="Huber"),
        "not a plain layer",
    ),
    "a subclassed model": (
        lambda config: config.update(class_name="Mine", module=None),
        "the model is a 'Mine' of no module",
    ),
    "a layer instead of a model": (lambda config: config.update(config["config"]["layers"][1]), "is a .*, no model"),
    "an optimizer of one's own as a constraint": (
        argument("dropout", "kernel_constraint", {"module": "os", "class_name": "Clip", "config": {}}),
        "kernel_constraint of layer 'dropout' is a 'Clip' of module 'os'",
    ),
    "an unknown activation": (
        argument("dropout", "activation", "my_relu"),
        "the activation 'my_relu', which Keras does",
    ),
    "whole numbers": (argument("dropout", "dtype", "int8"), "layer 'dropout' has the precision 'int8'"),
    "a quantised layer": (
        argument("dropout", "dtype", {"module": "keras", "class_name": "QuantizedDTypePolicy", "config": {}}),
        "dtype of layer 'dropout' is a 'QuantizedDTypePolicy'",
    ),
    # What makes no sense, or takes all memory.
    "a size without bounds": (argument("dropout", "filters", 10**12), "filters of layer 'dropout' is 1000000000000"),
    "a list without end": (argument("dropout", "strides", [1] * 10_001), "a list of 10,001"),
    "a graph of Keras 2": (
        lambda config: layer(config, "dropout").update(inbound_nodes=[[["x", 0, 0, {}]]]),
        "a way of Keras 2",
    ),
    "one name twice": (
        lambda config: config["config"]["layers"].append(config["config"]["layers"][1]),
        "have one name",
    ),
    "no layers": (lambda config: config["config"].pop("layers"), "no list of layers"),
    "a text for a layer": (lambda config: config["config"]["layers"].append("x"), "a layer has 'x' where a mapping"),
    "no class": (swap("dropout", class_name=7), "has the class 7"),
    "a history that is none": (
        read_by("dropout", {"class_name": "__keras_tensor__", "config": {"keras_history": ["../x", 0, 0]}}),
        r"reads is '\.\./x'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_on_the_list_is_refused_and_why_is_said(case: str, plain: Any) -> None:
    edit, why = REFUSED[case]
    config = copy.deepcopy(plain)
    edit(config)
    with pytest.raises(NotAllowed, match=why):
        checked_model(config)


def test_a_hostile_layer_is_found_in_a_nested_model_too() -> None:
    config = config_of(saved(classifier))
    layer(config, "base")["config"]["layers"][1].update(class_name="Lambda")
    with pytest.raises(NotAllowed, match="'Lambda'"):
        checked_model(config)


def test_a_config_that_never_ends_is_refused_without_reading_it_through() -> None:
    with pytest.raises(NotAllowed, match=f"more than {MAX_DEPTH} lists"):
        checked_model({"class_name": eval("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))})
    with pytest.raises(NotAllowed, match="nested without end"):
        read_config(b"[" * 200_000)
    with pytest.raises(NotAllowed, match="more than 16,000,000 bytes"):
        read_config(b" " * 16_000_001)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
    ],
)
def test_what_is_no_json_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(NotAllowed, match=why):
        read_config(data)
