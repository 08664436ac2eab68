"""What lies in a folder of runs: list them, show one, remove what is not wanted."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.errors import RunInUse, RunLocked, UsageError
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
    """All runs in the folder, by name; passed over are folders that hold none, or may not be looked into, and links."""
    folder = Path(runs)
    if not folder.is_dir():
        return []
    return [_row(RunFolder(path)) for path in sorted(folder.iterdir()) if _is_listed(RunFolder(path))]


def show_run(name: str, runs: str | Path = "runs") -> dict[str, Any]:
    """The run's run.json. Raises: UsageError: there is no such run, or it cannot be understood."""
    folder = _existing(name, Path(runs))
    facts = read_run_json(folder)
    try:
        _finished_and_accuracy(facts)  # what `list_runs` calls unreadable is not shown either
    except ValueError as error:
        raise not_understood(folder.run_json, str(error)) from error
    return facts


def remove_runs(names: Sequence[str], runs: str | Path = "runs") -> float:
    """Delete these runs; published bundles stay. Returns: megabytes freed.

    Raises: UsageError: there is no such run, or only a link to one; RunLocked: one is being worked on. Then nothing was
        deleted.
    """
    folders = [_existing(name, Path(runs)) for name in dict.fromkeys(names)]
    for folder in folders:
        if _is_held(folder):
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
    if folder.root.is_symlink():
        raise UsageError(
            f"{folder.root} is a link, and what it leads to is no run of {runs}. Wanted: a run that lies there itself. "
            "Name the folder of its target by --runs, or remove the link by hand."
        )
    if not _is_listed(folder):
        there = ", ".join(row.name for row in list_runs(runs)) or "none"
        raise UsageError(
            f"there is no run named {name!r} in {runs}. Wanted: one of: {there}. Name its folder by --runs."
        )
    return folder


def read_run_json(folder: RunFolder) -> dict[str, Any]:
    """What a run says of itself; empty where nothing was begun yet.

    Raises: RunInUse: run.json is damaged, of another version, or gone from a run with finished stages. With it went
        the settings that those were done with, so nobody can tell whether they may be gone on with.
    """
    if not folder.is_run():
        return {}
    try:
        return _understood(folder.run_json.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise not_understood(
            folder.run_json, error.strerror or "" if isinstance(error, OSError) else str(error)
        ) from error


def not_understood(run_json: Path, why: str) -> RunInUse:
    """The error of a run whose run.json is damaged, or was edited."""
    folder = RunFolder(run_json.parent)
    found = f"{run_json} cannot be understood ({why})"
    return RunInUse(
        f"{found}. Wanted: what this version of automl writes; without it "
        f"the run {folder.name!r} cannot be gone on with. Choose another --name, or remove it with "
        f"`automl runs clean {folder.name} --runs {folder.root.parent}`.",
        found,
    )


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


def _is_listed(folder: RunFolder) -> bool:
    """Whether it is a run of ours that lies here; not if that cannot be told. A link's target belongs elsewhere."""
    try:
        return not folder.root.is_symlink() and folder.is_run()
    except PermissionError:
        return False


def _is_held(folder: RunFolder) -> bool:
    """Whether a process works on the run, or may do: a lock that cannot be read is taken for held."""
    try:
        return is_locked(folder.lock)
    except OSError:
        return True


def _row(folder: RunFolder) -> RunRow:
    try:
        facts = read_run_json(folder)
        stages, accuracy = _finished_and_accuracy(facts)
    except (UsageError, ValueError):
        facts, stages, accuracy = {"state": "unreadable"}, 0, None
    state = str(facts.get("state", "unknown"))
    if state == "running" and not _is_held(folder):
        state = "killed"
    return RunRow(
        name=folder.name,
        state=state,
        recipe=str(facts.get("recipe", "")),
        updated=str(facts.get("updated", "")),
        stages=stages,
        accuracy=accuracy,
        bundle=str(facts.get("bundle", "")),
        size_mb=_size_mb(folder.root),
    )


def _finished_and_accuracy(facts: dict[str, Any]) -> tuple[int, float | None]:
    """How many stages are finished, and the accuracy on the test set. Raises: ValueError: they are of another kind."""
    accuracy = _object(_object(_object(facts, "metrics"), "test"), "accuracy").get("value")
    if accuracy is not None and (type(accuracy) not in (int, float) or not 0 <= accuracy <= 1):
        raise ValueError(f"its test accuracy is {accuracy!r:.80}, no number from 0 to 1")
    return len(_object(facts, "stages")), accuracy


def _object(facts: dict[str, Any], key: str) -> dict[str, Any]:
    """That part of a run.json; empty where it is not there yet. Raises: ValueError: it is no JSON object."""
    part = facts.get(key, {})
    if not isinstance(part, dict):
        raise ValueError(f"its {key!r} is no JSON object")
    return part


def _size_mb(folder: Path) -> float:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # gone since, or not ours to look at
            size += path.lstat().st_size
    return size / 1e6
