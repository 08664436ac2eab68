"""Fixtures that rooms share: small datasets made on the spot, and a stage context without processes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from automl.code import load_entry
from automl.recipe.model import Recipe
from automl.runs.folder import RunFolder
from automl.runtime import child
from automl.runtime.context import ChildEnded, StageContext
from automl.stage_table import ChildKind


@dataclass
class QuietFront:
    """Stands for the front: runs children's functions in this process and remembers what it was told."""

    warnings: list[str] = field(default_factory=list)
    ticks: list[tuple[int, int, str]] = field(default_factory=list)

    def progress(self, done: int, total: int, text: str) -> None:
        self.ticks.append((done, total, text))

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def run_child(
        self, kind: ChildKind, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        before, child._front = child._front, self
        try:
            result = load_entry(entry)(json.loads(json.dumps(arguments)))
        finally:
            child._front = before
        assert isinstance(result, Mapping)
        return ChildEnded(
            ok=True, result=json.loads(json.dumps(result)), error="", exit_code=0, timed_out=False, seconds=0.0
        )


MakeContext = Callable[..., StageContext]


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """The command, called in this process, leaves its handlers of Ctrl-C, SIGTERM and SIGHUP: not to the next test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def no_weights_of_the_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their machine keeps weights is no matter here."""
    monkeypatch.delenv("AUTOML_WEIGHTS", raising=False)


@pytest.fixture
def make_context(tmp_path: Path) -> MakeContext:
    """A context for one stage of one run below tmp_path; the same run for every call."""

    def make(stage: str, dataset: Path, recipe: Recipe | None = None) -> StageContext:
        return StageContext(
            folder=RunFolder(tmp_path / "runs" / "tiny"),
            stage=stage,
            recipe=recipe or Recipe(),
            dataset=dataset,
            exports=tmp_path / "exports",
            weights=None,
            deadline_at=None,
            front=QuietFront(),
        )

    return make


@pytest.fixture
def bars_dataset(tmp_path: Path) -> Path:
    """Three classes x 20 PNGs of 24x24: noisy horizontal, vertical and diagonal bars. Easy, yet not trivial."""
    folder = tmp_path / "bars"
    write_bars(folder, per_class=20, size_px=24)
    return folder


def write_bars(folder: Path, *, per_class: int, size_px: int, seed: int = 7) -> None:
    """One folder a class of grey-ish RGB pictures whose class is the direction of their bars."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size_px, :size_px]
    directions = {"across": y, "down": x, "slant": x + y}
    for label, ramp in directions.items():
        (folder / label).mkdir(parents=True)
        for number in range(per_class):
            bars = 90 * np.sin(2 * np.pi * (ramp / rng.uniform(5, 9) + rng.uniform()))
            noise = rng.normal(0, 12, (size_px, size_px, 3))
            pixels = np.clip(128 + bars[..., None] + noise, 0, 255).astype(np.uint8)
            PillowImage.fromarray(pixels).save(folder / label / f"{number:03}.png")
