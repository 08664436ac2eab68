"""Where a batch's own files lie: RUNS/_batches/NAME/ holds batch.json, batch.html, log.txt and lock.

No run can be named `_batches`, so that neither `automl runs` nor a job meets it.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from automl.batches.deadline import Deadline
from automl.errors import ResourceMissing, StageFailed, UsageError
from automl.report.batch import BatchFacts, link_to, render_batch
from automl.runs.atomic import write_json, write_text
from automl.runs.events import now_iso
from automl.runs.folder import name_from
from automl.types import JobRow

SCHEMA: Final = 1
FOLDER: Final = "_batches"
CUT_SHORT: Final = frozenset(("running", "interrupted"))
"""States of a batch that goes on; the others have tried every job, and their deadline is over with them."""


@dataclass(frozen=True, slots=True)
class BatchFolder:
    """The paths of one batch."""

    root: Path

    @staticmethod
    def of(jobs_file: Path, runs: Path) -> BatchFolder:
        """The batch of that jobs file, named after it."""
        return BatchFolder(runs.resolve() / FOLDER / name_from(jobs_file.with_suffix("")))

    @property
    def batch_json(self) -> Path:
        return self.root / "batch.json"

    @property
    def page(self) -> Path:
        return self.root / "batch.html"

    @property
    def log_txt(self) -> Path:
        return self.root / "log.txt"

    @property
    def lock(self) -> Path:
        return self.root / "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What batch.json says of the same batch's last command."""

    created: str  # ISO, UTC
    deadline: Deadline | None  # None as well where every job was tried


def read_begun(folder: BatchFolder, jobs_file: Path) -> Begun | None:
    """None for a new batch.

    Raises: StageFailed: batch.json cannot be understood; UsageError: it is of another jobs file.
    """
    if not folder.batch_json.exists():
        return None
    try:
        facts = json.loads(folder.batch_json.read_bytes())
        if facts["schema"] != SCHEMA:
            raise ValueError(f"schema {facts['schema']}, not {SCHEMA}")
        of = facts["deadline"] if facts["state"] in CUT_SHORT else None
        deadline = None if of is None else Deadline(text=str(of["text"]), at=float(of["at"]))
        begun, file = Begun(created=str(facts["created"]), deadline=deadline), str(facts["jobs_file"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StageFailed(
            f"{folder.batch_json} cannot be understood ({error}). Wanted: what this version of automl writes. "
            f"Remove {folder.root}: the runs stay, and finished jobs are skipped."
        ) from error
    if file != str(jobs_file.resolve()):  # however it is spelled
        raise UsageError(
            f"{folder.root} is the batch of another jobs file, {file}. Wanted: a name of its own for each. "
            f"Rename {jobs_file.name}, name another folder by --runs, or remove {folder.root}: the runs stay."
        )
    return begun


def save_batch(
    folder: BatchFolder, *, jobs_file: Path, state: str, created: str, deadline: Deadline | None, rows: Sequence[JobRow]
) -> dict[str, Any]:
    """Write batch.json and the page. Returns: the object that batch.json holds. Raises: ResourceMissing."""
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "name": folder.root.name,
        "state": state,
        "jobs_file": str(jobs_file.resolve()),
        "created": created,
        "updated": now_iso(),
        "deadline": None if deadline is None else asdict(deadline),
        "jobs": rows_as_json(rows),
        "page": str(folder.page),
    }
    page = BatchFacts(
        name=folder.root.name,
        state=state,
        created=created,
        updated=facts["updated"],
        deadline="" if deadline is None else local_time(deadline.at),
        rows=tuple(rows),
        links={row.name: link_to(Path(row.report), folder.page) for row in rows if row.report},
        version=metadata.version("automl"),
    )
    try:
        write_json(folder.batch_json, facts)
        write_text(folder.page, render_batch(page))
    except OSError as error:
        raise ResourceMissing(
            f"{folder.root} cannot be written ({error.strerror}). Wanted: room for the batch's table. "
            "Make room, then run the same command again: what was finished is kept."
        ) from error
    return facts


def rows_as_json(rows: Sequence[JobRow]) -> list[dict[str, Any]]:
    """The rows as JSON values."""
    return [{**asdict(row), "warnings": list(row.warnings)} for row in rows]


def write_fault(folder: BatchFolder, job: str) -> Path:
    """Add the traceback of the error at hand to the batch's log. Returns: the log's path."""
    with folder.log_txt.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{now_iso()} job {job}\n")
        traceback.print_exc(file=file)
    return folder.log_txt


def local_time(moment: float) -> str:
    """A moment by the clock on the wall: "2026-11-21 07:00"."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")
