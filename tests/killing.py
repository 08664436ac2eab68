"""Runs of the real command that are struck while they work: killed, interrupted, out of room, out of memory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from automl.runs.events import read_events
from automl.stage_table import STAGE_NAMES, STAGES
from tests.conftest import write_bars
from tests.run_results import results
from tests.tiny_disk import TinyDisk

# Nothing in it hangs on a clock: trials are counted, the smaller file is chosen, and of two sizes there is one each.
RECIPE: Final = """
extends: demo
split: {validation: 0.25, test: 0.25}
tune: {trials: 2, minutes: 1000, epochs: 1}
train: {epochs: 3, minutes: 1000, patience: 3}
compress: {calibration_images: 8, latency_repeats: 10, variants: [fp32, int8_minmax], prefer: size}
"""
NAME: Final = "bars"
MARK: Final = "AUTOML_TEST_MARK"
GONE_S: Final = 5.0
"""After a front's end its children must be gone within so long; measured: 0.1 to 0.5 s on a quiet machine."""
KINDS: Final = {stage.name: stage.kind for stage in STAGES}
EXITS: Final = {
    "front": -signal.SIGKILL,
    "everything": -signal.SIGKILL,
    "child": 5,
    "Ctrl-C": 130,
    "SIGTERM": 143,
}
"""How a run can be struck by a signal, and the exit status of its front then."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs of one dataset and recipe are made; each in a folder of its own, so that they may share a name."""

    root: Path
    disk: TinyDisk | None = None  # mounted over the root's folder of one run

    def prepare(self) -> Place:
        """Write the dataset and the recipe."""
        write_bars(self.root / "bars", per_class=40, size_px=24)
        (self.root / "small.yaml").write_text(RECIPE)
        return self

    def folder(self, who: str) -> Path:
        """Of one run and its bundle, as the test sees it."""
        return self.root / who if self.disk is None else self.disk.seen(self.root / who)

    def run_folder(self, who: str) -> Path:
        return self.folder(who) / "runs" / NAME

    def results(self, who: str) -> dict[str, Any]:
        """Of a finished run."""
        return results(self.run_folder(who), self.folder(who) / "exports" / NAME)

    def start(self, who: str, *more: str, faults: Sequence[dict[str, str]] = ()) -> Running:
        """The command at work. Args: more: further words for it; faults: see tests/faults."""
        (self.root / who).mkdir(exist_ok=True)
        mark = uuid.uuid4().hex
        environment = {**os.environ, MARK: mark}
        if faults:
            paths = [str(Path(__file__).parent / "faults"), os.environ.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
            environment["AUTOML_TEST_FAULTS"] = json.dumps(faults)
        folders = [f"--{name}={self.root / who / name}" for name in ("runs", "exports")]
        words = [sys.executable, "-m", "automl", "run", str(self.root / "bars"), "--name", NAME, *folders]
        told = len(read_events(self.run_folder(who) / "events.jsonl"))
        process = subprocess.Popen(
            [*(self.disk.prefix if self.disk else ()), *words, f"--recipe={self.root / 'small.yaml'}", *more],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a process group of its own, as a shell gives it
        )
        return Running(process=process, mark=mark, folder=self.run_folder(who), told=told)

    def fault(self, kind: str, who: str, where: str, *, child: bool = False, once: str = "") -> dict[str, str]:
        """An order for tests/faults. Args: where, once: in the run's folder."""
        folder = self.run_folder(who)
        return {
            "kind": kind,
            "where": f"{folder}/{where}" if where else str(folder),
            "who": "child" if child else "any",
            "once": f"{folder}/{once}" if once else "",
        }

    def copy_until(self, stage: str, source: str, who: str) -> None:
        """Make `who` a copy of a finished run without this stage and those after it, as if it had been killed there."""
        shutil.copytree(self.run_folder(source), self.run_folder(who))  # times of files included, or each would be read
        for later in STAGE_NAMES[STAGE_NAMES.index(stage) :]:
            shutil.rmtree(self.run_folder(who) / later)

    def run(self, who: str, *more: str, faults: Sequence[dict[str, str]] = ()) -> Ended:
        """The command, to its end."""
        return self.start(who, *more, faults=faults).end()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    stderr: str
    gone_s: float  # from the front's end to that of the last of its processes

    @property
    def message(self) -> str:
        """What it said last."""
        return self.stderr.rpartition("automl: ")[2].strip()


@dataclass(slots=True, kw_only=True)
class Running:
    """A run at work; no process of it can hide, because each has the mark in its environment."""

    process: subprocess.Popen[str]
    mark: str
    folder: Path
    told: int  # events of earlier starts
    before: dict[str, bytes] = field(default_factory=dict)  # done.json of each stage finished when it was struck

    def wait_for(self, stage: str) -> None:
        """Until the stage has begun and its child is there."""
        self._until(lambda: self._begun(stage) and self.stage_child(stage) is not None, f"{stage} did not begin")

    def wait_for_begin(self, stage: str) -> None:
        """Until the front has said that the stage begins; its child is hardly there yet."""
        self._until(lambda: self._begun(stage), f"{stage} did not begin")

    def _until(self, true: Callable[[], object], fault: str) -> None:
        limit = time.monotonic() + 180
        while not true():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < limit, fault
            time.sleep(0.01)

    def _begun(self, stage: str) -> bool:
        events = read_events(self.folder / "events.jsonl")[self.told :]
        started = [event for event in events if event["event"] == "stage started"]
        return bool(started) and started[-1]["stage"] == stage

    def stage_child(self, stage: str) -> psutil.Process | None:
        """The process of the stage's own body: the oldest child of the forkserver, or the oldest spawned one."""
        try:
            below = {child: " ".join(child.cmdline()) for child in psutil.Process(self.process.pid).children()}
            if KINDS[stage] == "keras":
                servers = [child for child, words in below.items() if "multiprocessing.forkserver" in words]
                found = [child for server in servers for child in server.children()]
            else:
                found = [child for child, words in below.items() if "multiprocessing.spawn" in words]
            alive = [child for child in found if child.status() != psutil.STATUS_ZOMBIE]
            return min(alive, key=lambda child: (child.create_time(), child.pid), default=None)
        except psutil.NoSuchProcess:
            return None

    def strike(self, stage: str, how: str) -> None:
        """Send the signal, as named in EXITS; `before` then says which stages were finished."""
        self.before = done_files(self.folder)
        if how == "front":
            self.process.kill()
        elif how == "child":
            child = self.stage_child(stage)
            if child is not None:
                child.kill()
        elif how == "SIGTERM":
            self.process.terminate()
        else:
            os.killpg(self.process.pid, signal.SIGINT if how == "Ctrl-C" else signal.SIGKILL)

    def end(self, patience_s: float = 300) -> Ended:
        """Wait for the front, then for all others. Raises: AssertionError: a process is left over."""
        with self.process:
            self.process.wait(timeout=patience_s)  # what it says is short, and waits in the pipe
            began = time.monotonic()
            while left := marked(self.mark):
                assert time.monotonic() - began < GONE_S, f"left over after {GONE_S} s: {left}"
                time.sleep(0.01)
            gone_s = time.monotonic() - began
            _, stderr = self.process.communicate(timeout=10)
        return Ended(code=self.process.returncode, stderr=stderr, gone_s=gone_s)


def marked(mark: str) -> list[str]:
    """All living processes with this mark in their environment, each as 'pid: command'."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):  # a zombie's is empty
                    found.append(f"{folder.name}: {(folder / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
            except OSError:
                continue  # it ended meanwhile, or is another user's
    return found


def done_files(folder: Path) -> dict[str, bytes]:
    """stage -> its done.json, for all finished stages."""
    return {path.parent.name: path.read_bytes() for path in sorted(folder.glob("*/done.json"))}


def temporaries(folder: Path) -> list[str]:
    """Temporary files and folders anywhere below."""
    return sorted(str(path) for path in folder.rglob(".tmp-*"))
