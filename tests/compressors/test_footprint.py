"""What a model file takes of a process: measured in fresh ones, for what was opened before is not taken again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from automl.compressors.footprint import calls_for


def write_dense(path: Path, megabytes: int) -> Path:
    """A network of one product with so many megabytes of weights."""
    columns = megabytes * 250_000 // 192
    kernel = numpy_helper.from_array(np.ones((192, columns), np.float32), "kernel")
    shape = numpy_helper.from_array(np.array([0, 192], np.int64), "shape")
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["probabilities"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 8, 8, 3])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", columns])
    graph = helper.make_graph(nodes, "dense", [image], [output], [kernel, shape])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def measured(path: Path) -> dict[str, float]:
    code = (
        "import json, sys; from automl.compressors.footprint import measure_footprint;"
        "print(json.dumps(measure_footprint({'path': sys.argv[1], 'size_px': 8})), 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    found, keras = done.stdout.strip().rsplit(" ", 1)
    assert keras == "False"
    return json.loads(found)


def test_forty_megabytes_of_weights_more_take_at_least_forty_more_and_longer(tmp_path: Path) -> None:
    small, large = (measured(write_dense(tmp_path / f"{size}.onnx", size)) for size in (10, 50))
    assert 10 <= small["memory_mb"] < 60
    assert 40 <= large["memory_mb"] - small["memory_mb"] < 200
    assert 0 < small["latency_ms"] < large["latency_ms"]


@pytest.mark.parametrize(("seconds", "calls"), [(0.0, 100), (0.01, 100), (0.1, 20), (10.0, 10)])
def test_slow_networks_are_timed_by_fewer_calls(seconds: float, calls: int) -> None:
    assert calls_for(seconds) == calls
