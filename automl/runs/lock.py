"""One process works on a run at a time; a second one is told who."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from automl.errors import RunLocked


@contextlib.contextmanager
def locked(path: Path, what: str = "run", instead: str = "choose another --name") -> Iterator[None]:
    """Hold the lock of a run's folder. The system lets go of it when the process ends, however it ends.

    Args: what: the folder holds, and what to do instead of waiting, for the message.
    Raises: RunLocked: another process holds it; the message says which.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunLocked(
                f"the {what} {path.parent.name!r} is being worked on by {_holder(path)}. "
                f"Wanted: one process at a time. Wait for it, stop it, or {instead}."
            ) from None
        file.truncate(0)
        who = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}
        file.write(json.dumps(who) + "\n")
        file.flush()
        yield


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock now."""
    if not path.exists():
        return False
    with path.open("rb") as file:  # for reading, so that a run in a folder that cannot be written is listed too
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holder(path: Path) -> str:
    try:
        who = json.loads(path.read_text())
        return f"process {who['pid']} on {who['host']} since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
