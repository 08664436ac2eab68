"""One layer at work on its inputs, as the writer's table is handed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from automl.errors import StageFailed
from automl.graph.nodes import Floats, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A Keras layer (or a scalar operation such as x + 3), the values that it reads, and what comes out."""

    layer: Any
    name: str
    operands: tuple[Value | float, ...]
    shape: tuple[int, ...]  # of the result, without the batch, as Keras has it

    @property
    def value(self) -> Value:
        """The one tensor that the layer reads."""
        (value,) = self.operands
        assert isinstance(value, Value)
        return value

    def axis(self, axis: int) -> int:
        """An axis of Keras' tensor as an axis of the graph's."""
        axis %= len(self.shape) + 1
        return (0, 2, 3, 1)[axis] if len(self.shape) == 3 else axis

    def refused(self, found: str, wanted: str) -> StageFailed:
        """The error for a layer of a known type that is used in an unknown way."""
        return StageFailed(
            f"layer {self.name!r} ({type(self.layer).__name__}) {found}; the ONNX writer knows {wanted}. "
            "Build the network without it, or extend the layer's row in automl/graph/layers.py."
        )


def floats(values: Any) -> Floats:
    """A weight, a backend's tensor, a list or a number as float64."""
    return np.asarray(values.numpy() if isinstance(values, keras.Variable) else values, np.float64)
