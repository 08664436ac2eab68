"""flags.csv: every picture that a rule of check marked, for whoever wants to clean the dataset."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from automl.data.rules import Flag
from automl.errors import StageFailed
from automl.runs.atomic import write_text
from automl.types import Rejected

NAME: Final = "flags.csv"
_COLUMNS: Final = [field.name for field in fields(Flag)]


def rejected_flags(rejected: Iterable[Rejected]) -> tuple[Flag, ...]:
    """The same for files that could not be used: the rule is the reason, the value the decoder's own words."""
    return tuple(Flag(path=file.path, label=file.label, rule=file.reason, value=file.detail) for file in rejected)


def write_flags(path: Path, flags: Sequence[Flag]) -> None:
    """Write flags.csv (path, label, rule, value), sorted by path, durably; rules of one file in their order."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS)  # with "\r\n", as images.py does, and for its reason
    writer.writeheader()
    writer.writerows(asdict(flag) for flag in sorted(flags, key=lambda flag: flag.path))
    write_text(path, text.getvalue())


def read_flags(path: Path) -> tuple[Flag, ...]:
    """Read flags.csv. Raises: StageFailed: it is not what `write_flags` writes."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
        if reader.fieldnames != _COLUMNS or any(None in row or None in row.values() for row in rows):
            raise ValueError(f"its columns are not {','.join(_COLUMNS)}")
    except (OSError, ValueError, csv.Error) as error:
        raise StageFailed(
            f"{path} cannot be read: {error}. Wanted: the table that the stage check writes. "
            "Run again with --redo check."
        ) from error
    return tuple(Flag(**row) for row in rows)
