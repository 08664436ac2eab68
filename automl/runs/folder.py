"""Where everything of a run lies.

runs/NAME/ holds run.json, recipe.yaml, events.jsonl, log.txt, lock, one folder a stage, and, of an archive or a name,
dataset/; of backbones of the user's own, backbones/.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from automl.code import load_entry
from automl.errors import StageFailed, UsageError
from automl.runs.atomic import write_bytes
from automl.stage_table import NAME_SHOWN, STAGES

R = TypeVar("R")

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
FILES: Final = re.compile(
    r"(?<=.)\.(zip|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz)|csv|tsv|jsonl|ndjson|parquet)$", re.IGNORECASE
)
"""Suffixes of a dataset that is a file."""
_STAGE_OF_RECORD: Final = {stage.record: stage.name for stage in STAGES}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def run_json(self) -> Path:
        return self.root / "run.json"

    @property
    def recipe_yaml(self) -> Path:
        return self.root / "recipe.yaml"

    @property
    def events_jsonl(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def rehearsal_json(self) -> Path:
        return self.root / "rehearsal.json"

    @property
    def log_txt(self) -> Path:
        return self.root / "log.txt"

    @property
    def backbones(self) -> Path:
        """The run's copies of the user's own backbones, a folder each; nets/own knows them."""
        return self.root / "backbones"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def dataset(self) -> Path:
        """The files of a dataset that is an archive or a name; automl/data/archives.py and named.py know them."""
        return self.root / "dataset"

    def earlier(self, stage: str) -> Path:
        """A stage's folder from before; there until the new one has taken over what still holds (check and pick)."""
        return self.root / f"{stage}-before"

    def stage(self, name: str) -> Path:
        """The folder of one stage."""
        return self.root / name

    def is_run(self) -> bool:
        """Whether the folder holds a run of ours, whole or not; one file named run.json may be anybody's."""
        begun = self.run_json.is_file() or any(self.done_json(stage.name).is_file() for stage in STAGES)
        return begun and any(path.is_file() for path in (self.lock, self.recipe_yaml, self.events_jsonl))

    def done_json(self, stage: str) -> Path:
        """Written last: whoever sees it may trust every other file of the stage."""
        return self.root / stage / "done.json"

    def record_json(self, stage: str) -> Path:
        return self.root / stage / "record.json"

    @staticmethod
    def stage_of(kind: type[object]) -> str:
        """The stage that writes records of that class."""
        return _STAGE_OF_RECORD[kind.__name__]

    def record(self, kind: type[R]) -> R:
        """Read the record of that class. Raises: StageFailed: it is not there, or not whole."""
        path = self.record_json(self.stage_of(kind))
        try:
            return TypeAdapter(kind).validate_json(path.read_bytes())
        except ValidationError as error:
            raise _broken(path, error.errors(include_url=False)[0]["msg"]) from error
        except OSError as error:
            raise _broken(path, error.strerror or str(error)) from error

    def rehearsed_s(self, backbone: str) -> float | None:
        """Seconds that the rehearsal of a backbone's export took; None: it was not tried, or is not told."""
        try:
            seconds = json.loads(self.rehearsal_json.read_bytes())["seconds"][backbone]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return float(seconds) if isinstance(seconds, int | float) else None

    def write_record(self, record: object) -> None:
        """Write a record of automl.records into its stage's folder, durably."""
        kind = type(record)
        write_bytes(self.record_json(self.stage_of(kind)), TypeAdapter(kind).dump_json(record, indent=2))


def _broken(record: Path, why: str) -> StageFailed:
    stage = record.parent.name
    return StageFailed(
        f"{record} cannot be read: {why}. Wanted: the record that the stage {stage!r} writes. "
        f"Do it again, and all after it: --redo {stage}."
    )


def check_name(name: str) -> str:
    """The name, if it can be a run's. Raises: UsageError."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a run. Wanted: 1 to 80 letters, digits, '.', '_' and '-', "
            "the first a letter or digit. Choose another with --name."
        )
    return name


def name_from(dataset: Path) -> str:
    """A name after the dataset's folder, manifest, archive or name, with what a run's cannot hold replaced by '-'."""
    own = load_entry(NAME_SHOWN)(dataset) or FILES.sub("", dataset.absolute().name)
    assert isinstance(own, str)
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", own).strip("-._")
    return slug[:80] or "dataset"
