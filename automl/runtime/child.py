"""The body of every child process: silence, obedience, one function, one result file.

A child writes its output to its own log, dies when the front dies, and returns through a file; the pipe carries JSON
messages alone. What goes over it: child to front {"say": ...}, front to child {"ended": ...}.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import queue
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from automl.code import load_entry
from automl.errors import AutomlError
from automl.runs.atomic import write_json
from automl.runs.refused import in_words
from automl.runtime.context import ChildEnded
from automl.stage_table import ChildKind

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
ORPHANED: Final = 70  # exit code of a child whose front is gone
UNHEARD: Final = 71  # exit code of a child that could not write its result file


class FrontByPipe:
    """The child's end of the pipe to the front (see Front in context.py); safe from several threads."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[ChildEnded]] = {}
        threading.Thread(target=self._listen, name="front", daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                message = json.loads(self._pipe.recv_bytes())
            except (EOFError, OSError):
                os._exit(ORPHANED)  # the front is gone: a closed pipe is the order to die
            self._answers.pop(message["id"]).put(ChildEnded(**message["ended"]))

    def _say(self, message: Mapping[str, object]) -> None:
        with self._sending:
            self._pipe.send_bytes(json.dumps(message).encode())

    def progress(self, done: int, total: int, text: str) -> None:
        self._say({"say": "progress", "done": int(done), "total": int(total), "text": text})

    def warn(self, text: str) -> None:
        self._say({"say": "warning", "text": text})

    def run_child(
        self, kind: ChildKind, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        answer: queue.SimpleQueue[ChildEnded] = queue.SimpleQueue()
        with self._sending:
            number = max(self._answers, default=0) + 1
            self._answers[number] = answer
        job = {"kind": kind, "entry": entry, "arguments": dict(arguments), "log": str(log), "limit_s": limit_s}
        self._say({"say": "child", "id": number, "job": job})
        return answer.get()


_front: FrontByPipe | None = None


def this_childs_front() -> FrontByPipe:
    """The wires of the child that this code runs in. Raises: RuntimeError: this is no child."""
    if _front is None:
        raise RuntimeError("only a child process has a front")
    return _front


def child_main(pipe: Connection, job: dict[str, Any], result: str) -> None:
    """Run the job's function; leave its result, or the error, in the result file."""
    global _front  # noqa: PLW0603  # one child, one front
    log = Path(job["log"])
    outcome: dict[str, object]
    try:
        _settle(log, job["parent"])
        # What libraries leave behind (TensorFlow's generated modules) goes with the front, for a child ends unswept.
        os.environ["TMPDIR"], tempfile.tempdir = job["scratch"], None
        _front = FrontByPipe(pipe)
        if job["kind"] == "keras" and "keras" not in sys.modules:
            _front.warn("Keras could not be preloaded, so each step starts slowly; forkserver.log in the run says why")
        outcome = {"ok": load_entry(job["entry"])(job["arguments"])}
    except Exception as error:  # noqa: BLE001  # a child must always say why it ended
        if not isinstance(error, AutomlError):
            with contextlib.suppress(OSError, MemoryError):  # the log's disk may be the full one
                traceback.print_exc()
        worded = in_words(error, log.parent, log=log, remedy=job["remedy"])
        outcome = {"error": {"kind": type(worded).__name__, "text": str(worded)}}
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    with contextlib.suppress(OSError):  # the exit code says it
        write_json(Path(result), outcome)
        os._exit(0)  # no interpreter shutdown: TensorFlow's threads take seconds over it, and all is on disk
    os._exit(UNHEARD)


def _settle(log: Path, parent: int) -> None:
    """Send output to the log, leave Ctrl-C and a closed terminal to the front, and die with the parent.

    Raises: OSError: there is no log to be had; all else is settled then, and what is said goes nowhere.
    """
    fault = None
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        fault, handle = error, os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _let_the_server_go()
        if parent and os.getppid() != parent:  # it died before the line above
            os._exit(ORPHANED)
    if fault is not None:
        raise fault


def _let_the_server_go() -> None:
    """Close our share of the pipe that keeps the forkserver alive: then it ends with the front, and takes us with it.

    A child in C code that lets no other thread run cannot see that its own pipe was closed.
    """
    server: Any = vars(forkserver)["_forkserver"]  # there is no public way; a test sees if this one goes
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
        server._forkserver_alive_fd = None
