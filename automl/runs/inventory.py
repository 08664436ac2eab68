"""What lies in a folder of runs: list them, show one, remove what is not wanted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.errors import RunLocked, UsageError
from automl.runs.folder import RunFolder, check_name
from automl.runs.lock import is_locked

SCHEMA: Final = 1
"""Of run.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run, in a line."""

    name: str
    state: str  # "done", "failed", "interrupted", "running"; "killed": running, but no process holds it; "unreadable"
    recipe: str
    updated: str  # ISO, UTC
    stages: int  # finished ones
    accuracy: float | None  # on the test set
    bundle: str  # "" where none was published
    size_mb: float


def list_runs(runs: str | Path = "runs") -> list[RunRow]:
    """All runs in the folder, by name; folders that hold none are passed over."""
    folder = Path(runs)
    if not folder.is_dir():
        return []
    return [_row(RunFolder(path)) for path in sorted(folder.iterdir()) if RunFolder(path).is_run()]


def show_run(name: str, runs: str | Path = "runs") -> dict[str, Any]:
    """The run's run.json. Raises: UsageError: there is no such run, or it cannot be understood."""
    return read_run_json(_existing(name, Path(runs)))


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
        for path in folder.root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
        shutil.rmtree(folder.root)  # last what tells it to be a run: after a kill it can be removed again
    return freed


def _existing(name: str, runs: Path) -> RunFolder:
    folder = RunFolder(runs / check_name(name))
    if not folder.is_run():
        there = ", ".join(row.name for row in list_runs(runs)) or "none"
        raise UsageError(
            f"there is no run named {name!r} in {runs}. Wanted: one of: {there}. Name its folder by --runs."
        )
    return folder


def read_run_json(folder: RunFolder) -> dict[str, Any]:
    """What a run says of itself; empty where nothing was begun yet.

    Raises: UsageError: run.json is damaged, of another version, or gone from a run with finished stages. With it went
        the settings that those were done with, so nobody can tell whether they may be gone on with.
    """
    if not folder.is_run():
        return {}
    try:
        return _understood(folder.run_json.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"{folder.run_json} cannot be understood ({why}). Wanted: what this version of automl writes; without it "
            f"the run {folder.name!r} cannot be gone on with. Choose another --name, or remove it with "
            f"`automl runs clean {folder.name} --runs {folder.root.parent}`."
        ) from error


def _understood(text: bytes) -> dict[str, Any]:
    """Raises: ValueError: it is not what every run.json of this version is."""
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError("it holds no JSON object")
    if facts.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {facts.get('schema')!r}, not {SCHEMA}")
    for key, kind in (("name", str), ("state", str), ("settings", dict)):
        if not isinstance(facts.get(key), kind):
            raise ValueError(f"its {key!r} is missing or of another kind")
    return facts


def _row(folder: RunFolder) -> RunRow:
    try:
        facts = read_run_json(folder)
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
