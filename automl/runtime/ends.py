"""How a child ended: its result file where there is one, else what its exit code and its last words tell."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from automl.errors import BY_NAME, AutomlError, StageFailed
from automl.runs.refused import MEMORY
from automl.runtime.child import UNHEARD
from automl.runtime.context import ChildEnded


def read_end(
    file: Path, code: int | None, *, seconds: float, timed_out: bool, said: Callable[[], str], advice: str
) -> tuple[ChildEnded, type[AutomlError]]:
    """What became of a child, and which error to raise for it.

    Args:
        file: its result; need not be there.
        code: its exit code, negative where a signal killed it.
        said: what it wrote to its log; asked where it died by a signal.
        advice: where to look and what to do, where it left no words of its own.
    """
    result: Mapping[str, object] = {}
    error = ""
    kind: type[AutomlError] = StageFailed
    if timed_out:
        error = f"stopped after {seconds:.0f} s, its limit"
    else:
        try:
            outcome = json.loads(file.read_bytes())
        except (OSError, ValueError):
            outcome = {"error": {"kind": "StageFailed", "text": f"{_death(code, file.parent, said)}; {advice}"}}
        if "ok" in outcome:
            result = outcome["ok"]
        else:
            error = outcome["error"]["text"]
            kind = BY_NAME.get(outcome["error"]["kind"], StageFailed)
    ended = ChildEnded(
        ok=not error,
        result=result,
        error=error,
        error_kind=kind.__name__ if error else "",
        exit_code=code,
        timed_out=timed_out,
        seconds=seconds,
    )
    return ended, kind


def said_since(log: Path, start: int) -> str:
    """What stands in the log after so many bytes; empty where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _death(code: int | None, results: Path, said: Callable[[], str]) -> str:
    """Words for a child that ended without a result."""
    if code == -signal.SIGKILL:
        return "the process was killed (signal 9), most likely because memory ran out"
    if code is not None and code < 0:
        words = said()  # a C++ library tells before it aborts
        memory = ", after it had said that memory ran out" if any(sign in words for sign in MEMORY) else ""
        return f"the process was killed by {signal.Signals(-code).name}{memory}"
    if code == UNHEARD:
        return f"its result could not be written into {results}; wanted: room there, or another TMPDIR"
    return f"the process ended with exit code {code} and without a result"
