"""Assemble a bundle: the model, what is said of it, the code that runs it, and golden pictures that prove both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import onnx

from automl.bundle.facts import BundleFacts, bundle_json
from automl.bundle.golden import FLOAT_TOLERANCE, INT8_TOLERANCE, write_golden
from automl.bundle.model_card import model_card
from automl.bundle.predict import printable
from automl.graph.session import check_foreign
from automl.runs.atomic import write_json, write_text

CODE: Final = ("predict.py", "resize.py")
"""Copied as they are; both need numpy, Pillow and onnxruntime alone."""
QUANTISED: Final = frozenset({"QuantizeLinear", "DequantizeLinear"})


def write_bundle(folder: Path, *, model: Path, facts: BundleFacts, seed: int) -> None:
    """Fill a new folder with everything but report and checksums.

    Args:
        folder: is made; must not exist.
        model: the chosen variant's ONNX file: "image" uint8 NHWC in, "probabilities" and "features" out.
        seed: of the golden pictures.
    Raises: FileExistsError; DataError: the model is too large, or keeps weights outside its file.
    """
    folder.mkdir(parents=True)
    check_foreign(model)
    graph = onnx.load_model(model)
    set_metadata(graph, {"class_names": json.dumps(list(facts.classes), ensure_ascii=False), "name": facts.name})
    onnx.save_model(graph, folder / "model.onnx")
    # One line a class; a name with a line break in it is spelled out, bundle.json has it as it is.
    write_text(folder / "labels.txt", "".join(f"{printable(label)}\n" for label in facts.classes))
    for name in CODE:
        shutil.copyfile(Path(__file__).with_name(name), folder / name)
    write_words(folder, facts)
    quantised = any(node.op_type in QUANTISED for node in graph.graph.node)
    write_golden(folder, seed=seed, tolerance=INT8_TOLERANCE if quantised else FLOAT_TOLERANCE)


def write_words(folder: Path, facts: BundleFacts) -> None:
    """Write bundle.json and MODEL_CARD.md; once before the gate, and again with its verdict."""
    write_json(folder / "bundle.json", bundle_json(facts))
    write_text(folder / "MODEL_CARD.md", model_card(facts))


def set_metadata(model: onnx.ModelProto, values: Mapping[str, str]) -> None:
    """Add these to the model's metadata, in place of any of the same name; what else is there stays."""
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**kept, **values})
