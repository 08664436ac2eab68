"""Activation functions by their Keras names, as ONNX nodes. Formulas: keras.activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import keras

from automl.errors import StageFailed
from automl.graph.nodes import GraphBuilder, Value

# From the graph, the source's name, the layer's name and the axis of the channels to the name of the result.
Emit = Callable[[GraphBuilder, str, str, int], str]


def _node(op: str, **attributes: float) -> Emit:
    return lambda graph, x, name, axis: graph.node(op, [x], name, **attributes)


def _relu6(graph: GraphBuilder, x: str, name: str, axis: int) -> str:
    return clip(graph, x, name, 6.0)


def _silu(graph: GraphBuilder, x: str, name: str, axis: int) -> str:
    return graph.node("Mul", [x, graph.node("Sigmoid", [x], f"{name}.sigmoid")], name)


def _hard_silu(graph: GraphBuilder, x: str, name: str, axis: int) -> str:
    gate = graph.node("HardSigmoid", [x], f"{name}.hard_sigmoid", alpha=1 / 6, beta=0.5)
    return graph.node("Mul", [x, gate], name)


def _gelu(graph: GraphBuilder, x: str, name: str, axis: int) -> str:
    """x * (1 + erf(x / sqrt 2)) / 2: the order of nodes that onnxruntime fuses into one Gelu."""
    root, one, half = (graph.constant(f"{name}.{key}", v) for key, v in (("root", 2**0.5), ("one", 1.0), ("half", 0.5)))
    erf = graph.node("Erf", [graph.node("Div", [x, root], f"{name}.div")], f"{name}.erf")
    product = graph.node("Mul", [x, graph.node("Add", [erf, one], f"{name}.add")], f"{name}.mul")
    return graph.node("Mul", [product, half], name)


def _softmax(graph: GraphBuilder, x: str, name: str, axis: int) -> str:
    return graph.node("Softmax", [x], name, axis=axis)


def clip(graph: GraphBuilder, x: str, name: str, highest: float) -> str:
    """Cut off what is below 0 or above `highest`."""
    low, high = graph.constant(f"{name}.low", 0.0), graph.constant(f"{name}.high", highest)
    return graph.node("Clip", [x, low, high], name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One activation function."""

    name: str  # of the function in keras.activations; "swish" and "hard_swish" are silu and hard_silu there
    emit: Emit
    non_negative: bool = False  # its result has no value below 0


ACTIVATIONS: Final = (
    Activation(name="relu", emit=_node("Relu"), non_negative=True),
    Activation(name="relu6", emit=_relu6, non_negative=True),
    Activation(name="leaky_relu", emit=_node("LeakyRelu", alpha=0.2)),
    Activation(name="elu", emit=_node("Elu", alpha=1.0)),
    Activation(name="selu", emit=_node("Selu")),
    Activation(name="gelu", emit=_gelu),
    Activation(name="silu", emit=_silu),
    Activation(name="hard_silu", emit=_hard_silu),
    Activation(name="sigmoid", emit=_node("Sigmoid"), non_negative=True),
    Activation(name="hard_sigmoid", emit=_node("HardSigmoid", alpha=1 / 6, beta=0.5), non_negative=True),
    Activation(name="tanh", emit=_node("Tanh")),
    Activation(name="softplus", emit=_node("Softplus"), non_negative=True),
    Activation(name="softsign", emit=_node("Softsign")),
    Activation(name="exponential", emit=_node("Exp"), non_negative=True),
    Activation(name="softmax", emit=_softmax, non_negative=True),
)

_BY_NAME: Final = {row.name: row for row in ACTIVATIONS}


def activate(graph: GraphBuilder, value: Value, function: Any, name: str) -> Value:
    """Add the activation function of a Keras layer (None and `linear`: nothing).

    Raises: StageFailed: the function is not in the table.
    """
    if function is None or function is keras.activations.linear:
        return value
    known_as = getattr(function, "__name__", type(function).__name__)
    row = _BY_NAME.get(known_as)
    if row is None or getattr(keras.activations, known_as) is not function:
        raise StageFailed(
            f"layer {name!r} has the activation {known_as!r}, which the ONNX writer does not know. It knows linear, "
            f"{', '.join(_BY_NAME)}. Use one of these, or add a row to automl/graph/activations.py."
        )
    result = row.emit(graph, graph.plain(value), name, 1 if value.is_image else len(value.shape))
    return Value(name=result, shape=value.shape, non_negative=row.non_negative)
