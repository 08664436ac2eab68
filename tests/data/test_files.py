"""What of a dataset's folder is no image of it and how that is told, and folders that cannot be listed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from automl.data.layouts import list_dataset
from automl.data.passed import OWN
from automl.errors import DataError
from automl.types import N_EXAMPLES
from tests.data.trees import make


def test_what_is_no_image_is_passed_over_and_counted(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a/1.png",
        "b/1.png",
        "README.txt",
        "a/Thumbs.db",
        "a/.hidden.png",
        ".git/x.png",
        "b/noext",
        "b/x.heic",
    )

    listing = list_dataset(tmp_path)

    assert len(listing.files) == 2
    assert listing.ignored == {"suffix .txt": 1, "Thumbs.db": 1, "hidden": 2, "no suffix": 1, "suffix .heic": 1}


def test_links_are_followed_to_files_inside_the_dataset_alone(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", "secret.png", "folder/1.png")
    root = make(tmp_path / "set", "a/1.png", "b/1.png")
    (root / "a" / "again.png").symlink_to(root / "b" / "1.png")
    (root / "a" / "out.png").symlink_to(outside / "secret.png")
    (root / "out").symlink_to(outside / "folder")
    (root / "a" / "loop").symlink_to(root / "a")
    (root / "b" / "dangling.png").symlink_to(root / "b" / "nothing.png")

    listing = list_dataset(root)

    assert [file.path for file in listing.files] == ["a/1.png", "a/again.png", "b/1.png"]
    assert listing.ignored == {"link that leaves the dataset": 2, "link to a folder, or to nothing": 2}


def test_runs_and_bundles_inside_the_dataset_are_no_classes(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/1.png", "runs/x/pack/samples.png", "exports/x/golden/1.png", "b/runs/2.png")

    listing = list_dataset(tmp_path, own=(tmp_path / "runs", tmp_path / "a" / ".." / "exports"))

    assert listing.classes == ("a", "b")
    assert [file.path for file in listing.files] == ["a/1.png", "b/1.png", "b/runs/2.png"]
    assert listing.ignored == {OWN: 2}


def test_runs_and_bundles_of_other_commands_are_told_by_what_they_hold(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/1.png", "old/x/run.json", "old/x/events.jsonl", "old/x/export/bundle/golden/1.png")
    make(tmp_path, "b/shipped/bundle.json", "b/shipped/model.onnx", "b/shipped/golden/1.png")

    listing = list_dataset(tmp_path)

    assert [file.path for file in listing.files] == ["a/1.png", "b/1.png"]
    assert listing.ignored == {OWN: 2}


def test_a_class_that_is_the_folder_of_runs_is_told_in_the_refusal(tmp_path: Path) -> None:
    make(tmp_path, "runs/1.png", "walks/1.png")

    with pytest.raises(
        DataError, match=r"one class with images, 'walks' \(passed over: 1 x folder of runs or bundles\)"
    ):
        list_dataset(tmp_path, own=(tmp_path / "runs",))


def test_the_dataset_itself_is_listed_also_where_runs_are_kept_in_it(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/1.png")

    assert len(list_dataset(tmp_path, own=(tmp_path,)).files) == 2


def test_names_that_are_not_utf8_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/1.png")
    Path(os.fsdecode(bytes(tmp_path / "a") + b"/\xff.png")).write_bytes(b"x")

    assert list_dataset(tmp_path).ignored == {"name that is not UTF-8": 1}


def test_a_link_that_leads_back_to_itself_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "loop.png").symlink_to("loop.png")
    assert list_dataset(tmp_path).ignored == {"link to a folder, or to nothing": 1}


def test_a_disk_that_fails_while_the_dataset_is_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(DataError, match="cannot be listed: Input/output error. Wanted: a dataset that this user may"):
        list_dataset(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(DataError, match="b cannot be listed: Permission denied"):
            list_dataset(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o755)


def test_a_file_without_a_suffix_that_begins_as_an_image_is_told_apart_and_a_pipe_is_not_opened(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/1.png", "b/LICENSE", "b/BMW notes")
    (tmp_path / "a" / "photo").write_bytes(b"\xff\xd8\xff\xe0 and so on")
    (tmp_path / "a" / "phone").write_bytes(b"\x00\x00\x00\x18ftypheic and so on")
    os.mkfifo(tmp_path / "a" / "pipe")

    listing = list_dataset(tmp_path)

    assert listing.ignored == {"image without a suffix": 2, "no suffix": 3}
    assert listing.ignored_paths == ("a/phone", "a/pipe", "a/photo", "b/BMW notes", "b/LICENSE")


def test_examples_of_every_kind_are_named_those_that_may_surprise_first(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/1.png", ".git/x", "a/0.txt", "a/clip.mp4", *(f"b/{n:02}.heic" for n in range(30)))
    Path(os.fsdecode(bytes(tmp_path / "a") + b"/\xff.png")).write_bytes(b"x")

    paths = list_dataset(tmp_path).ignored_paths

    assert paths[:4] == ("b/00.heic", repr("a/\udcff.png"), "a/clip.mp4", "b/01.heic")
    assert len(paths) == N_EXAMPLES
    assert ".git" not in paths  # others leave it no room
