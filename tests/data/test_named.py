"""Datasets by name, as far as no package is needed: what a name is, and what is said where its package is missing."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from automl.data.archives import opened
from automl.data.named import (
    CATALOGUES,
    FILES,
    STAMP,
    catalogue_of,
    count_files,
    is_exported,
    is_named,
    left_out,
    need_catalogue,
    shown,
)
from automl.errors import UsageError


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", version)


@pytest.fixture
def all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda package: "1.0")


@pytest.mark.parametrize("dataset", ["flowers", "/data/tfds:mnist", "a/hf:b", "tfds", "tfds:", "kaggle:mnist", "C:x"])
def test_what_is_no_name_is_a_path(dataset: str) -> None:
    assert not is_named(Path(dataset))
    assert shown(Path(dataset)) == ""


def test_a_prefix_means_a_name_also_where_a_folder_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tfds:mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert is_named(Path("tfds:mnist"))
    assert not is_named(tmp_path / "tfds:mnist")


@pytest.mark.usefixtures("all_installed")
@pytest.mark.parametrize(
    "dataset",
    ["tfds:mnist", "tfds:mnist:3.0.1", "tfds:imagenette/160px-v2", "tfds:imagenette/160px-v2:1.0.0", "hf:mnist",
     "hf:ylecun/mnist", "hf:uoft-cs/cifar100:cifar100", "hf:/data/tables"],
)  # fmt: skip
def test_names_of_the_catalogues(dataset: str) -> None:
    assert f"{need_catalogue(Path(dataset)).prefix}:" == dataset[: dataset.index(":") + 1]


@pytest.mark.usefixtures("all_installed")
@pytest.mark.parametrize(
    ("dataset", "wanted"),
    [("tfds:huggingface:mnist", r"tfds:NAME\[/CONFIG\]\[:VERSION\]"), ("tfds:../x", "tfds:NAME"),
     ("tfds:Mnist", "tfds:"),
     ("hf:../x", r"hf:\[OWNER/\]NAME"), ("hf:a/b/c", "hf:"), ("hf:https://x.org/y.zip", "hf:"), ("hf:~/tables", "hf:")],
)  # fmt: skip
def test_what_is_no_name_of_a_catalogue_is_refused_with_how_one_looks(dataset: str, wanted: str) -> None:
    with pytest.raises(UsageError, match=rf"is no name of .*Wanted: {wanted}.*absolute path") as caught:
        need_catalogue(Path(dataset))
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(("dataset", "extra"), [("tfds:mnist", "tfds"), ("hf:ylecun/mnist", "hf")])
def test_where_the_package_is_missing_the_command_that_installs_it_is_told(
    dataset: str, extra: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=rf"not installed.*pip install 'automl\[{extra}\]'") as caught:
        count_files(Path(dataset), tmp_path / "dataset")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "dataset").exists()


def test_each_extra_that_is_told_is_one_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {row.prefix: row.package for row in CATALOGUES} == {
        row.prefix: re.split(r"[^\w-]", extras[row.prefix][0])[0] for row in CATALOGUES
    }


@pytest.mark.parametrize(
    ("dataset", "published"),
    [("tfds:mnist:3.0.1", "tfds:mnist:3.0.1"), ("hf:ylecun/mnist", "hf:ylecun/mnist"), ("hf:/home/me/x", "hf:x")],
)
def test_what_is_published_of_a_name_holds_no_folder(dataset: str, published: str) -> None:
    assert shown(Path(dataset)) == published


@pytest.mark.usefixtures("nothing_installed")
def test_what_was_exported_once_needs_no_package_any_more(tmp_path: Path) -> None:
    (tmp_path / FILES).mkdir()
    stamp = {"dataset": "tfds:mnist", "files": 7, "left_out": ["split 'extra', 3 example(s)"]}
    (tmp_path / STAMP).write_text(json.dumps(stamp))
    assert is_exported(Path("tfds:mnist"), tmp_path)
    assert count_files(Path("tfds:mnist"), tmp_path) == 7
    assert left_out(tmp_path) == ("split 'extra', 3 example(s)",)
    assert opened(Path("tfds:mnist"), tmp_path) == tmp_path / FILES
    assert not is_exported(Path("tfds:mnist:3.0.1"), tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"files": "7"}', '{"dataset": "tfds:mnist"'])
def test_a_stamp_that_is_not_whole_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / STAMP).write_text(text)
    assert not is_exported(Path("tfds:mnist"), tmp_path)
    assert left_out(tmp_path) == ()


def test_the_catalogues_are_told_apart_by_their_prefix() -> None:
    assert len({row.prefix for row in CATALOGUES}) == len(CATALOGUES) == 2
    for row in CATALOGUES:
        found = catalogue_of(Path(f"{row.prefix}:x"))
        assert found is row
