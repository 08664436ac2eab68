"""An ONNX graph while it grows: its nodes, its constants, and what may still be folded into what.

Images run through the graph as (batch, channels, height, width), Keras' are (batch, height, width, channels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from automl.errors import StageFailed

OPSET: Final = 17
IR_VERSION: Final = 8  # of opset 17 (onnx/docs/Versioning.md); every onnxruntime since 1.12 reads it
BATCH: Final = "batch"  # the name of the dynamic axis

Floats = NDArray[np.float64]
Pads = tuple[int, int, int, int]  # top, left, bottom, right
NO_PADS: Final[Pads] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A float32 tensor that some node made."""

    name: str
    shape: tuple[int, ...]  # without the batch, as Keras has it: an image is (height, width, channels)
    pads: Pads = NO_PADS  # zeros that are still to be put around it, already counted in shape
    non_negative: bool = False  # known to have no value below 0
    shared: bool = False  # more than one layer reads it

    @property
    def is_image(self) -> bool:
        """Whether it has a height, a width and channels."""
        return len(self.shape) == 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """The constants of a convolution or dense node, into which a scale and a shift of its output can go."""

    kernel: str
    bias: str
    outputs_last: bool  # the kernel's last axis counts the outputs; else its first


class GraphBuilder:
    """Collects nodes and constants under names that are unique. Constants stay float64 until `finish`."""

    def __init__(self, reserved: Sequence[str]) -> None:
        """Args: reserved: names of the graph's inputs and outputs, kept free of everything else."""
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._linear: dict[str, Linear] = {}
        self._padded: dict[tuple[str, Pads], str] = {}
        self._taken = set(reserved)

    def unique(self, name: str) -> str:
        """The name itself, or with the first free number where it is taken."""
        free, number = name, 1
        while free in self._taken:
            number += 1
            free = f"{name}.{number}"
        self._taken.add(free)
        return free

    def node(self, op: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node with one output; node and output are called `name`, or by the next free name after it."""
        output = self.unique(name)
        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any] | Sequence[int] | float) -> str:
        """Add a constant: integers become int64, everything else float32.

        Raises: StageFailed: a value is not finite.
        """
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float64)
        _refuse_what_is_not_finite(name, array)
        name = self.unique(name)
        self._constants[name] = array
        return name

    def linear(
        self, op: str, source: str, name: str, *, kernel: Floats, bias: Floats, outputs_last: bool, **attributes: Any
    ) -> str:
        """Add a node that multiplies by a kernel and adds a bias; a scale and shift that follow can be folded in."""
        constants = Linear(
            kernel=self.constant(f"{name}.kernel", kernel),
            bias=self.constant(f"{name}.bias", bias),
            outputs_last=outputs_last,
        )
        output = self.node(op, [source, constants.kernel, constants.bias], name, **attributes)
        self._linear[output] = constants
        return output

    def plain(self, value: Value) -> str:
        """The tensor's name, after the zeros that were still to be put around it."""
        if not any(value.pads):
            return value.name
        if (value.name, value.pads) not in self._padded:
            self._padded[value.name, value.pads] = self.pad(value, value.pads, 0.0)
        return self._padded[value.name, value.pads]

    def pad(self, value: Value, pads: Pads, fill: float) -> str:
        """Add a node that puts a border of one constant around the bare image (its own pads are not looked at)."""
        top, left, bottom, right = pads
        amounts = self.constant(f"{value.name}.pads", [0, 0, top, left, 0, 0, bottom, right])
        inputs = [value.name, amounts] + ([self.constant(f"{value.name}.fill", fill)] if fill else [])
        return self.node("Pad", inputs, f"{value.name}.padded")

    def affine(self, value: Value, scale: Floats, shift: Floats, name: str) -> Value:
        """value * scale + shift: folded into the convolution or dense node before it, else a Mul and an Add.

        Args:
            scale, shift: broadcastable to the tensor as Keras has it, batch included: (), (c,), (1, h, 1, c), ...
        """
        rank = len(value.shape) + 1
        scale, shift = (array.reshape((1,) * (rank - array.ndim) + array.shape) for array in (scale, shift))
        by_channel = scale.size == scale.shape[-1] and shift.size == shift.shape[-1]
        linear = self._linear.get(value.name)
        if linear and by_channel and not value.shared and not any(value.pads):
            self._fold(linear, scale.reshape(-1), shift.reshape(-1), name)
            return replace(value, non_negative=False)
        result = self.plain(value)
        if np.any(scale != 1):
            result = self.node("Mul", [result, self.constant(f"{name}.scale", _channels_first(scale))], f"{name}.mul")
        if np.any(shift != 0):
            result = self.node("Add", [result, self.constant(f"{name}.shift", _channels_first(shift))], f"{name}.add")
        return Value(name=result, shape=value.shape)

    def _fold(self, linear: Linear, scale: Floats, shift: Floats, name: str) -> None:
        kernel, bias = self._constants[linear.kernel], self._constants[linear.bias]
        self._constants[linear.bias] = bias * scale + shift
        self._constants[linear.kernel] = (
            kernel * scale if linear.outputs_last else kernel * scale.reshape(-1, *(1,) * (kernel.ndim - 1))
        )
        for constant in (linear.kernel, linear.bias):
            _refuse_what_is_not_finite(f"{constant} with {name}", self._constants[constant])

    def finish(
        self, *, name: str, image: onnx.ValueInfoProto, outputs: Mapping[str, Value], metadata: Mapping[str, str]
    ) -> onnx.ModelProto:
        """The whole model, its outputs renamed to the wanted names.

        Args:
            outputs: the wanted name of each output -> what it is, of shape (n,) without the batch.
        """
        made = {node.output[0] for node in self._nodes}
        renamed: dict[str, str] = {}
        for wanted, value in outputs.items():
            source = self.plain(value)
            if source in made and source not in renamed:
                renamed[source] = wanted
            else:  # the input itself, or a tensor that is already another output
                self._nodes.append(helper.make_node("Identity", [source], [wanted], name=wanted))
        for node in self._nodes:
            node.input[:] = [renamed.get(one, one) for one in node.input]
            node.output[:] = [renamed.get(one, one) for one in node.output]
        infos = [
            helper.make_tensor_value_info(wanted, TensorProto.FLOAT, [BATCH, *value.shape])
            for wanted, value in outputs.items()
        ]
        constants = [
            numpy_helper.from_array(array.astype(np.float32) if array.dtype == np.float64 else array, constant)
            for constant, array in self._constants.items()
        ]
        model = helper.make_model(
            helper.make_graph(self._nodes, name, [image], infos, constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="automl",
        )
        helper.set_model_props(model, dict(sorted(metadata.items())))
        return model


def _channels_first(array: NDArray[Any]) -> NDArray[Any]:
    """Move the channels of an image (1, h, w, c) to the front; leave everything else as it is."""
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def _refuse_what_is_not_finite(name: str, array: NDArray[Any]) -> None:
    if not np.all(np.isfinite(array)):
        n = int(np.count_nonzero(~np.isfinite(array)))
        raise StageFailed(
            f"{name} holds {n} value(s) that are not finite, of {array.size}; a network that can be exported has "
            "finite weights. Its training diverged: train again with a lower learning rate."
        )
