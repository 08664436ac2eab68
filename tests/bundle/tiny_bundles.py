"""Small real bundles for these tests: an ONNX graph that names the brightest of three colours, and its facts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from automl.bundle.checksums import write_checksums
from automl.bundle.facts import BundleFacts
from automl.bundle.write import write_bundle
from automl.types import ClassScore, Interval, Scores, Variant, WeightsFound

COLOURS = ("red", "green", "blue")
SIZE_PX = 16


def colour_model(path: Path, *, size_px: int = SIZE_PX, classes: int = 3, steep: float = 8.0) -> Path:
    """Write a graph: uint8 (n, size, size, 3) -> softmax over the mean of each colour, and those means (n, 3)."""
    kernel = np.zeros((3, classes), dtype=np.float32)
    kernel[np.arange(3), np.arange(3) % classes] = steep
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["features"]),
        helper.make_node("MatMul", ["features", "kernel"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", size_px, size_px, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 3]),
        ],
        [
            numpy_helper.from_array(np.array(1 / 255, dtype=np.float32), "scale"),
            numpy_helper.from_array(kernel, "kernel"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"writer": "a test"})
    onnx.save_model(model, path)
    return path


def scores_of(classes: tuple[str, ...], n: int = 30) -> Scores:
    """Scores with figures that a text can be searched for."""
    return Scores(
        n=n,
        accuracy=Interval(value=0.9, low=0.81, high=0.97),
        macro_f1=Interval(value=0.89, low=0.8, high=0.96),
        log_loss=0.321,
        per_class=tuple(ClassScore(label=name, n=n // 3, precision=0.9, recall=0.8, f1=0.85) for name in classes),
        confusion=tuple((n // 3,) * len(classes) for _ in classes),
    )


def variant_of(name: str, **changes: object) -> Variant:
    """A measured variant."""
    facts: dict[str, object] = {
        "name": name, "file": f"{name}.onnx", "accuracy": 0.9, "accuracy_drop": Interval(value=0, low=0, high=0),
        "flips": 0, "size_bytes": 1_234_567, "gzip_bytes": 1_000_000, "latency_ms": 1.5, "latency_spread_ms": 0.1,
        "within_budget": True, "note": "",
    }  # fmt: skip
    return Variant(**{**facts, **changes})


def facts_of(**changes: object) -> BundleFacts:
    """A bundle's facts, with changes."""
    classes = changes.get("classes", COLOURS)
    facts: dict[str, object] = {
        "name": "tiny", "created": "2026-11-21T10:00:00+00:00", "versions": {"automl": "0.1.0"},
        "task": "classification", "classes": classes, "size_px": SIZE_PX, "n_features": 3, "max_megapixels": 64.0,
        "test": scores_of(classes), "test_fp32": scores_of(classes), "validation": scores_of(classes),
        "variants": (variant_of("fp32"),), "chosen": "fp32", "backbone": "smallnet",
        "weights": WeightsFound(backbone="smallnet", source="random", path="", sha256=""),
        "weights_licence": "Apache-2.0", "dataset_fingerprint": "f" * 64,
        "images": {name: {"train": 20, "validation": 10, "test": 10} for name in classes},
        "rejected": 0, "description": "",
    }  # fmt: skip
    return BundleFacts(**{**facts, **changes})


def colour_bundle(folder: Path, **changes: object) -> Path:
    """A whole bundle in `folder`, with its checksums."""
    model = colour_model(folder.parent / f"{folder.name}.onnx")
    write_bundle(folder, model=model, facts=facts_of(**changes), seed=1)
    write_checksums(folder)
    return folder
