"""How fast and how large a model file is, and how far the timings can be trusted.

Latency is a matter of one machine and one hour: all models are timed in turns, each as two series of the same file (an
A/A repeat), so that what differs between two equal things is known (docs/design.md, decision 10).
"""

from __future__ import annotations

import gzip
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from automl.graph.session import open_session

WARM_UP: Final = 3
"""Untimed calls of each session: the first ones allocate memory and read weights."""

INSTRUCTION_SETS: Final = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""What decides how fast 8-bit arithmetic is, as Linux spells it (x86, then ARM)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One model's time for one image."""

    median_ms: float  # over both series
    spread_ms: float  # between the medians of its two series: the same file, so nothing but noise


def time_models(
    paths: Mapping[str, Path], image: npt.NDArray[np.uint8], repeats: int, clock: Callable[[], float]
) -> dict[str, Latency]:
    """Time ONNX files in onnxruntime at 1 thread, batch 1, sessions warm, in turns.

    Args:
        paths: by name of the variant.
        image: uint8 (1, size, size, 3).
        repeats: timed calls of each model, half of them in each of its two sessions.
        clock: seconds, ever rising; time.perf_counter, but for tests.
    """
    calls: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {}
    for name, path in paths.items():
        # Two sessions, not two halves of one: where memory happens to lie is part of the noise.
        one, other = open_session(path, threads=1), open_session(path, threads=1)
        feed = {one.get_inputs()[0].name: image}
        calls[name] = (partial(one.run, None, feed), partial(other.run, None, feed))
    for pair in calls.values():
        for call in pair * WARM_UP:
            call()
    return {name: latency(*pair) for name, pair in take_turns(calls, -(-repeats // 2), clock).items()}


def take_turns(
    calls: Mapping[str, tuple[Callable[[], object], Callable[[], object]]], rounds: int, clock: Callable[[], float]
) -> dict[str, tuple[list[float], list[float]]]:
    """Time every call once a round, each round beginning with the next one; seconds, by name and series.

    A slow minute of the machine so falls on all of them alike, and none always follows the same one.
    """
    seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in calls}
    order = [(name, series) for series in (0, 1) for name in calls]
    for number in range(rounds):
        turn = number % len(order)
        for name, series in order[turn:] + order[:turn]:
            call = calls[name][series]
            started = clock()
            call()
            seconds[name][series].append(clock() - started)
    return seconds


def latency(one: Sequence[float], other: Sequence[float]) -> Latency:
    """What two series of the same model say; seconds in, milliseconds out. Raises: StatisticsError: one is empty."""
    return Latency(
        median_ms=1000 * median([*one, *other]),
        spread_ms=1000 * abs(median(one) - median(other)),
    )


def noise_ms(latencies: Mapping[str, Latency]) -> float:
    """The difference below which two latencies count as equal: the largest that equal things showed here.

    One A/A difference may be small by luck, and the largest of several seldom is.
    """
    return max(each.spread_ms for each in latencies.values())


def gzip_bytes(path: Path) -> int:
    """Size of the file after gzip (level 6, as servers send it): what pruned weights gain."""
    return len(gzip.compress(path.read_bytes(), compresslevel=6, mtime=0))


def describe_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model and those of its instruction sets that matter here."""
    try:
        text = cpuinfo.read_text(errors="replace")
    except OSError:
        text = ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    has = [name for name in INSTRUCTION_SETS if flags and name in flags[1].split()]
    name = model[1].strip() if model else platform.processor() or platform.machine() or "unknown processor"
    return f"{name} ({', '.join(has)})" if has else name
