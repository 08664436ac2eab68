"""The search's journal: one JSON line when a trial starts and one when it ends, synced each; the truth on resume.

A line without its end was cut by a kill: it is ignored, and removed before the next one is written. Any other line
that cannot be read means that the file was damaged, which no kill does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from automl.errors import StageFailed
from automl.runs.atomic import named_in_errors, sync_folder
from automl.types import Trial

Values = Mapping[str, float | int | bool | str]
"""A point of the search space: by the names of the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A trial is about to run; without an Ended of its number it has to run again, with the same values."""

    number: int
    values: Values
    searched_s: float  # how long the search had run, over all its processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A trial has ended, well or not; it is never run again."""

    trial: Trial
    searched_s: float


Line = Started | Ended
_LINE = TypeAdapter(Line)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a journal tells, whatever the order in which parallel trials ended."""

    trials: tuple[Trial, ...]  # ended ones, by number
    unfinished: tuple[Started, ...]  # by number
    searched_s: float


def append(path: Path, line: Line) -> None:
    """Add a line, durably. Raises: ValueError: it holds NaN or infinity."""
    text = json.dumps(asdict(line), ensure_ascii=False, allow_nan=False) + "\n"
    is_new = not path.exists()
    with named_in_errors(path), path.open("ab+") as file:
        file.seek(0)
        file.truncate(len(_whole(file.read())))
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def read(path: Path) -> tuple[Line, ...]:
    """All whole lines, in the order in which they were written; none where there is no file.

    Raises: StageFailed: a line that was not cut cannot be read.
    """
    if not path.exists():
        return ()
    lines = []
    for number, text in enumerate(_whole(path.read_bytes()).split(b"\n")[:-1], start=1):
        try:
            lines.append(_LINE.validate_json(text))
        except ValidationError as error:
            raise StageFailed(
                f"{path}, line {number} cannot be read: {text[:80].decode(errors='replace')!r}. Wanted: a trial that "
                "started or ended. The file was changed or damaged; run again with --redo tune to search anew."
            ) from error
    return tuple(lines)


def history(lines: Sequence[Line]) -> History:
    """Sum up a journal's lines."""
    ended = {line.trial.number: line.trial for line in lines if isinstance(line, Ended)}
    started = {line.number: line for line in lines if isinstance(line, Started) and line.number not in ended}
    return History(
        trials=tuple(ended[number] for number in sorted(ended)),
        unfinished=tuple(started[number] for number in sorted(started)),
        searched_s=max((line.searched_s for line in lines), default=0.0),
    )


def _whole(data: bytes) -> bytes:
    """The bytes up to the end of the last whole line."""
    return data[: data.rfind(b"\n") + 1]
