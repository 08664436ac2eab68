"""What a check says where it fails: no word of a run that is gone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from automl.errors import ResourceMissing, StageFailed
from automl.recipe.load import load_recipe
from automl.runs import checking, resources
from automl.runs.checking import CheckRequest, check_dataset
from automl.runs.refused import GO_ON
from tests.conftest import write_bars


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, for this test alone."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def _request(dataset: Path) -> CheckRequest:
    return CheckRequest(dataset=dataset, recipe=load_recipe("demo"), exports=dataset.parent / "exports")


def test_a_fault_keeps_the_log_alone_and_names_it(tmp_path, temporary, monkeypatch):
    def fail(request, hear):
        log = request.runs / request.name / "log.txt"
        log.parent.mkdir()
        log.write_text("the whole story")
        raise StageFailed(f"ValueError: no (the whole story is in {log}). {GO_ON}")

    monkeypatch.setattr(checking, "execute", fail)

    with pytest.raises(StageFailed) as failed:
        check_dataset(_request(tmp_path), lambda _: None)

    (kept,) = temporary.iterdir()
    assert kept.read_text() == "the whole story"
    assert str(failed.value) == f"ValueError: no (the whole story is in {kept})."


def test_a_full_temporary_disk_is_told_before_anything_is_opened_with_the_way_to_another(
    tmp_path, temporary, monkeypatch
):
    write_bars(tmp_path / "bars", per_class=6, size_px=8)
    monkeypatch.setattr(resources, "least_room_mb", lambda *_, **__: 10**9)

    with pytest.raises(
        ResourceMissing,
        match=r"Wanted: 1,000,000,000 MB for the packed images\. Make room, name another folder by TMPDIR",
    ):
        check_dataset(_request(tmp_path / "bars"), lambda _: None)
    assert list(temporary.iterdir()) == []
