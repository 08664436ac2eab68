"""What a Keras model's config from outside may hold: plain layers and the objects they use, each by class and module.

A config is a program for Keras' deserialiser: it names modules to import, classes to make, functions to call, files to
read (CVE-2025-1550, CVE-2025-9906, CVE-2025-12058, CVE-2026-1462, CVE-2026-12479). So what Keras gets is never the
config of the file but a new one, written here of the parts that were recognised; all else refuses the file.

Left out of it: how the network was trained (regularizers, constraints, compile, trainable), which precision it ran in
(dtype), and how its layers were built (build_config): we build, train and convert it our own way.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

MAX_BYTES: Final = 16_000_000  # of a config; NASNetMobile's, of 769 layers, has 760,000
MAX_DEPTH: Final = 100  # of lists and mappings within each other; a model in a model has about 20
MAX_LAYERS: Final = 10_000
MAX_TEXT: Final = 200  # characters of a name
MAX_NUMBERS: Final = 10_000  # of one list, such as Normalization's means
MAX_NUMBER: Final = 1e9  # units, sizes, scales
MAX_ARGUMENT: Final = 10_000  # of a network that is built by its numbers of blocks and filters
PLAIN: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?!\.))*")
"""A name, or another text: no path can be written so."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS: Final = words(
    """
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling2D BatchNormalization Concatenate Conv2D
    Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dropout ELU Flatten GaussianDropout GaussianNoise
    GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization Identity InputLayer LayerNormalization LeakyReLU
    MaxPooling2D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute RandomBrightness
    RandomContrast RandomCrop RandomFlip RandomRotation RandomTranslation RandomZoom ReLU Rescaling Reshape Resizing
    SeparableConv2D Softmax SpatialDropout2D Subtract UnitNormalization UpSampling2D ZeroPadding2D
    """
)
OPERATORS: Final = words("Add Flip GetItem Multiply Stack Subtract TrueDivide")
"""What x + y, x / 127.5 or x[..., 0] on Keras tensors is recorded as."""
INITIALIZERS: Final = words(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones Orthogonal
    RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
    """
)
TRAINING: Final = words("L1 L2 L1L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm")
"""Regularizers and constraints; recognised, and left out."""
ACTIVATIONS: Final = words(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus squareplus swish
    tanh tanh_shrink threshold
    """
)
FLOATS: Final = words("float16 bfloat16 float32 float64 mixed_float16 mixed_bfloat16")

_OPERATORS_AT: Final = "keras.src.ops.numpy"
_FUNCTIONAL_AT: Final = "keras.src.models.functional"
CLASSES: Final[Mapping[tuple[str, str], str]] = {
    **{("keras.layers", name): "layer" for name in LAYERS},
    **{(_OPERATORS_AT, name): "layer" for name in OPERATORS},
    ("keras.src.applications.convnext", "LayerScale"): "layer",
    ("keras.src.applications.inception_resnet_v2", "CustomScaleLayer"): "layer",
    (_FUNCTIONAL_AT, "Functional"): "model",
    ("keras", "Sequential"): "model",
    **{("keras.initializers", name): "initializer" for name in INITIALIZERS},
    **{(module, name): "training" for module in ("keras.regularizers", "keras.constraints") for name in TRAINING},
    **{(module, "DTypePolicy"): "precision" for module in ("keras", "keras.dtype_policies")},
}
"""Module and class of everything that may stand in a config, and what it is."""
READ: Final = words("__keras_tensor__ __tensor__ __ellipsis__ __slice__")
"""What a layer may be given besides numbers."""
WHY_NOT: Final[Mapping[str, str]] = {
    "Lambda": "it runs code that lies in the file",
    "__lambda__": "it is code",
    "TFSMLayer": "it loads a SavedModel, which is code, from a path",
    "TorchModuleWrapper": "it unpickles a module",
    "JaxLayer": "it holds code",
    "FlaxLayer": "it holds code",
    "StringLookup": "it reads files",
    "IntegerLookup": "it reads files",
    "TextVectorization": "it reads files",
}
"""Of classes that people meet, why they are not among those above."""
SHAPE: Final = frozenset(("batch_shape", "name"))
"""What is kept of an input; it takes numbers of our precision."""
LEFT_OUT: Final = ("_regularizer", "_constraint")
"""Ends of keys that only training reads."""


class NotAllowed(ValueError):
    """The config holds what is not on the list; in words, what and where."""


def read_config(data: bytes) -> object:
    """The JSON of a config. Raises: NotAllowed: it is too long, too deep, or no JSON."""
    if len(data) > MAX_BYTES:
        raise NotAllowed(f"its config has more than {MAX_BYTES:,} bytes")
    try:
        return json.loads(data, parse_constant=_no_number)
    except NotAllowed:
        raise
    except RecursionError as error:
        raise NotAllowed("its config is nested without end") from error
    except ValueError as error:  # also of bytes that are no UTF-8
        raise NotAllowed(f"its config is no JSON: {error}") from error


def checked_model(config: object) -> dict[str, Any]:
    """A functional or sequential model's config, written anew of what was recognised. Pure.

    Returns: what keras.saving.deserialize_keras_object takes.
    Raises: NotAllowed: something in it is not on the lists above.
    """
    _need_shallow(config)
    return _Checker().model(config, "the model")


def checked_arguments(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Arguments of a network that are numbers, plain texts, or lists of these. Pure. Raises: NotAllowed."""
    waiting = list(config.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            raise NotAllowed(f"{place} is given {_shown(value)}; wanted: numbers, names, and lists of these")
        if isinstance(value, int | float) and abs(value) > MAX_ARGUMENT:
            raise NotAllowed(f"{place} is given {_shown(value)}; wanted: at most {MAX_ARGUMENT:,}")
        waiting += value if isinstance(value, list) else ()
    _need_shallow(dict(config))
    return _Checker().arguments(config, place)


def plain(text: object, place: str) -> str:
    """The text, if no path and no code can be written so. Raises: NotAllowed."""
    if not isinstance(text, str) or len(text) > MAX_TEXT or not PLAIN.fullmatch(text):
        raise NotAllowed(
            f"{place} is {_shown(text)}: names have letters, digits, '_', '-' and single dots, and no path"
        )
    return text


def _need_shallow(config: object) -> None:
    """Raises: NotAllowed: lists and mappings lie deeper in each other than any model needs."""
    waiting = [(config, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise NotAllowed(f"its config has more than {MAX_DEPTH} lists and mappings within each other")
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(one, depth + 1) for one in inner if isinstance(one, dict | list)]


def _no_number(text: str) -> object:
    raise NotAllowed(f"its config holds {text}, which is no number")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."


class _Checker:
    """One pass over one config; counts its layers."""

    def __init__(self) -> None:
        self.layers = 0

    def named(self, found: object, place: str) -> tuple[str, str]:
        """Module and class of a serialised object. Raises: NotAllowed: they are not on the list."""
        if not isinstance(found, dict):
            raise NotAllowed(f"{place} is {_shown(found)}, no serialised object")
        name, module, registered = found.get("class_name"), found.get("module"), found.get("registered_name")
        if not isinstance(name, str) or (module is not None and not isinstance(module, str)):
            raise NotAllowed(f"{place} has the class {_shown(name)} of {_shown(module)}")
        if (module, name) not in CLASSES:
            why = WHY_NOT.get(name) or (
                "it is a class of somebody's own" if not str(module).startswith("keras") else "it is not a plain layer"
            )
            of = "no module" if module is None else f"module {_shown(module)}"
            raise NotAllowed(f"{place} is a {_shown(name)} of {of}: {why}")
        if registered not in (None, name):
            raise NotAllowed(f"{place} is registered as {_shown(registered)}: it is a class of somebody's own")
        return str(module), name

    def model(self, found: object, place: str) -> dict[str, Any]:
        """A model, and all layers in it."""
        module, name = self.named(found, place)
        if CLASSES[module, name] != "model":
            raise NotAllowed(f"{place} is a {name}, no model")
        config = _mapping(_mapping(found, place).get("config"), place)
        layers = config.get("layers")
        if not isinstance(layers, list):
            raise NotAllowed(f"{place} has no list of layers")
        self.layers += len(layers)
        if self.layers > MAX_LAYERS:
            raise NotAllowed(f"it has more than {MAX_LAYERS:,} layers")
        own = plain(config.get("name"), f"the name of {place}")
        in_graph = name == "Functional"
        inside: dict[str, Any] = {"name": own, "layers": [self.layer(one, in_graph) for one in layers]}
        names = [layer["config"]["name"] for layer in inside["layers"]]
        if len(set(names)) < len(names):
            raise NotAllowed(f"two layers of {place} have one name")
        if in_graph:
            for key in ("input_layers", "output_layers"):
                inside[key] = self.value(config.get(key), f"{key} of {place}")
        elif config.get("build_input_shape") is not None:
            inside["build_input_shape"] = self.value(config["build_input_shape"], f"the input shape of {place}")
        return {"module": module, "class_name": name, "config": inside, "registered_name": None}

    def layer(self, found: object, in_graph: bool) -> dict[str, Any]:
        """A layer, an operator or a nested model, as a model lists it. Args: in_graph: it says what it reads."""
        config = _mapping(_mapping(found, "a layer").get("config"), "a layer")
        name = plain(config.get("name"), "a layer's name")
        place = f"layer {name!r}"
        assert isinstance(found, dict)
        module, kind = self.named(found, place)
        if CLASSES[module, kind] == "model":
            written = self.model(found, place)
        elif CLASSES[module, kind] == "layer":
            written = {
                "module": module,
                "class_name": kind,
                "config": self.arguments(config, place, SHAPE if kind == "InputLayer" else None),
                "registered_name": None,
            }
        else:
            raise NotAllowed(f"{place} is a {kind}, no layer")
        if not in_graph:
            return written
        if found.get("name") != name:
            raise NotAllowed(f"{place} is called {_shown(found.get('name'))} in the graph")
        nodes = found.get("inbound_nodes")
        if not isinstance(nodes, list):
            raise NotAllowed(f"{place} does not say what it reads")
        return {**written, "name": name, "inbound_nodes": [self.node(one, place) for one in nodes]}

    def arguments(self, config: Mapping[str, Any], place: str, kept: frozenset[str] | None = None) -> dict[str, Any]:
        """Those of a layer or an initializer, without what training and precision are about. Args: kept: no others."""
        written: dict[str, Any] = {}
        for key, value in config.items():
            known = self.value(value, f"{plain(key, f'a key of {place}')} of {place}")
            if key == "dtype":
                _need_float(known, place)
            elif key == "activation" and isinstance(known, str) and not _is_activation(known):
                raise NotAllowed(f"{place} has the activation {_shown(known)}, which Keras does not have")
            elif key != "trainable" and not key.endswith(LEFT_OUT) and (kept is None or key in kept):
                written[key] = known
        return written

    def node(self, found: object, place: str) -> dict[str, Any]:
        """One call of a layer: what it was given."""
        if not isinstance(found, dict) or set(found) != {"args", "kwargs"}:
            raise NotAllowed(f"{place} was called in a way of Keras 2. Load it in Keras 3 and save it again")
        if not isinstance(found["args"], list) or not isinstance(found["kwargs"], dict):
            raise NotAllowed(f"{place} was called with {_shown(found)}")
        args = [self.value(one, f"what {place} reads", in_call=True) for one in found["args"]]
        kwargs = {
            plain(key, f"an argument of {place}"): self.value(one, f"what {place} reads", in_call=True)
            for key, one in found["kwargs"].items()
            if key not in {"training", "mask"}
        }
        return {"args": args, "kwargs": kwargs}

    def value(self, found: object, place: str, *, in_call: bool = False) -> Any:
        """A number, a plain text, a list of these, or an object of the list above."""
        if found is None or isinstance(found, bool):
            return found
        if isinstance(found, int | float):
            if not math.isfinite(found) or abs(found) > MAX_NUMBER:
                raise NotAllowed(f"{place} is {_shown(found)}")
            return found
        if isinstance(found, str):
            if in_call:
                raise NotAllowed(f"{place} is the text {_shown(found)}, where a tensor or a number is wanted")
            return plain(found, place)
        if isinstance(found, list):
            if len(found) > MAX_NUMBERS:
                raise NotAllowed(f"{place} is a list of {len(found):,}")
            return [self.value(one, place, in_call=in_call) for one in found]
        return self.object(_mapping(found, place), place, in_call=in_call)

    def object(self, found: Mapping[str, Any], place: str, *, in_call: bool) -> Any:
        """A serialised object within a layer's arguments, or within a call."""
        name = found.get("class_name")
        if in_call:
            return self.read(found, place)
        if name == "function":
            function = found.get("config")
            if found.get("module") in ("builtins", "keras.activations") and _is_activation(function):
                return function
            module = _shown(found.get("module"))
            raise NotAllowed(f"{place} is the function {_shown(function)} of module {module}, no activation of Keras")
        module, name = self.named(found, place)
        kind = CLASSES[module, name]
        if kind == "model":
            raise NotAllowed(f"{place} is a whole model")
        config = _mapping(found.get("config"), place)
        if kind == "precision":
            return plain(config.get("name"), place)
        inside = self.arguments(config, place)
        return {"module": module, "class_name": name, "config": inside, "registered_name": None}

    def read(self, found: Mapping[str, Any], place: str) -> dict[str, Any]:
        """A tensor of the graph, a constant, or a part of an index: all that a call may be given besides numbers."""
        name = str(found.get("class_name"))
        if name not in READ:
            raise NotAllowed(f"{place} is a {_shown(name)}: {WHY_NOT.get(name, 'no tensor and no number')}")
        config = _mapping(found.get("config"), place)
        inside: dict[str, Any] = {}
        if name == "__keras_tensor__":
            history = config.get("keras_history")
            if not isinstance(history, list) or len(history) != 3 or not all(isinstance(n, int) for n in history[1:]):
                raise NotAllowed(f"{place} comes from {_shown(history)}")
            inside["keras_history"] = [plain(history[0], place), *history[1:]]
            inside["shape"] = self.value(config.get("shape"), place)
            inside["dtype"] = plain(config.get("dtype"), place)
        elif name == "__tensor__":
            _need_float(config.get("dtype"), place)
            inside = {"value": self.value(config.get("value"), place, in_call=True), "dtype": "float32"}
        elif name == "__slice__":
            inside = {key: self.value(config.get(key), place, in_call=True) for key in ("start", "stop", "step")}
        return {"class_name": name, "config": inside}


def _is_activation(name: object) -> bool:
    return isinstance(name, str) and name in ACTIVATIONS


def _need_float(policy: object, place: str) -> None:
    if policy is not None and not (isinstance(policy, str) and policy in FLOATS):
        raise NotAllowed(f"{place} has the precision {_shown(policy)}; wanted: one of {', '.join(sorted(FLOATS))}")


def _mapping(found: object, place: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise NotAllowed(f"{place} has {_shown(found)} where a mapping is wanted")
    return found
