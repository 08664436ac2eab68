"""The tables that check, split and pick leave behind as CSV: images, rejected, split, near, suspects."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter

from automl.data.duplicates import NearCopy
from automl.errors import StageFailed
from automl.runs.atomic import write_text
from automl.types import Image, Part, Rejected, Suspect

R = TypeVar("R", Image, Rejected, Suspect, NearCopy, "Assigned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Which part an image went to; images that were left out have no such line."""

    path: str
    label: str
    part: Part
    row: int  # in every store of pixels
    fold: int = 0  # 1 .. split.folds; 0: of no fold
    group: str = ""  # the same for images that stay together: a group, copies, near copies; "": it is alone
    weight: float = 1.0  # factor of its loss in training, as the dataset gives it


def write_images(path: Path, images: Sequence[Image]) -> None:
    """Write images.csv, sorted by row, durably."""
    _write(path, Image, sorted(images, key=lambda image: image.row))


def read_images(path: Path) -> tuple[Image, ...]:
    """Read images.csv. Raises: StageFailed: it is not what `write_images` writes."""
    return _read(path, Image)


def write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    """Write rejected.csv, sorted by path, durably."""
    _write(path, Rejected, sorted(rejected, key=lambda file: file.path))


def read_rejected(path: Path) -> tuple[Rejected, ...]:
    """Read rejected.csv. Raises: StageFailed: it is not what `write_rejected` writes."""
    return _read(path, Rejected)


def write_split(path: Path, assigned: Sequence[Assigned]) -> None:
    """Write split.csv, sorted by path, durably."""
    _write(path, Assigned, sorted(assigned, key=lambda image: image.path))


def read_split(path: Path) -> tuple[Assigned, ...]:
    """Read split.csv. Raises: StageFailed: it is not what `write_split` writes."""
    return _read(path, Assigned)


def write_near(path: Path, pairs: Sequence[NearCopy]) -> None:
    """Write near.csv, in the order given, durably."""
    _write(path, NearCopy, pairs)


def read_near(path: Path) -> tuple[NearCopy, ...]:
    """Read near.csv. Raises: StageFailed: it is not what `write_near` writes."""
    return _read(path, NearCopy)


def write_suspects(path: Path, suspects: Sequence[Suspect]) -> None:
    """Write suspects.csv, in the order given, durably."""
    _write(path, Suspect, suspects)


def read_suspects(path: Path) -> tuple[Suspect, ...]:
    """Read suspects.csv. Raises: StageFailed: it is not what `write_suspects` writes."""
    return _read(path, Suspect)


def _write(path: Path, kind: type[R], rows: Sequence[R]) -> None:
    text = io.StringIO(newline="")
    # csv's own line end, "\r\n": with another one it leaves a bare "\r" in a name unquoted, and reads two lines back.
    writer = csv.DictWriter(text, [field.name for field in fields(kind)])
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text(path, text.getvalue())


def _read(path: Path, kind: type[R]) -> tuple[R, ...]:
    """Row by row: 200,000 rows as text, all at once, took more memory than the records they become."""
    record: TypeAdapter[R] = TypeAdapter(kind)
    shared: dict[str, str] = {}  # one text for all rows that have it: labels, modes, formats, groups
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple([record.validate_python(_cells(row, shared)) for row in csv.DictReader(file)])
    except (OSError, ValueError, csv.Error) as error:
        raise StageFailed(
            f"{path} cannot be read: {str(error).splitlines()[0]}. Wanted: the table that the stage "
            f"{path.parent.name!r} writes. Run again with --redo {path.parent.name}."
        ) from error


def _cells(row: dict[str, str], shared: dict[str, str]) -> dict[str, str | None]:
    cells: dict[str, str | None] = {**row, **{name: shared.setdefault(row[name], row[name])
                                              for name in _REPEATED & row.keys()}}  # fmt: skip
    if "part" in cells:
        cells["part"] = cells["part"] or None
    return cells


_REPEATED: Final = frozenset(("label", "part", "mode", "format", "group"))
