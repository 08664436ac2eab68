"""What lies in a folder of runs: list them, show one, remove what is not wanted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.errors import RunLocked, UsageError
from automl.runs.folder import RunFolder, check_name
from automl.runs.lock import is_locked


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run, in a line."""

    name: str
    state: str  # "done", "failed", "interrupted", "running", or "killed": it says running, but no process holds it
    recipe: str
    updated: str  # ISO, UTC
    stages: int  # finished ones
    accuracy: float | None  # on the test set
    bundle: str  # "" where none was published
    size_mb: float


def list_runs(runs: str | Path = "runs") -> list[RunRow]:
    """All runs in the folder, by name; folders without a run.json are passed over."""
    folder = Path(runs)
    if not folder.is_dir():
        return []
    return [_row(RunFolder(path)) for path in sorted(folder.iterdir()) if (path / "run.json").is_file()]


def show_run(name: str, runs: str | Path = "runs") -> dict[str, Any]:
    """The run's run.json. Raises: UsageError: there is no such run."""
    return _read(_existing(name, Path(runs)))


def remove_runs(names: Sequence[str], runs: str | Path = "runs") -> float:
    """Delete these runs; published bundles stay. Returns: megabytes freed.

    Raises: UsageError: there is no such run; RunLocked: one is being worked on. Then nothing was deleted.
    """
    folders = [_existing(name, Path(runs)) for name in names]
    for folder in folders:
        if is_locked(folder.lock):
            raise RunLocked(f"the run {folder.name!r} is being worked on. Wanted: an idle one. Stop it first.")
    freed = 0.0
    for folder in folders:
        freed += _size_mb(folder.root)
        folder.run_json.unlink()  # first: what a kill leaves behind is no run any more
        shutil.rmtree(folder.root)
    return freed


def _existing(name: str, runs: Path) -> RunFolder:
    folder = RunFolder(runs / check_name(name))
    if not folder.run_json.is_file():
        there = ", ".join(row.name for row in list_runs(runs)) or "none"
        raise UsageError(
            f"there is no run named {name!r} in {runs}. Wanted: one of: {there}. Name its folder by --runs."
        )
    return folder


def _read(folder: RunFolder) -> dict[str, Any]:
    try:
        return dict(json.loads(folder.run_json.read_bytes()))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder.run_json} cannot be read ({error}). Wanted: what automl writes. Remove {folder.root} by hand."
        ) from error


def _row(folder: RunFolder) -> RunRow:
    try:
        facts = _read(folder)
    except UsageError:
        facts = {"state": "unreadable"}
    state = str(facts.get("state", "unknown"))
    if state == "running" and not is_locked(folder.lock):
        state = "killed"
    return RunRow(
        name=folder.name,
        state=state,
        recipe=str(facts.get("recipe", "")),
        updated=str(facts.get("updated", "")),
        stages=len(facts.get("stages", {})),
        accuracy=facts.get("metrics", {}).get("test", {}).get("accuracy", {}).get("value"),
        bundle=str(facts.get("bundle", "")),
        size_mb=_size_mb(folder.root),
    )


def _size_mb(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6
