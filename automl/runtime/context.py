"""What a stage's body is given: its inputs, its folder, and the wires to the front. It runs in a child process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from automl.errors import BY_NAME, DiskRefused, StageFailed
from automl.recipe.model import Recipe
from automl.runs.folder import RunFolder
from automl.runs.refused import GO_ON
from automl.runs.resources import MODELS_MB
from automl.stage_table import ChildKind

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnded:
    """How a child that a stage asked for ended."""

    ok: bool
    result: Mapping[str, object]  # what its function returned; empty unless ok
    error: str  # in words; "" when ok
    exit_code: int | None  # negative: killed by that signal
    timed_out: bool
    seconds: float
    error_kind: str = ""  # a class of errors.py by its name; "" when ok

    @property
    def killed(self) -> bool:
        """Whether a signal ended it that was neither its own limit nor came after it had said what went wrong."""
        return not self.ok and not self.timed_out and self.exit_code is not None and self.exit_code < 0


class Front(Protocol):
    """The process that starts all others; a stage reaches it by pipe."""

    def progress(self, done: int, total: int, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def run_child(
        self, kind: ChildKind, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """One stage of one run."""

    folder: RunFolder
    stage: str
    recipe: Recipe
    dataset: Path
    exports: Path  # where bundles are published
    weights: Path | None  # --weights
    deadline_at: float | None  # wall time, seconds since the epoch
    front: Front
    models_mb: float = MODELS_MB  # of the run's disk, kept free for models; 0: the run ends before it has one
    now: Callable[[], float] = time.time

    def input(self, stage: str, name: str) -> Path:
        """A file that an earlier stage wrote."""
        return self.folder.stage(stage) / name

    def record(self, kind: type[R]) -> R:
        """An earlier stage's record, by its class in automl.records."""
        return self.folder.record(kind)

    def output(self, name: str) -> Path:
        """Where to write a file of this stage; its folders are made."""
        path = self.folder.stage(self.stage) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def seconds_left(self) -> float:
        """Until the deadline; infinity without one."""
        return float("inf") if self.deadline_at is None else self.deadline_at - self.now()

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Say how far the stage is; cheap, call it for each item."""
        self.front.progress(done, total, text)

    def warn(self, text: str) -> None:
        """Tell the user something that did not stop the run: console, events and report show it."""
        self.front.warn(text)

    def run_child(
        self, kind: ChildKind, entry: str, arguments: Mapping[str, object], *, log: str, limit_s: float | None = None
    ) -> ChildEnded:
        """Have the front run `entry(arguments)` in a fresh process and wait for it; safe from several threads.

        Args:
            kind: keras: forked from the preloaded server; plain: spawned, without Keras.
            entry: "module:function"; takes the arguments (JSON values) and returns a mapping of JSON values.
            log: name of the child's log file in this stage's folder.
            limit_s: killed after so many seconds.
        Raises: DiskRefused: the child met a full disk, or one that cannot be written. That is not its own failure, and
            to go on without it would make of a passing shortage another result.
        """
        ended = self.front.run_child(kind, entry, arguments, self.output(log), limit_s)
        error = BY_NAME.get(ended.error_kind, StageFailed)
        if issubclass(error, DiskRefused):
            raise error(f"{ended.error} {GO_ON}")
        return ended
