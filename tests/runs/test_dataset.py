"""A run of an archive: where its files come to lie, and what refuses to change them under a run's feet."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automl.errors import DataError, RunInUse
from automl.recipe.load import load_recipe
from automl.runs.begin import Request, begin
from automl.runs.dataset import files_in, is_brought, is_named, listing_of_archive, refuse_dataset
from automl.runs.done import write_done
from automl.runs.folder import RunFolder, name_from


def _pack(path: Path, *labels: str) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for label in labels:
            for number in range(4):
                packed.writestr(f"set/{label}/{number}.png", label)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs" / "set")
    folder.root.mkdir(parents=True)
    folder.lock.touch()
    return folder


def request_of(folder: RunFolder, dataset: Path, **options: Any) -> Request:
    exports = folder.root.parents[1] / "exports"
    recipe = load_recipe("demo")
    return Request(dataset=dataset, recipe=recipe, name="set", runs=folder.root.parent, exports=exports, **options)


def test_an_archive_is_listed_from_the_runs_own_folder_and_keeps_its_name(folder: RunFolder, tmp_path: Path) -> None:
    archive = _pack(tmp_path / "set.zip", "a", "b")
    request = request_of(folder, archive)
    heard: list[Mapping[str, Any]] = []

    assert is_brought(archive)
    assert not is_named(archive)
    assert files_in(archive, folder) == 8
    listing = listing_of_archive(request, folder, heard.append)
    run = begin(request, folder, listing, heard.append)

    assert listing.root == str(folder.dataset / "files" / "set")
    assert listing.classes == ("a", "b")
    assert run.facts["dataset"] == run.facts["settings"]["dataset"] == str(archive)
    assert heard[0] == {"event": "stage started", "stage": "extract", "does": "extract set.zip"}
    assert heard[8] == {"event": "progress", "stage": "extract", "done": 8, "total": 8, "text": "files extracted"}
    assert (heard[9]["event"], heard[9]["stage"]) == ("stage done", "extract")
    assert heard[10]["event"] == "run started"
    heard.clear()
    assert listing_of_archive(request, folder, heard.append) == listing
    assert heard == []


def test_a_refused_archive_leaves_nothing_in_a_run_that_was_not_begun(folder: RunFolder, tmp_path: Path) -> None:
    archive = _pack(tmp_path / "set.zip", "only")

    with pytest.raises(DataError, match=r"set\.zip has one class with images, 'only'") as caught:
        listing_of_archive(request_of(folder, archive), folder, lambda _: None)
    assert "files" not in str(caught.value)
    assert not folder.root.exists()


def test_an_archive_that_changed_after_check_is_not_extracted_over_what_was_checked(
    folder: RunFolder, tmp_path: Path
) -> None:
    archive = _pack(tmp_path / "set.zip", "a", "b")
    request = request_of(folder, archive)
    begin(request, folder, listing_of_archive(request, folder, lambda _: None), lambda _: None)
    folder.stage("check").mkdir()
    write_done(folder.stage("check"), inputs={}, seconds=1, finished_at="now")
    _pack(archive, "a", "c")
    os.utime(archive, (1, 1))

    with pytest.raises(RunInUse, match=r"set\.zip has changed since the run 'set' checked it.*--redo check"):
        listing_of_archive(request, folder, lambda _: None)
    assert (folder.dataset / "files" / "set" / "b" / "0.png").is_file()
    again = request_of(folder, archive, redo="check")
    assert listing_of_archive(again, folder, lambda _: None).classes == ("a", "c")


def test_a_dataset_is_refused_before_anything_is_written(folder: RunFolder, tmp_path: Path) -> None:
    recipe = load_recipe("demo").recipe
    refuse_dataset(_pack(tmp_path / "set.zip", "a", "b"), recipe, folder, own=())
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        packed.writestr("../out.png", "x")
    for path in (tmp_path / "bad.zip", tmp_path / "none"):
        with pytest.raises(DataError):
            refuse_dataset(path, recipe, folder, own=())
    assert not folder.dataset.exists()


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("a/flowers", "flowers"), ("a/flowers.tar.gz", "flowers"), ("a/Flowers 2.ZIP", "Flowers-2"), ("l.csv", "l"),
     ("v1.2", "v1.2"), (".zip", "zip")],
)  # fmt: skip
def test_a_run_is_named_after_its_dataset_without_the_suffix_of_a_file(dataset: str, name: str) -> None:
    assert name_from(Path(dataset)) == name
