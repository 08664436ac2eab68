"""A small convolutional network as an ONNX file with the tool's interface, and pictures for it; no Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIZE_PX = 12
WIDTHS = (8, 24, 48)
CLASSES = 3
METADATA = {"class_names": '["one", "two", "three"]', "backbone": "tiny"}


def write_tiny(path: Path, seed: int = 6) -> Path:
    """Three convolutions (one depthwise, one with an activation that 8 bits lack), pooled taps of two, a dense head."""
    rng = np.random.default_rng(seed)
    a, b, c = WIDTHS
    weights = {
        "scale": np.float32(1 / 127.5),
        "one": np.float32(1),
        "low": np.float32(0),
        "high": np.float32(6),
        "w1": rng.normal(0, 0.4, (a, 3, 3, 3)),
        "w2": rng.normal(0, 0.6, (a, 1, 3, 3)),
        "w3": rng.normal(0, 0.3, (b, a, 1, 1)),
        "w4": rng.normal(0, 0.1, (c, b, 3, 3)),
        "b1": rng.normal(0, 0.2, a),
        "b4": rng.normal(0, 0.2, c),
        "head": rng.normal(0, 0.8, (b + c, CLASSES)),
        "bias": rng.normal(0, 0.1, CLASSES),
    }
    nodes = [
        helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["centred"]),
        helper.make_node("Conv", ["centred", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c1", "low", "high"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1], group=a),
        helper.make_node("Sigmoid", ["c2"], ["gate"]),
        helper.make_node("Mul", ["c2", "gate"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"]),
        helper.make_node("Relu", ["c3"], ["r3"]),
        helper.make_node("GlobalAveragePool", ["r3"], ["tap1"]),
        helper.make_node("Conv", ["r3", "w4", "b4"], ["c4"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c4"], ["r4"]),
        helper.make_node("GlobalAveragePool", ["r4"], ["tap2"]),
        helper.make_node("Concat", ["tap1", "tap2"], ["taps"], axis=1),
        helper.make_node("Flatten", ["taps"], ["features"]),
        helper.make_node("Gemm", ["features", "head", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIZE_PX, SIZE_PX, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", CLASSES]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", b + c]),
        ],
        [numpy_helper.from_array(np.asarray(value, dtype=np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, METADATA)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def tiny_pixels(n: int, seed: int = 6) -> NDArray[np.uint8]:
    """Pictures of one noisy colour each: uint8 (n, SIZE_PX, SIZE_PX, 3)."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(20, 236, (n, 1, 1, 3))
    noise = rng.integers(-20, 20, (n, SIZE_PX, SIZE_PX, 3))
    return (colours + noise).astype(np.uint8)
