"""When must a run end (`90s`, `3m`, `2h` from now, or `07:00` by the wall clock), and did it? Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from automl.errors import UsageError

SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_S: Final = 366 * 86_400.0
"""Of a span; what is longer is a typing error."""
TOLERATED_S: Final = 1.0
"""A run that ends so much later than its deadline is in time: nobody plans by less."""
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)([smh])")
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def parse_deadline(text: str, now: datetime) -> float:
    """The moment that the text names, in seconds since the epoch.

    Args: now: local time, aware. A clock time that is already past today means tomorrow.
    Raises: UsageError.
    """
    if span := _SPAN.fullmatch(text.strip()):
        seconds = float(span[1]) * SECONDS[span[2]]
        if 0 < seconds <= LONGEST_S:
            return now.timestamp() + seconds
    elif clock := _CLOCK.fullmatch(text.strip()):
        moment = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        if moment <= now:
            moment += timedelta(days=1)
        return moment.timestamp()
    raise UsageError(f"{text!r} is no deadline. Wanted: 90s, 3m, 2h, or a time of day such as 07:00.")


def stored_deadline(before: Mapping[str, Any]) -> float | None:
    """The moment that the command before had to end by, where this one goes on with it; it may have passed.

    Args: before: run.json as that command left it: "running" where it was killed. One that ended well is over, and so
        is its deadline.
    """
    return None if before.get("state") == "done" else before.get("deadline_at")


def overrun(deadline_at: float | None, ended_at: float, late: Sequence[str]) -> str:
    """What to say of a run that ended after its deadline; "" where it did not, by more than a second.

    Args: late: the stages that ended after it, of those that this command had to do; none: all were finished before.
    """
    if deadline_at is None or not late or ended_at - deadline_at <= TOLERATED_S:
        return ""
    return (
        f"ended {ended_at - deadline_at:.0f} s after the deadline: {', '.join(late)} ended after it, and without "
        f"{'it' if len(late) == 1 else 'them'} there is no bundle"
    )
