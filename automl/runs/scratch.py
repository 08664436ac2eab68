"""Scratch folders below the system's temporary one: gone at the end, or after a kill when the next one is made."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LOCK: Final = ".lock"
"""Held while the folder is in use. The system lets go of it when the process ends, however it ends."""


@contextlib.contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A folder of that prefix for one process; whatever ends the block, it is removed.

    One whose process was killed is removed by the next call of the same user. Raises: OSError: there is no room.
    """
    _sweep(Path(tempfile.gettempdir()), prefix)
    temporary = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    with temporary as name:
        place = Path(name)
        with _held(place):
            try:
                yield place
            finally:
                with contextlib.suppress(OSError):
                    _empty(place)


@contextlib.contextmanager
def _held(place: Path) -> Iterator[None]:
    """Hold the folder's lock. It gets its name when it is held, so that no sweep meets one that is not yet."""
    made = place / f"{LOCK}-made"
    with made.open("wb") as file:
        with contextlib.suppress(OSError):  # a file system without locks: after a kill the folder stays
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.rename(place / LOCK)
        yield


def _sweep(temporary: Path, prefix: str) -> None:
    """Remove the folders of this user whose process is gone. One that cannot be looked into is left alone."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(temporary)):
            with contextlib.suppress(OSError):
                is_ours = (
                    entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid()
                )
                if is_ours and entry.name.startswith(prefix):
                    _remove_abandoned(Path(entry))


def _remove_abandoned(place: Path) -> None:
    """Raises: OSError: it has no lock, or the lock is held, or something in it cannot be removed."""
    lock = place / LOCK
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _empty(place)
        if list(place.iterdir()) == [lock]:  # else a later sweep tries again
            lock.unlink()
            place.rmdir()


def _empty(place: Path) -> None:
    """Remove all but the lock, which goes last: without it nobody would know whose the folder is."""
    for entry in list(os.scandir(place)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != LOCK:
            Path(entry).unlink(missing_ok=True)
