"""A Keras model as one ONNX file (docs/design.md, decision 8): no converter, no tracing, one table of layers.

The file takes uint8 pictures as they come from the resize and normalises them itself; BatchNormalization is folded into
the convolution before it, zero padding into the window after it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import keras
import onnx
from onnx import TensorProto, helper

from automl.errors import StageFailed
from automl.graph.call import Call
from automl.graph.layers import ROWS, row_of
from automl.graph.nodes import BATCH, GraphBuilder, Value
from automl.runs import atomic

IMAGE: Final = "image"
OUTPUTS: Final = ("probabilities", "features")
CLASS_NAMES: Final = "class_names"  # key of the file's metadata: a JSON list


def write_onnx(model: keras.Model, path: Path, *, class_names: Sequence[str], metadata: Mapping[str, str]) -> None:
    """Write the model to one ONNX file, durably and whole; equal models give equal bytes.

    Args:
        model: float32, functional; one input (batch, h, w, c) with values 0..255; outputs [probabilities (batch,
            classes), features (batch, d)], made by layers of these names.
        class_names: one for each probability, in order.
        metadata: goes into the file's metadata_props, beside "class_names".
    The file's input is "image", uint8 (batch, h, w, c); its outputs are "probabilities" and "features", float32.
    Raises: StageFailed: a layer is unknown, is used in an unknown way, or is not float32; the outputs are others;
        a weight is not finite. ValueError: class_names do not fit the model; metadata has a key "class_names".
    """
    image_shape = _checked_shape(model)
    if model.outputs[0].shape[-1] != len(class_names):
        raise ValueError(f"{len(class_names)} class name(s) for {model.outputs[0].shape[-1]} probabilities")
    if CLASS_NAMES in metadata:
        raise ValueError(f"metadata has a key {CLASS_NAMES!r}, which the writer sets itself")
    graph = GraphBuilder(reserved=(IMAGE, *OUTPUTS))
    # Turned while it is still uint8: a quarter of the bytes to move.
    turned = graph.node("Transpose", [IMAGE], f"{IMAGE}.channels_first", perm=[0, 3, 1, 2])
    pixels = graph.node("Cast", [turned], f"{IMAGE}.float", to=TensorProto.FLOAT)
    results = _walk(graph, model, [Value(name=pixels, shape=image_shape, non_negative=True)])
    proto = graph.finish(
        name=model.name,
        image=helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, [BATCH, *image_shape]),
        outputs=dict(zip(OUTPUTS, results, strict=True)),
        metadata={**metadata, CLASS_NAMES: json.dumps(list(class_names), ensure_ascii=False)},
    )
    onnx.checker.check_model(proto, full_check=True)
    atomic.write_bytes(path, proto.SerializeToString(deterministic=True))


def _checked_shape(model: keras.Model) -> tuple[int, ...]:
    """The picture's (height, width, channels), after a look at the model from outside."""
    if not hasattr(_functional(model), "_nodes_by_depth"):
        raise StageFailed(
            f"model {model.name!r} ({type(model).__name__}) is not functional; the ONNX writer follows the graph of "
            "keras.Model(inputs, outputs) or keras.Sequential. Build it that way."
        )
    if list(model.output_names) != list(OUTPUTS):
        raise StageFailed(
            f"model {model.name!r} has the outputs {', '.join(model.output_names)}; the ONNX writer wants "
            f"{', '.join(OUTPUTS)}, in this order. Name the layers that make them so."
        )
    shapes = [tuple(one.shape[1:]) for one in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or None in shapes[0]:
        raise StageFailed(
            f"model {model.name!r} has the input shapes {shapes}; the ONNX writer wants one picture (height, width, "
            "channels) of a fixed size. Build the network for the packed size."
        )
    return tuple(int(size) for size in shapes[0])


def _functional(model: Any) -> Any:
    """The object that holds the graph: a Sequential keeps it inside."""
    return getattr(model, "_functional", model)


def _walk(graph: GraphBuilder, model: Any, inputs: Sequence[Value]) -> list[Value]:
    """Write all layers of a model, from its inputs to its outputs.

    Keras 3 has no public way through a model's graph; this is the way of its own Function._run_through_graph.
    """
    functional = _functional(model)
    nodes = [
        node
        for depth in sorted(functional._nodes_by_depth, reverse=True)
        for node in functional._nodes_by_depth[depth]
        if not node.is_input
    ]
    readers = Counter(id(one) for node in nodes for one in node.input_tensors)
    readers.update(id(one) for one in functional.outputs)
    values: dict[int, Value] = {}

    def keep(tensors: Sequence[Any], made: Sequence[Value]) -> None:
        for tensor, value in zip(tensors, made, strict=True):
            values[id(tensor)] = replace(value, shared=True) if readers[id(tensor)] > 1 else value

    keep(functional.inputs, inputs)
    for node in nodes:
        keep(node.outputs, _written(graph, node, values))
    return [values[id(one)] for one in functional.outputs]


def _written(graph: GraphBuilder, node: Any, values: dict[int, Value]) -> list[Value]:
    """What one call of a layer, of an operation or of a whole model makes."""
    args, kwargs = node.arguments.fill_in(values)
    layer = node.operation
    training = kwargs.pop("training", None)
    kwargs.pop("mask", None)
    operands = tuple(keras.tree.flatten((args, kwargs)))
    shape = tuple(node.outputs[0].shape[1:])
    _check_use(layer, operands, shape, bool(training))
    if isinstance(layer, keras.Model):
        return _walk(graph, layer, operands)
    row = row_of(layer)
    if row is None:
        known = ", ".join(row.layer for row in ROWS)
        raise StageFailed(
            f"layer {layer.name!r} is a {type(layer).__module__}.{type(layer).__name__}, which the ONNX writer does "
            f"not know. It knows {known}. Build the network from these, or add a row to automl/graph/layers.py."
        )
    return [row.emit(graph, Call(layer=layer, name=layer.name, operands=operands, shape=shape))]


def _check_use(layer: Any, operands: Sequence[object], shape: tuple[int | None, ...], training: bool) -> None:
    """Refuse what no row of the table can see."""
    policy = layer.dtype_policy.name if isinstance(layer, keras.layers.Layer) else "float32"
    strange = [type(one).__name__ for one in operands if not isinstance(one, Value | int | float)]
    order = getattr(layer, "data_format", "channels_last")
    if policy != "float32":
        found, do = f"has the dtype policy {policy!r}", "float32: build the network again under it and set_weights"
    elif training:
        found, do = "is called with training=True", "layers as they are at inference: call it without"
    elif order != "channels_last":
        found, do = f"has data_format={order!r}", "channels_last: build the network with it"
    elif None in shape:
        found, do = (
            f"makes the shape {shape}",
            "known sizes: give its model an input of a fixed size",
        )
    elif strange:
        found, do = f"reads a constant ({strange[0]})", "tensors and plain numbers: put it into a layer's weight"
    else:
        return
    raise StageFailed(f"layer {layer.name!r} ({type(layer).__name__}) {found}; the ONNX writer wants {do}.")
