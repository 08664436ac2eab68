"""No compression: the variant that all others are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl.runs.atomic import write_bytes


def compress(source: Path, target: Path, calibration: npt.NDArray[np.uint8]) -> None:
    """Copy the file as it is, durably; see table.Compressor. The calibration images are not looked at."""
    write_bytes(target, source.read_bytes())
