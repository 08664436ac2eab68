"""Static 8-bit integers through onnxruntime's own tool: QDQ nodes, unsigned activations, signed weights a channel.

The input stays uint8, and the tail stays float: whatever stands behind the last convolutions (pooling, `features`,
head, softmax) is a thousandth of the work, and classes are decided there.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from automl.runs.atomic import TEMPORARY, write_bytes

Method = Literal["minmax", "percentile"]

BATCH: Final = 8
"""Images a call of the minmax calibration, which keeps two numbers of each tensor."""

PERCENTILE: Final = 99.99
"""Share of a tensor's values, in %, that its range holds; half of the rest is clipped at each end.

Flowers, 300 images, probabilities' mean distance from fp32: MobileNetV3Small .058 with minmax, .041 at 99.99, .041 at
99.9, .066 at 99.5; EfficientNetV2B0 .013, .011, .026, .050.
"""

CALIBRATION: Final[dict[Method, dict[str, Any]]] = {
    "minmax": {"calibrate_method": CalibrationMethod.MinMax},
    # Histograms need every activation at once: a stride of one image holds one image's (onnxruntime keeps all else).
    "percentile": {
        "calibrate_method": CalibrationMethod.Percentile,
        # onnxruntime's default counts absolute values, and fails where they lie too close together, as the two logits
        # of a sure two-class network do ("Too many bins for data range": dogcat). Both ways within noise: 11 and 16
        # flips of 404 flowers, 1 and 1 of 610 sign_digits.
        "extra_options": {
            "CalibPercentile": PERCENTILE,
            "CalibStridedMinMax": 1,
            "CalibTensorRangeSymmetric": False,
        },
    },
}

SEVEN_BIT_WEIGHTS: Final = True
"""-64 .. 63: on an x86 CPU without VNNI the kernel adds two products of an 8-bit weight in 16 bits, and saturates.

There a small net with 8-bit weights called 15 of 269 digits by another name, with 7 bits none, at the same speed
(benchmarks/int8_weights.py; docs/measurements.md). The file must be right wherever it is deployed, so 7 bits always.
"""

QUANTISED: Final = (
    "Conv", "Gemm", "MatMul", "Add", "Mul", "Relu", "Clip", "Sigmoid", "Concat", "Pad", "MaxPool", "AveragePool",
    "GlobalAveragePool", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten",
)  # fmt: skip
"""Operators that onnxruntime's CPU provider computes in 8 bits. Softmax is left out: it stays float."""


class Images(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
    """Calibration images in batches, as onnxruntime asks for them."""

    def __init__(self, pixels: npt.NDArray[np.uint8], input_name: str, batch: int) -> None:
        self._pixels = pixels
        self._input_name = input_name
        self._batch = batch
        self._at, self._end = 0, len(pixels)

    def __len__(self) -> int:
        return len(self._pixels)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Go on with these images alone; "CalibStridedMinMax" asks for it."""
        self._at, self._end = start_index, end_index

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        if self._at >= self._end:
            return None
        batch = self._pixels[self._at : min(self._at + self._batch, self._end)]
        self._at += len(batch)
        return {self._input_name: np.ascontiguousarray(batch)}


def compress(source: Path, target: Path, calibration: npt.NDArray[np.uint8], *, method: Method) -> None:
    """Write an int8 variant; see table.Compressor.

    Args: method: how a tensor's range follows from the calibration images: "minmax", every value seen; "percentile",
        all but the rarest.
    Raises: ValueError: there is no calibration image, or no convolution to quantise; else what onnxruntime raises.
    """
    if len(calibration) == 0:
        raise ValueError("int8 needs at least one calibration image")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _scratch_beside(target) as scratch, contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        prepared = scratch / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)  # ONNX's own inference knows all our shapes
        graph = onnx.load(prepared)
        name_nodes(graph)
        onnx.save(graph, prepared)
        quantize_static(
            prepared,
            scratch / "int8.onnx",
            Images(calibration, graph.graph.input[0].name, BATCH if method == "minmax" else 1),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=tail(graph),
            per_channel=True,
            activation_type=QuantType.QUInt8,  # signed activations leave half the convolutions float (decision 8)
            weight_type=QuantType.QInt8,
            reduce_range=SEVEN_BIT_WEIGHTS,
            **CALIBRATION[method],
        )
        write_bytes(target, (scratch / "int8.onnx").read_bytes())


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every nameless node a name: exclusion goes by name."""
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"


def tail(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes from which no convolution is reached any more. Raises: ValueError: there is none at all.

    Nodes of a valid graph stand in topological order (ONNX specification), so one pass from the end sees them all.
    """
    needed: set[str] = set()  # tensors on the way to a convolution
    names: list[str] = []
    for node in reversed(model.graph.node):
        if node.op_type == "Conv" or not needed.isdisjoint(node.output):
            needed.update(node.input)
        else:
            names.append(node.name)
    if not needed:
        raise ValueError("the graph has no convolution: there is nothing to make 8-bit")
    return names


@contextlib.contextmanager
def _scratch_beside(target: Path) -> Iterator[Path]:
    """A folder for temporary files, onnxruntime's own as well; gone afterwards. One compression at a time a process."""
    scratch = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=target.parent))
    before, tempfile.tempdir = tempfile.tempdir, str(scratch)
    try:
        yield scratch
    finally:
        tempfile.tempdir = before
        shutil.rmtree(scratch, ignore_errors=True)
