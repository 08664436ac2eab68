"""What a model file takes of the machine that opens it: latency and memory, in the process that this runs in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from automl.compressors.measure import WARM_UP
from automl.graph.session import open_session

STATUS: Final = Path("/proc/self/status")
FORGET: Final = Path("/proc/self/clear_refs")
PEAK_ANEW: Final = "5"  # written there, it has Linux count the peak from now on
MOST_S: Final = 2.0  # of timed calls
CALLS: Final = (10, 100)  # timed calls: at least, at most


def measure_footprint(arguments: Mapping[str, Any]) -> dict[str, object]:
    """Open a file of our writer and answer one image; then time it, at 1 thread.

    Args: arguments: "path" of the file, "size_px" of its images.
    Returns: "memory_mb": how far the memory that is resident rose above what it was before; "latency_ms": median.
    Raises: StageFailed: onnxruntime cannot open the file; OSError: not on Linux.
    """
    size_px = arguments["size_px"]
    image = np.random.default_rng(1).integers(0, 256, (1, size_px, size_px, 3), dtype=np.uint8)
    with contextlib.suppress(OSError):  # not allowed: then what was loaded so far may have had a higher peak
        FORGET.write_text(PEAK_ANEW)
    before = resident_mb("VmRSS")
    session = open_session(Path(arguments["path"]), threads=1)
    session.run(None, {"image": image})
    memory_mb = resident_mb("VmHWM") - before
    for _ in range(WARM_UP):
        started = time.perf_counter()
        session.run(None, {"image": image})
        seconds = time.perf_counter() - started
    taken = []
    for _ in range(calls_for(seconds)):
        started = time.perf_counter()
        session.run(None, {"image": image})
        taken.append(time.perf_counter() - started)
    return {"memory_mb": memory_mb, "latency_ms": 1000 * median(taken)}


def calls_for(seconds: float) -> int:
    """How many calls to time of a network that took so many seconds for one."""
    least, most = CALLS
    return max(least, min(most, int(MOST_S / max(seconds, 1e-6))))


def resident_mb(which: str) -> float:
    """Megabytes (10^6 bytes) of this process that are in memory: VmRSS, now; VmHWM, at its peak."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{which}:"))
    return int(line.split()[1]) * 1024 / 1e6
