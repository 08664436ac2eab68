"""done.json comes last: whoever sees it may trust every other file of the stage.

It holds the stage's version, a fingerprint of all it read, a checksum of every file it wrote, and its seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from automl.runs.atomic import TEMPORARY, sync_file, sync_folder, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """One file of a finished stage."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """That a stage is finished, from what, and with what."""

    stage: str
    inputs: dict[str, object]  # what it read, by name; their fingerprint is below
    fingerprint: str
    files: dict[str, WrittenFile]  # relative to the stage's folder
    seconds: float  # of the attempt that finished
    finished_at: str  # ISO, UTC


def fingerprint_of(inputs: Mapping[str, object]) -> str:
    """sha256 of the inputs as canonical JSON."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_done(path: Path) -> Done | None:
    """The stage's done.json; None where there is none, or none that can be understood."""
    try:
        raw = json.loads(path.read_bytes())
        raw["files"] = {name: WrittenFile(**facts) for name, facts in raw["files"].items()}
        return Done(**raw)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_done(folder: Path, *, inputs: dict[str, object], seconds: float, finished_at: str) -> Done:
    """Sync every file of the stage, take its checksum, and write done.json last."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "done.json" and not _is_temporary(path, folder):
            sync_file(path)
            facts = path.stat()
            name = path.relative_to(folder).as_posix()
            files[name] = WrittenFile(size=facts.st_size, mtime_ns=facts.st_mtime_ns, sha256=checksum(path))
    for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        sync_folder(inner)
    done = Done(
        stage=folder.name,
        inputs=inputs,
        fingerprint=fingerprint_of(inputs),
        files=files,
        seconds=round(seconds, 3),
        finished_at=finished_at,
    )
    write_json(folder / "done.json", asdict(done))
    return done


def faults_of(folder: Path, done: Done) -> list[str]:
    """Files of a finished stage that are missing or changed; bytes are read only where the time has changed.

    So a skip reads nothing, and a run folder that was copied or restored costs one reading, not its training.
    """
    faults = []
    for name, wanted in done.files.items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif not is_as_written(path, wanted):
            faults.append(f"{name} has changed")
    return faults


def is_as_written(path: Path, wanted: WrittenFile) -> bool:
    """Whether a file holds what its stage wrote; its bytes are read only where the time has changed."""
    facts = path.stat()
    if (facts.st_size, facts.st_mtime_ns) == (wanted.size, wanted.mtime_ns):
        return True
    return facts.st_size == wanted.size and checksum(path) == wanted.sha256


def sweep_temporary(folder: Path) -> None:
    """Remove what a killed write left behind."""
    for path in sorted(folder.rglob(f"{TEMPORARY}*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            for inner in sorted(path.rglob("*"), reverse=True):
                inner.rmdir() if inner.is_dir() and not inner.is_symlink() else inner.unlink()
            path.rmdir()
        elif path.is_symlink() or path.exists():
            path.unlink()


def checksum(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_temporary(path: Path, folder: Path) -> bool:
    return any(part.startswith(TEMPORARY) for part in path.relative_to(folder).parts)
