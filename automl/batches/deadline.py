"""When must a batch end, and which part of the time left does the next job get? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from automl.errors import UsageError
from automl.runs.deadline import parse_deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """As it was given, and the moment that it means."""

    text: str  # "07:00" or "8h"
    at: float  # wall time, seconds since the epoch


def given_deadline(until: str | None, deadline: str | None, now: datetime) -> Deadline | None:
    """What the command says: --until, --deadline, or neither.

    Args: now: local time, aware.
    Raises: UsageError: both, or one that cannot be understood.
    """
    if until is not None and deadline is not None:
        raise UsageError("--until and --deadline were given. Wanted: one of them.")
    if until is not None and ":" not in until:
        raise UsageError(f"--until {until}: no time of day. Wanted: one such as 07:00; --deadline takes 90s, 3m, 2h.")
    text = until if until is not None else deadline
    return None if text is None else Deadline(text=text, at=parse_deadline(text, now))


def deadline_that_holds(given: Deadline | None, before: Deadline | None, now: float) -> Deadline | None:
    """The given one, or the one of the batch that was cut short and goes on.

    The same words again ("8h") are the same command again: the moment stays, so that a restart does not reset the
    clock. Other words replace it. One that has passed holds no more.

    Args: before: of a batch that was cut short; None: there is none to go on with, or it has no deadline.
    """
    if before is None or before.at <= now or (given is not None and given.text != before.text):
        return given
    return before


def share_until(now: float, until: float, jobs_left: int) -> float:
    """The moment at which the next job must have ended, so that all jobs left get as much.

    What a job does not use goes to those after it. After the deadline a job's share is nothing.

    Args: jobs_left: with the next one; at least 1. Returns: a moment, not before now.
    """
    return now + max(0.0, until - now) / jobs_left
