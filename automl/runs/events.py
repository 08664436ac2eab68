"""events.jsonl: what happened in a run, in order. Append-only; a last line that was cut by a kill is ignored."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from automl.runs.atomic import named_in_errors

Event = Mapping[str, object]


def now_iso() -> str:
    """The time, ISO, UTC, whole seconds."""
    return datetime.now(UTC).isoformat("T", "seconds")


def append_event(path: Path, event: Event) -> None:
    """Add one event with the time, durably. A cut line before it is closed first, so that it spoils no other."""
    line = json.dumps({"at": datetime.now(UTC).isoformat("T", "milliseconds"), **event}, ensure_ascii=False) + "\n"
    with named_in_errors(path), path.open("ab+") as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = "\n" + line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read_events(path: Path) -> list[dict[str, object]]:
    """All whole events, oldest first; none where the file is absent."""
    if not path.exists():
        return []
    events = []
    for line in path.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def warnings_said(events: Iterable[Mapping[str, object]]) -> dict[str, list[str]]:
    """What each stage warned of in the attempt that counts: one that begins anew takes its earlier words back."""
    said: dict[str, list[str]] = {}
    for event in events:
        stage = str(event.get("stage", ""))
        if event.get("event") == "stage started":
            said[stage] = []
        elif event.get("event") == "warning":
            said.setdefault(stage, []).append(str(event.get("text", "")))
    return said


def datasets_published(events: Iterable[Mapping[str, object]]) -> set[str]:
    """Fingerprints of the data that the run's bundles were made of, whenever it was done."""
    done = (event.get("dataset_fingerprint") for event in events if event.get("event") == "run done")
    return {str(fingerprint) for fingerprint in done if fingerprint}
