"""Timings in turns with an A/A repeat, sizes, and the words for a processor."""

from __future__ import annotations

import gzip
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.compressors.measure import (
    WARM_UP,
    Latency,
    describe_cpu,
    gzip_bytes,
    latency,
    noise_ms,
    take_turns,
    time_models,
)  # fmt: skip
from tests.compressors.tiny_onnx import tiny_pixels, write_tiny

CPUINFO = "processor\t: 0\nmodel name\t: Some CPU @ 2.50GHz\nflags\t\t: fpu avx avx2 avx512f avx512_vnni\n"


class Machine:
    """A clock that runs only while a call runs, and remembers the order of the calls."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.order: list[str] = []

    def call(self, name: str, cost: float):
        def work() -> None:
            self.order.append(name)
            self.seconds += cost

        return work

    def clock(self) -> float:
        return self.seconds


def test_each_call_is_timed_once_a_round_and_rounds_begin_in_turn():
    machine = Machine()
    calls = {
        name: (machine.call(f"{name}1", cost), machine.call(f"{name}2", cost)) for name, cost in (("a", 1), ("b", 2))
    }
    seconds = take_turns(calls, 3, machine.clock)
    assert seconds == {"a": ([1, 1, 1], [1, 1, 1]), "b": ([2, 2, 2], [2, 2, 2])}
    assert machine.order == ["a1", "b1", "a2", "b2", "b1", "a2", "b2", "a1", "a2", "b2", "a1", "b1"]


def test_latency_is_the_median_of_both_series_and_spread_the_difference_of_their_medians():
    assert latency([0.001, 0.002, 0.009], [0.003, 0.004, 0.005]) == Latency(
        median_ms=pytest.approx(3.5), spread_ms=pytest.approx(2)
    )


def test_the_noise_is_the_largest_difference_between_equal_things():
    spreads = (0.02, 0.3, 0.1)
    assert noise_ms({str(n): Latency(median_ms=1, spread_ms=spread) for n, spread in enumerate(spreads)}) == 0.3


@given(
    one=st.lists(st.floats(1e-6, 10), min_size=1, max_size=9),
    other=st.lists(st.floats(1e-6, 10), min_size=1, max_size=9),
    slower=st.floats(1, 100),
)
def test_a_machine_that_is_slower_throughout_scales_latency_and_spread_alike(one, other, slower):
    before = latency(one, other)
    after = latency([slower * each for each in one], [slower * each for each in other])
    assert after.median_ms == pytest.approx(slower * before.median_ms)
    assert after.spread_ms == pytest.approx(slower * before.spread_ms, rel=1e-6, abs=1e-6)


def test_models_are_warmed_up_and_timed_an_even_number_of_times(tmp_path):
    path = write_tiny(tmp_path / "a.onnx")
    ticks = count()
    found = time_models({"a": path, "b": path}, tiny_pixels(1), 11, lambda: float(next(ticks)))
    assert found == dict.fromkeys("ab", Latency(median_ms=1000, spread_ms=0))
    assert next(ticks) == 2 * 2 * 2 * 6, (
        "two models, two series, two readings of the clock, six rounds; none to warm up"
    )
    assert WARM_UP > 0


def test_gzip_size_counts_what_gzip_writes(tmp_path):
    (tmp_path / "zeros").write_bytes(bytes(100_000))
    noise = np.random.default_rng(1).bytes(1000)
    (tmp_path / "noise").write_bytes(noise)
    assert gzip_bytes(tmp_path / "zeros") < 300
    assert gzip_bytes(tmp_path / "noise") == len(gzip.compress(noise, 6))


def test_the_processor_is_named_with_the_instruction_sets_that_matter(tmp_path):
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert describe_cpu(tmp_path / "cpuinfo") == "Some CPU @ 2.50GHz (avx2, avx512f, avx512_vnni)"


def test_a_processor_without_cpuinfo_is_named_by_python(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert describe_cpu(tmp_path / "absent") == "riscv64"
