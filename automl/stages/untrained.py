"""A backbone's untrained network as an ONNX file, written in a child: one that is too large for memory fails alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from automl.graph.writer import write_onnx
from automl.nets.build import build_network
from automl.types import Network

CLASSES: Final = tuple(f"class {number}" for number in range(10))
"""A head for ten. One for 1,000 takes MobileNetV3Small 6 MB more and .2 ms, EfficientNetV2B0 8 MB and .3 ms."""


def write_untrained(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Args: arguments: "backbone", "size_px", "path" of the file, "own": the folder of the user's own.

    Raises: StageFailed: it cannot be written.
    """
    network = Network(backbone=arguments["backbone"], size_px=arguments["size_px"], classes=CLASSES)
    write_onnx(
        build_network(network, own=Path(arguments["own"])), Path(arguments["path"]), class_names=CLASSES, metadata={}
    )
    return {}
