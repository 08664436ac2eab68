"""The making of one variant, in a child process: a compressor that crashes or runs out of memory fails alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.compressors.table import compress_with, compressor_named
from automl.data.store import open_pixels


def build_variant(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Run one compressor.

    Args: arguments: "name" of the table's row; "source" and "target", files; "pixels", a store; "rows" of it to
        calibrate with.
    Raises: what the compressor raises.
    """
    pixels = open_pixels(Path(arguments["pixels"]))
    row = compressor_named(arguments["name"])
    compress_with(row, Path(arguments["source"]), Path(arguments["target"]), pixels[arguments["rows"]])
    return {}
