from __future__ import annotations

import os
from pathlib import Path

import pytest

from automl.records import Parted
from automl.runs.done import write_done
from automl.runs.folder import RunFolder
from automl.runs.summary import summarise


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run whose split is finished."""
    folder = RunFolder(tmp_path / "run")
    folder.write_record(Parted(per_part={"train": 2}, per_class={"a": {"train": 2}}, given=(), left_out=0, findings=()))
    write_done(folder.stage("split"), inputs={}, seconds=1, finished_at="now")
    return folder


def test_a_finished_stage_says_what_it_found(folder: RunFolder) -> None:
    assert summarise(folder)["parts"] == {"train": 2}


@pytest.mark.parametrize(("old", "new"), [(b"2", b"3"), (b"train", b"tests"), (b"{", b"")])
def test_a_record_that_is_not_as_it_was_written_says_nothing(folder: RunFolder, old: bytes, new: bytes) -> None:
    path = folder.record_json("split")
    path.write_bytes(path.read_bytes().replace(old, new))
    os.utime(path, ns=(1, 1))
    facts = summarise(folder)
    assert "parts" not in facts
    assert list(facts["stages"]) == ["split"]
