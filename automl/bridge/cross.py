"""A Keras 3 network over the bridge to tf_keras, and its weights back (docs/design.md, "The bridge to tfmot").

The graph is rebuilt layer by layer from a table, weights go by position: copying by name is silently wrong where the
two libraries name layers differently. Each crossing is checked by running both networks on the same images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tf_keras
from numpy.typing import NDArray

from automl.bridge.layers import row_of
from automl.errors import StageFailed

TOLERANCE: Final = 1e-4
"""How far an output may lie from the other side's, as a share of the largest one. Measured: up to 1.2e-5."""

Wrap = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One layer on both sides."""

    modern: Any  # of Keras 3
    legacy: Any  # of tf_keras, without what it may be wrapped in


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A network on both sides of the bridge. The two share nothing: weights cross in cross() and in come_back()."""

    modern: Any  # keras.Model
    legacy: Any  # tf_keras.Model with the same input and outputs
    pairs: tuple[Pair, ...]  # layers that have weights, in the order of the graph


def cross(model: Any, wrap: Wrap = lambda modern, legacy: legacy) -> Crossing:
    """Rebuild a network in tf_keras, with the same weights; the source stays as it is.

    Args:
        model: functional, float32, one input of a fixed size.
        wrap: given each layer of both sides before it is called, returns what is called instead of the second.
    Raises: StageFailed: a layer or activation is not in the table, or is used in an unknown way.
    """
    values: dict[int, Any] = {}
    made: dict[int, tuple[Any, Any]] = {}  # by the source layer's id: the layer and what it is wrapped in
    pairs: list[Pair] = []
    (image,) = model.inputs
    values[id(image)] = start = tf_keras.Input(image.shape[1:], dtype=image.dtype, name=image.name)
    for node in _nodes(model):
        layer = node.operation
        operands, numbers = _operands(node, values)
        if id(layer) not in made:
            legacy = row_of(layer).translate(layer, numbers)
            legacy._name = layer.name
            legacy.trainable = getattr(layer, "trainable", True)
            made[id(layer)] = legacy, wrap(layer, legacy)
        legacy, called = made[id(layer)]
        values[id(node.outputs[0])] = called(operands[0] if len(operands) == 1 else operands)
        if getattr(layer, "weights", None) and all(pair.modern is not layer for pair in pairs):
            pairs.append(Pair(modern=layer, legacy=legacy))
            _hand_over(layer, legacy, layer.name)
            if isinstance(layer, keras.layers.Normalization):
                legacy.finalize_state()  # or it would go on with the constants it was built with
    return Crossing(
        modern=model,
        legacy=tf_keras.Model(start, [values[id(one)] for one in model.outputs], name=model.name),
        pairs=tuple(pairs),
    )


def come_back(crossing: Crossing) -> None:
    """Give the Keras 3 network the tf_keras network's weights, bit for bit. Raises: StageFailed: they do not fit."""
    for pair in crossing.pairs:
        _hand_over(pair.legacy, pair.modern, pair.modern.name)
        if isinstance(pair.modern, keras.layers.Normalization):
            pair.modern.finalize_state()
    crossing.modern.predict_function = None  # compiled before, it holds the old constants of Normalization


def check(crossing: Crossing, images: NDArray[np.uint8]) -> float:
    """Run both networks on the same images.

    Args: images: uint8 (n, size, size, 3).
    Returns: the largest difference of any output, as a share of that output's largest value.
    Raises: StageFailed: it is above TOLERANCE, or no number.
    """
    wanted, found = (model.predict_on_batch(images.astype(np.float32)) for model in (crossing.modern, crossing.legacy))
    worst = max(_difference(*two) for two in zip(_as_list(wanted), _as_list(found), strict=True))
    if not worst <= TOLERANCE:  # NaN is not
        raise StageFailed(
            f"{crossing.modern.name} differs between Keras 3 and tf_keras by {worst:.2g} of its largest output on "
            f"{len(images)} images. Wanted: at most {TOLERANCE}. Leave the pruned variants out of compress.variants, "
            "and report this with the package versions."
        )
    return worst


def _nodes(model: Any) -> list[Any]:
    """All calls of layers, inputs first; Keras 3 has no public way, this is Function._run_through_graph's own."""
    by_depth = model._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]


def _operands(node: Any, values: dict[int, Any]) -> tuple[list[Any], list[float]]:
    """The tensors that a call reads, and the plain numbers."""
    args, kwargs = node.arguments.fill_in(values)
    training = kwargs.pop("training", None)
    kwargs.pop("mask", None)
    flat = keras.tree.flatten((args, kwargs))
    numbers = [float(one) for one in flat if isinstance(one, int | float)]
    made = {id(value) for value in values.values()}
    tensors = [one for one in flat if id(one) in made]
    if training or len(tensors) + len(numbers) != len(flat) or (numbers and len(tensors) != 1):
        raise StageFailed(
            f"layer {node.operation.name!r} ({type(node.operation).__name__}) is called with {args} {kwargs}, "
            f"training={training}; the bridge to tf_keras wants tensors, or one tensor and one number, and no word on "
            "training. Leave the pruned variants out of compress.variants, or extend automl/bridge/cross.py."
        )
    return tensors, numbers


def _hand_over(giver: Any, taker: Any, name: str) -> None:
    """Copy the weights by position; both lists hold what trains first. Raises: StageFailed: the shapes differ."""
    given, taken = ([tuple(weight.shape) for weight in layer.weights] for layer in (giver, taker))
    if given != taken:
        raise StageFailed(
            f"layer {name!r} has weights of the shapes {given} on one side of the bridge to tf_keras and {taken} on "
            "the other. Wanted: the same. Correct its row in automl/bridge/layers.py."
        )
    taker.set_weights(giver.get_weights())


def _difference(wanted: Any, found: Any) -> float:
    wanted, found = np.asarray(wanted, np.float64), np.asarray(found, np.float64)
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), np.finfo(np.float32).tiny))


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]
