"""What the system refused, in words: room, rights, memory. Front and children word such errors of a run here."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from automl.errors import AutomlError, DiskFull, DiskRefused, ResourceMissing, StageFailed

SAME: Final = "the same command again"
"""Every message that advises it says it so; see without_redo."""
GO_ON: Final = f"Run {SAME} to go on: what was finished is kept."
NO_ROOM: Final = {errno.ENOSPC: "room on that disk", errno.EDQUOT: "room within the disk quota"}
NO_RIGHT: Final = {
    errno.EACCES: "the right to read or write there",
    errno.EPERM: "the right to read or write there",
    errno.EROFS: "a file system that can be written",
}
MEMORY: Final = (
    "ResourceExhaustedError",  # TensorFlow's class
    "bad_alloc",  # the C++ standard library
    "bad allocation",  # onnxruntime
    "Cannot allocate memory",  # the system's errno
    "failed to map segment",  # the loader of shared libraries
    "can't start new thread",  # Python: a thread's stack is memory too
    "pthread_create() failed",  # TensorFlow
)
"""How it is said that memory ran out, in errors and in the last words of a library that aborts."""


def in_words(error: Exception, place: Path, *, log: Path | None = None, remedy: str = GO_ON) -> AutomlError:
    """The error to show for one that nobody wrote for users.

    Args:
        error: as it was caught; an AutomlError is returned as it is.
        place: a path on the disk that was most likely written to, for errors that name no file.
        log: holds the traceback; named where there is nothing better to say.
        remedy: what to do, the message's end.
    Returns: DiskFull: no room; DiskRefused: no right; ResourceMissing: no memory; else StageFailed.
    """
    if isinstance(error, AutomlError):
        return error
    whole = f"{type(error).__name__}: {str(error).strip()}"
    text = whole.splitlines()[0].strip().removesuffix(":")
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(sign in whole for sign in MEMORY):
        free = psutil.virtual_memory().available / 1e6
        what = f"memory ran out ({text}); {free:,.0f} MB are free now"
        return ResourceMissing(f"{what}. Wanted: more memory for this process. Close other programs. {remedy}".strip())
    if number is None and os.strerror(errno.ENOSPC) in whole:  # h5py and onnxruntime wrap it in errors of their own
        number, error = errno.ENOSPC, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if isinstance(error, OSError):
        # Of a copy the second name is the one that was written.
        path = next((str(name) for name in (error.filename2, error.filename) if name is not None), str(place))
        # The system's own words, where it is one of these: h5py puts two lines of its own in their place.
        reason = os.strerror(number) if number in (NO_ROOM | NO_RIGHT) else error.strerror or error
        what = f"{reason}: {path}"
        if number in NO_ROOM:
            free = free_mb(Path(path))
            return DiskFull(f"{what}. Wanted: {NO_ROOM[number]}, which has {free:,.1f} MB free. {remedy}".strip())
        if number in NO_RIGHT:
            return DiskRefused(f"{what}. Wanted: {NO_RIGHT[number]}. {remedy}".strip())
        return StageFailed(f"{type(error).__name__}: {what}. {remedy}".strip())
    return StageFailed(text if log is None else f"{text} (the whole story is in {log})")


@contextlib.contextmanager
def refusals_in_words(place: Path, room_mb: float) -> Iterator[None]:
    """Turn an OSError into an error for users. Args: place: the run's folder; room_mb: what the run takes at most.

    Raises: what in_words makes of it.
    """
    try:
        yield
    except OSError as error:
        raise with_room(in_words(error, place), place, room_mb) from error


def with_room(error: AutomlError, folder: Path, room_mb: float) -> AutomlError:
    """The same error; one of a full disk also says how much the run takes at most, and how much of it is written."""
    if not isinstance(error, DiskFull):
        return error
    return DiskFull(f"{error} The whole run takes at most {room_mb:,.0f} MB, of which it has {_size_mb(folder):,.0f}.")


def without_redo(text: str) -> str:
    """The same message for a command with --redo, which, given again, would throw away what was done since."""
    return text.replace(SAME, f"{SAME} without --redo")


def free_mb(path: Path) -> float:
    """Megabytes free on the disk of a path that need not exist."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free / 1e6


def _size_mb(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6
