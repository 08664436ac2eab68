"""A run of a dataset by name: exported once into its folder, by a child, and listed there like any manifest."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from automl import api
from automl.batches.jobs_file import load_jobs
from automl.data.named import FILES, STAMP
from automl.errors import DataError, DeadlinePassed, UsageError
from automl.recipe.load import load_recipe
from automl.runs.begin import Request, begin, settings_of
from automl.runs.dataset import files_in, is_brought, is_named, listing_of_brought, refuse_dataset, remarks_on
from automl.runs.folder import RunFolder, name_from
from tests.data.hf_tables import encoded, write_table

NAME = Path("tfds:tiny")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs" / "set")
    folder.root.mkdir(parents=True)
    folder.lock.touch()
    return folder


def request_of(folder: RunFolder, dataset: Path, **options: Any) -> Request:
    exports = folder.root.parents[1] / "exports"
    return Request(
        dataset=dataset, recipe=load_recipe("demo"), name="set", runs=folder.root.parent, exports=exports, **options
    )


def exported(folder: RunFolder, *labels: str) -> None:
    """What an export leaves."""
    files = folder.dataset / FILES
    (files / "images").mkdir(parents=True)
    lines = ["path,label,split"]
    for label in labels:
        for number in range(4):
            (files / "images" / f"{label}{number}.png").touch()
            lines.append(f"images/{label}{number}.png,{label},train")
    (files / "labels.csv").write_text("\r\n".join(lines) + "\r\n")
    stamp = {"dataset": str(NAME), "version": "tiny/1.0.0", "files": len(lines) - 1, "left_out": ["split 'extra'"]}
    (folder.dataset / STAMP).write_text(json.dumps(stamp))


def test_without_the_package_a_run_ends_before_it_begins_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = metadata.version

    def version(package: str) -> str:
        if package in ("tensorflow-datasets", "datasets"):
            raise metadata.PackageNotFoundError(package)
        return whole(package)

    monkeypatch.setattr(metadata, "version", version)
    for name, extra in (("tfds:mnist", "tfds"), ("hf:ylecun/mnist", "hf")):
        with pytest.raises(UsageError, match=rf"pip install 'automl\[{extra}\]'") as caught:
            api.run(name, recipe="demo", runs=tmp_path / "runs", exports=tmp_path / "exports")
        assert caught.value.exit_code == 2
        with pytest.raises(UsageError, match="not installed"):
            refuse_dataset(Path(name), load_recipe("demo").recipe, RunFolder(tmp_path / "runs" / "x"), own=())
    assert list(tmp_path.iterdir()) == []


def test_what_was_exported_is_listed_without_the_package_from_wherever_the_command_is_given(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(folder, "a", "b")
    request = request_of(folder, NAME)
    before = settings_of(request)
    monkeypatch.chdir(tmp_path)

    assert is_brought(NAME)
    assert is_named(NAME)
    assert files_in(NAME, folder) == 8
    listing = listing_of_brought(request, folder, lambda _: None)
    run = begin(request, folder, listing, lambda _: None)
    assert listing.root == str(folder.dataset / FILES)
    assert listing.classes == ("a", "b")
    assert run.facts["dataset"] == "tfds:tiny" == before["dataset"]
    assert settings_of(request) == before
    assert remarks_on(NAME, folder) == ("tfds:tiny: left out: split 'extra'",)
    assert remarks_on(tmp_path, folder) == ()


def test_what_is_refused_of_an_export_is_told_by_the_name_and_not_kept(folder: RunFolder) -> None:
    exported(folder, "only")
    with pytest.raises(DataError, match=r"^tfds:tiny has one class with images, 'only'"):
        listing_of_brought(request_of(folder, NAME), folder, lambda _: None)
    assert not folder.dataset.exists()


def test_the_childs_refusal_arrives_and_nothing_is_kept(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match=r"'tfds:NO' is no name of TensorFlow Datasets"):
        listing_of_brought(request_of(folder, Path("tfds:NO")), folder, lambda _: None)
    assert not folder.dataset.exists()


def test_a_deadline_ends_the_download(folder: RunFolder) -> None:
    with pytest.raises(DeadlinePassed, match="before tfds:tiny was downloaded"):
        listing_of_brought(request_of(folder, NAME, deadline_at=time.time() - 1), folder, lambda _: None)


@pytest.mark.skipif(find_spec("datasets") is None, reason="pip install 'automl[hf]'")
def test_a_name_is_exported_once_by_a_child_and_listed(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    images: list[dict[str, object]] = [{"bytes": encoded(number, "PNG"), "path": None} for number in range(8)]
    write_table(tmp_path / "set" / "train.parquet", images, [0, 1] * 4)
    name = Path(f"hf:{tmp_path / 'set'}")
    heard: list[Mapping[str, Any]] = []
    listing = listing_of_brought(request_of(folder, name), folder, heard.append)
    assert listing.classes == ("cat", "dog")
    assert len(listing.files) == files_in(name, folder) == 8
    assert {event["event"] for event in heard} == {"progress"}
    assert (heard[-1]["stage"], heard[-1]["done"], heard[-1]["total"]) == ("fetch", 8, 8)

    (tmp_path / "set" / "train.parquet").unlink()
    assert listing_of_brought(request_of(folder, name), folder, heard.append) == listing


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("tfds:mnist", "tfds-mnist"), ("tfds:a/b-1:2.0.0", "tfds-a-b-1-2.0.0"), ("hf:ylecun/mnist", "hf-ylecun-mnist"),
     ("hf:/home/me/x", "hf-x")],
)  # fmt: skip
def test_a_run_is_named_after_the_name(dataset: str, name: str) -> None:
    assert name_from(Path(dataset)) == name


def test_a_job_may_be_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("jobs:\n  - dataset: hf:ylecun/mnist\n  - dataset: flowers\n")
    jobs = load_jobs(tmp_path / "jobs.yaml")
    assert [(job.name, job.dataset) for job in jobs] == [
        ("hf-ylecun-mnist", Path("hf:ylecun/mnist")),
        ("flowers", tmp_path / "flowers"),
    ]
