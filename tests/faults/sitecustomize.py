"""Faults on order. With this folder on PYTHONPATH every Python process imports the file at its start.

AUTOML_TEST_FAULTS holds a JSON list of objects. "kind" is "full" (a sync fails: no space left), "read-only" (nothing
can be opened for writing, made or renamed) or "memory" (the process may have little more than it has); "where" begins
the paths that are struck; "who" is "child" (a multiprocessing child alone) or "any"; "once" is a path that must exist.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
from collections.abc import Callable
from multiprocessing import process

SPARE_BYTES = 32 * 2**20  # of memory, on top of what the process has when "memory" strikes
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def install(kind: str, where: str, who: str, once: str) -> None:
    def struck(path: object) -> bool:
        return (
            isinstance(path, str | os.PathLike)
            and os.fspath(path).startswith(where)
            and (who == "any" or process.parent_process() is not None)
            and (not once or os.path.exists(once))  # noqa: PTH110  # pathlib would be imported by every process
        )

    if kind == "full":
        os.fsync = full_disk(os.fsync, struck)
    else:
        sys.addaudithook(read_only(struck) if kind == "read-only" else little_memory(struck))


def full_disk(fsync: Callable[[int], None], struck: Callable[[object], bool]) -> Callable[[int], None]:
    def failing(file: int) -> None:
        if struck(os.readlink(f"/proc/self/fd/{file}")):  # noqa: PTH115  # as above
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    return failing


def read_only(struck: Callable[[object], bool]) -> Callable[[str, tuple[object, ...]], None]:
    def hook(event: str, arguments: tuple[object, ...]) -> None:
        writes = event in {"os.mkdir", "os.rename"} or (event == "open" and arguments[2] & WRITING)
        if writes and struck(arguments[0]):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), arguments[0])

    return hook


def little_memory(struck: Callable[[object], bool]) -> Callable[[str, tuple[object, ...]], None]:
    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and struck(arguments[0]) and resource.getrlimit(resource.RLIMIT_AS)[0] < 0:
            with open("/proc/self/statm") as file:  # noqa: PTH123  # as above
                has_bytes = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (has_bytes + SPARE_BYTES,) * 2)

    return hook


for fault in json.loads(os.environ.get("AUTOML_TEST_FAULTS", "[]")):
    install(**fault)
