"""Functions that the tests of the front's processes run in children."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.errors import DataError
from automl.runtime import child
from automl.runtime.child import this_childs_front


def echo(arguments: Mapping[str, Any]) -> dict[str, Any]:
    print("said on stdout")
    os.write(2, b"said on the descriptor\n")
    return {**arguments, "pid": os.getpid(), "keras": "keras" in sys.modules}


def refuse(arguments: Mapping[str, Any]) -> dict[str, Any]:
    raise DataError("the folder is empty")


def crash(arguments: Mapping[str, Any]) -> dict[str, Any]:
    raise ValueError("a fault of ours")


def full_disk(arguments: Mapping[str, Any]) -> dict[str, Any]:
    raise OSError(28, "No space left on device", "/some/file")


def no_memory(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"much": len(bytearray(2**60))}


def abort(arguments: Mapping[str, Any]) -> dict[str, Any]:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def lose_the_result_folder(arguments: Mapping[str, Any]) -> dict[str, Any]:
    child.write_json = no_room  # as a full disk does, in this process alone
    return {}


def no_room(path: Path, value: object) -> None:
    raise OSError(28, "No space left on device", str(path))


def out_of_memory(arguments: Mapping[str, Any]) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def leave(arguments: Mapping[str, Any]) -> dict[str, Any]:
    os._exit(3)


def sleep(arguments: Mapping[str, Any]) -> dict[str, Any]:
    with Path(arguments["pids"]).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(60)
    return {}


def report(arguments: Mapping[str, Any]) -> dict[str, Any]:
    front = this_childs_front()
    for number in range(3):
        front.progress(number, 3, f"item {number}")
    front.warn("something odd")
    return {}


def ask_for_two(arguments: Mapping[str, Any]) -> dict[str, Any]:
    front = this_childs_front()
    folder = Path(arguments["folder"])
    good = front.run_child("plain", "tests.runtime.probes:echo", {"x": 1}, folder / "a.log", None)
    bad = front.run_child("plain", "tests.runtime.probes:crash", {}, folder / "b.log", None)
    slow = front.run_child("plain", "tests.runtime.probes:sleep", {"pids": str(folder / "pids")}, folder / "c.log", 5.0)
    return {"good": dict(good.result), "bad": bad.error, "slow": slow.timed_out}


def ask_for(arguments: Mapping[str, Any]) -> dict[str, Any]:
    front = this_childs_front()
    log = Path(arguments["folder"]) / "inner.txt"
    asked = {name: front.run_child("plain", f"{__name__}:{name}", {}, log, None) for name in arguments["functions"]}
    return {name: [ended.error_kind, ended.error] for name, ended in asked.items()}


def ask_and_wait(arguments: Mapping[str, Any]) -> dict[str, Any]:
    this_childs_front().run_child("plain", "tests.runtime.probes:sleep", arguments, Path(arguments["log"]), None)
    return {}


def ask_and_die(arguments: Mapping[str, Any]) -> dict[str, Any]:
    import threading

    front = this_childs_front()
    folder = Path(arguments["folder"])
    asked = ("plain", "tests.runtime.probes:sleep", {"pids": str(folder / "pids")}, folder / "a.log", None)
    threading.Thread(target=front.run_child, args=asked, daemon=True).start()
    while not (folder / "pids").exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def hold(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Long work that never lets another Python thread run, as some C code does."""
    Path(arguments["pids"]).write_text(f"{os.getpid()}\n")
    ctypes.PyDLL(None).sleep(60)
    return {}
