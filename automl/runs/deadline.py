"""When must a run end? `90s`, `3m`, `2h` from now, or `07:00` by the wall clock. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from automl.errors import UsageError

SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_S: Final = 366 * 86_400.0
"""Of a span; what is longer is a typing error."""
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
