"""The front's processes. The front alone starts them, holds all pids, and sees to it that none outlives it.

keras children are forked from a server that has Keras in memory; plain ones are spawned. A child that wants a child of
its own asks the front by pipe (docs/design.md, decision 3).
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing as mp
import os
import signal
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from automl.errors import AutomlError, StageFailed
from automl.runs.refused import GO_ON
from automl.runs.scratch import scratch
from automl.runtime.child import child_main
from automl.runtime.context import ChildEnded
from automl.runtime.ends import read_end, said_since
from automl.stage_table import ChildKind

PRELOAD = "automl.runtime.preload"
LONGEST_WAIT_S = 86_400.0
"""Python's own wait overflows after 24 days, and deadlines may be later."""
Hear = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True, kw_only=True, eq=False)
class _Child:
    """One running child, as the front sees it."""

    process: BaseProcess
    pipe: Connection
    result: Path
    log: Path
    started: float
    limit_at: float | None
    parent: _Child | None  # who asked for it; None: the front itself
    log_began: int  # bytes in the log before it
    request: int = 0  # the asker's number for it
    timed_out: bool = False
    error_kind: type[AutomlError] = StageFailed
    ended: ChildEnded | None = None
    children: list[_Child] = field(default_factory=list)

    @property
    def remedy(self) -> str:
        """What to do when it fails; one that a stage asked for costs itself alone, and there is nothing to do."""
        return GO_ON if self.parent is None else ""


class Children:
    """The processes of one front. Use as a context manager: leaving it kills whatever still runs."""

    def __init__(self, forkserver_log: Path, hear: Hear) -> None:
        """Args: hear: called with each progress or warning message of any child."""
        self._forkserver_log = forkserver_log
        self._hear = hear
        self._running: list[_Child] = []
        self._end = contextlib.ExitStack()
        self._scratch = self._end.enter_context(scratch("automl-scratch-"))

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._running):
            self._kill(child)
        self._end.close()

    def run(
        self,
        kind: ChildKind,
        entry: str,
        arguments: Mapping[str, object],
        *,
        log: Path,
        limit_s: float | None = None,
    ) -> Mapping[str, object]:
        """Run one function in a child and serve it, and the children it asks for, until it ends.

        Raises: the child's own AutomlError; StageFailed: it died, or took longer than limit_s.
        """
        top = self._start(kind, entry, arguments, log=log, limit_s=limit_s, parent=None)
        while top.ended is None:
            self._turn()
        if not top.ended.ok:
            raise top.error_kind(top.ended.error)
        return top.ended.result

    def _turn(self) -> None:
        """Wait for a message, an end or a limit, and act on it."""
        limits = [child.limit_at for child in self._running if child.limit_at is not None]
        patience = min(LONGEST_WAIT_S, max(0.0, min(limits) - time.monotonic())) if limits else None
        handles: list[Any] = [child.pipe for child in self._running if not child.pipe.closed]
        handles += [child.process.sentinel for child in self._running]
        ready = wait(handles, timeout=patience)
        for child in list(self._running):
            if child in self._running and child.pipe in ready:
                self._listen(child)
            if child in self._running and child.process.sentinel in ready:
                self._finish(child)
        for child in list(self._running):
            if child.limit_at is not None and time.monotonic() >= child.limit_at:
                child.timed_out = True
                self._kill(child)

    def _listen(self, child: _Child) -> None:
        try:
            while child.pipe.poll():
                message = json.loads(child.pipe.recv_bytes())
                if message["say"] == "child":
                    job = message["job"]
                    self._start(
                        job["kind"],
                        job["entry"],
                        job["arguments"],
                        log=Path(job["log"]),
                        limit_s=job["limit_s"],
                        parent=child,
                        request=message["id"],
                    )
                else:
                    self._hear(message)
        except (EOFError, OSError):
            child.pipe.close()  # its end follows by the sentinel

    def _start(
        self,
        kind: ChildKind,
        entry: str,
        arguments: Mapping[str, object],
        *,
        log: Path,
        limit_s: float | None,
        parent: _Child | None,
        request: int = 0,
    ) -> _Child:
        if kind == "keras":
            self._ensure_forkserver()
        here, there = mp.Pipe()
        handle, name = tempfile.mkstemp(suffix=".json", dir=self._scratch)
        os.close(handle)
        Path(name).unlink()  # only its unused name is wanted
        job = {
            "kind": kind,
            "entry": entry,
            "arguments": dict(arguments),
            "log": str(log),
            "scratch": str(self._scratch),
            "remedy": GO_ON if parent is None else "",
            # a keras child's parent is the forkserver, whose death follows the front's
            "parent": os.getpid() if kind == "plain" else 0,
        }
        log_began = log.stat().st_size if log.exists() else 0
        context = mp.get_context("forkserver" if kind == "keras" and _can_fork() else "spawn")
        process = context.Process(  # type: ignore[attr-defined]  # typeshed gives it to each context, not to their base
            target=child_main, args=(there, job, name), name=entry, daemon=False
        )
        with _main_hidden(), _signals_held():  # until it stands among those that are killed when the front leaves
            process.start()
            there.close()
            now = time.monotonic()
            child = _Child(
                process=process,
                pipe=here,
                result=Path(name),
                log=log,
                started=now,
                limit_at=None if limit_s is None else now + limit_s,
                parent=parent,
                log_began=log_began,
                request=request,
            )
            self._running.append(child)
            if parent is not None:
                parent.children.append(child)
        return child

    def _finish(self, child: _Child) -> None:
        """Reap a child that ended, tell whoever asked for it, and let none of its own children live on."""
        if not child.pipe.closed:
            self._listen(child)
        child.process.join()
        self._running.remove(child)
        for grandchild in list(child.children):
            if grandchild in self._running:
                self._kill(grandchild)
        child.ended, child.error_kind = read_end(
            child.result,
            child.process.exitcode,
            seconds=time.monotonic() - child.started,
            timed_out=child.timed_out,
            said=partial(said_since, child.log, child.log_began),
            advice=f"its log is {child.log}. {child.remedy}".rstrip(),
        )
        child.pipe.close()
        child.result.unlink(missing_ok=True)
        child.process.close()
        if child.parent is not None and child.parent in self._running:
            answer = {"id": child.request, "ended": {**asdict(child.ended), "result": dict(child.ended.result)}}
            with contextlib.suppress(OSError):  # the asker is dying itself; its end follows by its sentinel
                child.parent.pipe.send_bytes(json.dumps(answer).encode())

    def _kill(self, child: _Child) -> None:
        if child not in self._running:  # it went with the child that had asked for it
            return
        # At once and hard: every state on disk is whole at any line, so there is nothing to say goodbye to.
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()
        self._finish(child)

    def _ensure_forkserver(self) -> None:
        os.environ["AUTOML_FORKSERVER_LOG"] = str(self._forkserver_log)
        mp.set_forkserver_preload([PRELOAD])
        with _main_hidden(), _signals_held():
            forkserver.ensure_running()


def _can_fork() -> bool:
    return sys.platform == "linux"


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep multiprocessing from importing the user's main module in the child: a script needs no __main__ guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """A child starts with Ctrl-C, SIGTERM and SIGHUP blocked, until it has settled; the front gets them right after."""
    resource_tracker.ensure_running()  # else the first start would do so, and that lets go of the first two
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
