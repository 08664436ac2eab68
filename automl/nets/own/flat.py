"""A user's model as the backbone that we build: one flat graph from pixel values 0..255, without what stands on top.

Nested models are written out, layers that only training knows are left out, arithmetic on the pixels becomes one
Rescaling, and whatever follows the deeper of the two feature maps (features.tap_layers) is cut off: a head, if it has
one. Layers are copied, so that each is called once and has a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, cast

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from automl.nets.features import tap_layers
from automl.nets.own.allowed import words
from automl.nets.own.brought import LeftOut

OF_TRAINING: Final = words(
    """
    ActivityRegularization AlphaDropout GaussianDropout GaussianNoise Identity RandomBrightness RandomContrast
    RandomFlip RandomRotation RandomTranslation RandomZoom SpatialDropout2D
    """
)
"""Layers that pass on what they are given, except in training."""
ON_PIXELS: Final = words("Rescaling Normalization Add Flip GetItem Multiply Stack Subtract TrueDivide")
"""Layers and operators that may stand between the image and the network proper."""
AS_THEY_ARE: Final = frozenset(("Rescaling", "Normalization", "Flip"))
"""Those of them that need not become a Rescaling."""
TAKEN: Final = words("image rescale features pool_1 pool_2 standardise dropout logits probabilities")
"""Names of layers that we put before and behind a backbone (build.py, head.py)."""
SAME: Final = 1e-4  # of the largest value, between two ways to compute one thing

Apply = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


def inlined(source: keras.Model, size_px: int, *, fill: bool = True) -> keras.Model:
    """The same network as one flat graph, for images of that size.

    Args: fill: copy the weights.
    Returns: a functional model; input "image" (batch, size, size, 3); outputs as the source's.
    Raises: ValueError: it cannot be built at that size, or a layer with weights is called twice.
    """
    image = keras.Input((size_px, size_px, 3), name="image")
    copier = _Copier()
    outputs = _walk(source, [image], copier.apply)
    flat = keras.Model(image, outputs, name="own")
    if fill:
        copier.fill()
    return flat


def rescales(flat: keras.Model) -> bool:
    """Whether the model itself does something to the pixel values before the network proper gets them."""
    return bool(_front(flat)[0])


def folded(flat: keras.Model) -> keras.Model:
    """The same network with its arithmetic on the pixels as one Rescaling, the channels turned round before if need be.

    A model whose arithmetic is nothing of the kind, or needs no change, is returned as it is.
    """
    nodes, made = _front(flat)
    if made is None or all(type(node.operation).__name__ in AS_THEY_ARE for node in nodes):
        return flat
    found = _affine(keras.Model(flat.inputs[0], made))
    if found is None:
        return flat
    scale, offset, turned = found
    return with_front(flat, lambda image: rescaled(keras.ops.flip(image, axis=-1) if turned else image, scale, offset))


def with_front(flat: keras.Model, front: Callable[[Any], Any]) -> keras.Model:
    """The network with another way from the image (a symbolic tensor) to its first layer proper."""
    nodes, made = _front(flat)
    image = keras.Input(flat.inputs[0].shape[1:], name="image")
    copier = _Copier()
    given = {id(flat.inputs[0] if made is None else made): front(image)}
    outputs = _walk(flat, [image], copier.apply, given=given, left_out={id(node) for node in nodes})
    changed = keras.Model(image, outputs, name=flat.name)
    copier.fill()
    return changed


def beheaded(flat: keras.Model) -> keras.Model:
    """Image to the deeper of the two feature maps; shares the layers.

    Raises: ValueError: there are not two resolutions with features.
    """
    before = {id(node.operation) for node in _front(flat)[0]}
    try:
        cut = keras.Model(flat.inputs[0], tap_layers(flat)[1].output, name=flat.name)
        fine = tap_layers(cut)[0]  # what came after the deeper one, a decoder say, is gone
    except ValueError:
        fine = None
    if fine is None or isinstance(fine, layers.InputLayer) or id(fine) in before:
        raise ValueError(
            "it has feature maps of fewer than two resolutions of more than 1 px, and features are taken from two: a "
            "network that ends flat must have them below"
        )
    return cut


def largest_difference(first: keras.Model, second: keras.Model, pixels: NDArray[np.float32]) -> float:
    """Between the outputs of two models for the same images, as a share of the largest value of each output."""
    worst = 0.0
    for one, other in zip(_answers(first, pixels), _answers(second, pixels), strict=True):
        worst = max(worst, float(np.abs(one - other).max() / max(np.abs(one).max(), np.finfo(np.float32).tiny)))
    return worst


def _answers(model: keras.Model, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    bare = keras.Model(model.inputs[0], model.outputs)  # takes an array, whatever structure the model's inputs have
    return [np.asarray(one, np.float32) for one in bare(pixels, training=False)]


def _plainer(operation: Any) -> Callable[[Any], Any] | None:
    """The layer that does what an operator in a block does, where there is one."""
    if type(operation).__name__ == "Mean" and list(operation.axis or ()) == [1, 2]:
        return cast("Callable[[Any], Any]", layers.GlobalAveragePooling2D(keepdims=operation.keepdims))
    return None


class _Copier:
    """Copies of layers, each under a name of its own."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] = []
        self.names: set[str] = set(TAKEN)

    def apply(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a copy of the layer, or operator, makes of these."""
        if type(operation).__name__ in OF_TRAINING:
            return args[0]
        if (plainer := _plainer(operation)) is not None:
            return plainer(args[0])
        if is_block(operation):
            return self.written_out(operation, args, kwargs)
        if any(operation is own for own, _ in self.pairs):
            raise ValueError(f"layer {operation.name!r} is called more than once, with the same weights")
        copy = type(operation).from_config({**operation.get_config(), "name": self.name(operation.name)})
        result = copy(*args, **kwargs)
        if getattr(operation, "weights", ()):
            self.pairs.append((operation, copy))
        return result

    def written_out(self, block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What copies of the layers within a block make of these: its own code is run on symbolic tensors."""
        given = [one for one in keras.tree.flatten((args, kwargs)) if isinstance(one, keras.KerasTensor)]
        inner = [keras.KerasTensor(one.shape, one.dtype) for one in given]
        swapped = {id(one): other for one, other in zip(given, inner, strict=True)}

        def swap(one: Any) -> Any:
            return swapped.get(id(one), one)

        if block._trainable_variables or block._non_trainable_variables:
            raise LeftOut(
                f"layer {block.name!r} is a {_class_of(block)}, which has weights of its own and no plain layer"
            )
        try:
            made = block.call(*keras.tree.map_structure(swap, args), **keras.tree.map_structure(swap, kwargs))
        except Exception as error:  # whatever code that was not written for it makes of symbolic tensors
            raise LeftOut(
                f"layer {block.name!r} is a {_class_of(block)}, which is not made of plain layers; the ONNX writer "
                "does not know it"
            ) from error
        values = dict(zip(map(id, inner), given, strict=True))
        outputs = keras.tree.flatten(made)
        _call(_way(outputs, set(values)), values, self.apply)
        return keras.tree.pack_sequence_as(made, [values[id(one)] for one in outputs])

    def name(self, wanted: str) -> str:
        """That name, or one with a number behind it."""
        name, number = wanted, 1
        while name in self.names:
            name, number = f"{wanted}_own{number}", number + 1
        self.names.add(name)
        return name

    def fill(self) -> None:
        """Give the copies the weights of their originals."""
        for own, copy in self.pairs:
            copy.set_weights(own.get_weights())
            if isinstance(copy, layers.Normalization):
                copy.finalize_state()


def _walk(
    model: Any,
    inputs: Sequence[Any],
    apply: Apply,
    *,
    given: dict[int, Any] | None = None,
    left_out: frozenset[int] | set[int] = frozenset(),
) -> list[Any]:
    """Call all of a model's layers once more, on other tensors, those of nested models too. Returns: its outputs.

    Args: given: tensors by the id of those that they stand for. left_out: ids of nodes that are not called.
    """
    functional = _functional(model)
    values = dict(zip(map(id, functional.inputs), inputs, strict=True)) | (given or {})
    _call((node for node in _nodes(functional) if id(node) not in left_out), values, apply)
    return [values[id(one)] for one in functional.outputs]


def _call(nodes: Iterable[Any], values: dict[int, Any], apply: Apply) -> None:
    """Repeat calls on other tensors. Args: values: what stands for each tensor, by its id; what is made is added."""
    for node in nodes:
        args, kwargs = node.arguments.fill_in(values)
        kwargs = {key: value for key, value in kwargs.items() if key not in {"training", "mask"}}
        if isinstance(node.operation, keras.Model):
            results = _walk(node.operation, keras.tree.flatten((args, kwargs)), apply)
        else:
            results = keras.tree.flatten(apply(node.operation, tuple(args), kwargs))
        values.update(zip(map(id, node.outputs), results, strict=True))


def _way(outputs: Sequence[Any], begun: set[int]) -> list[Any]:
    """The calls that lead to these tensors, in order. Args: begun: ids of the tensors that they begin with."""
    calls: dict[int, Any] = {}
    waiting = [one for one in outputs if id(one) not in begun]
    while waiting:
        node = _maker(waiting[-1])
        missing = [one for one in node.input_tensors if id(one) not in begun and id(_maker(one)) not in calls]
        if missing:
            waiting += missing
        else:
            calls.setdefault(id(node), node)
            waiting.pop()
    return list(calls.values())


def _maker(tensor: Any) -> Any:
    """The call that made it."""
    operation, number, _ = tensor._keras_history
    return operation._inbound_nodes[number]


def _class_of(layer: Any) -> str:
    return f"{type(layer).__module__}.{type(layer).__name__}"


def is_block(operation: Any) -> bool:
    """Whether it is a layer of KerasHub that is made of layers."""
    return isinstance(operation, layers.Layer) and type(operation).__module__.startswith("keras_hub.")


def _functional(model: Any) -> Any:
    """The object that holds the graph: a Sequential keeps it inside."""
    return model._functional if isinstance(model, keras.Sequential) else model


def _nodes(functional: Any) -> Iterator[Any]:
    """All calls but that of the input, in order; Keras 3 has no public way (graph/writer.py goes the same)."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from (node for node in functional._nodes_by_depth[depth] if not node.is_input)


def _front(flat: keras.Model) -> tuple[list[Any], Any]:
    """The calls on the way from the image to the network proper, and the one tensor that they make for it.

    None: there are none, or the network reads several of their tensors.
    """
    front: list[Any] = []
    here = {id(flat.inputs[0])}
    seen: dict[int, Any] = {}
    for node in _nodes(flat):
        if type(node.operation).__name__ in ON_PIXELS and all(id(one) in here for one in node.input_tensors):
            front.append(node)
            here.update(map(id, node.outputs))
        else:
            seen.update((id(one), one) for one in node.input_tensors if id(one) in here)
    return front, next(iter(seen.values())) if front and len(seen) == 1 else None


def _affine(front: keras.Model) -> tuple[list[float], list[float], bool] | None:
    """What is done to each pixel, found by doing it: scale, offset, whether blue comes first; None: something else."""
    size_px = front.inputs[0].shape[1]
    probes = np.zeros((6, size_px, size_px, 3), np.float32)
    for channel in range(3):
        probes[channel + 1, ..., channel] = 255
    probes[4:] = np.random.default_rng(1).uniform(0, 255, probes[4:].shape)
    found = np.asarray(front(probes), np.float64)
    if found.shape != probes.shape:
        return None
    offset = found[0, 0, 0]
    matrix = (found[1:4, 0, 0] - offset) / 255  # [from][to]
    turned = abs(matrix[0, 2]) > abs(matrix[0, 0])
    scale = np.diagonal(matrix[::-1] if turned else matrix)
    wanted = (probes[..., ::-1] if turned else probes) * scale + offset
    if not np.abs(found - wanted).max() <= SAME * np.abs(found).max():
        return None
    return scale.tolist(), offset.tolist(), bool(turned)


def rescaled(image: Any, scale: Sequence[float], offset: Sequence[float]) -> Any:
    """A symbolic image, each channel times a factor plus an offset."""
    return layers.Rescaling(list(scale), offset=list(offset), name="rescale")(image)
