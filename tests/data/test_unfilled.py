"""Folders where classes lie that give no image."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.data.layouts import list_dataset
from automl.data.unfilled import unfilled
from automl.finding_table import UNFILLED
from automl.recipe.model import Data
from automl.types import Finding
from tests.data.trees import finding_of, make

FLAT = ("a/1.png", "b/1.png")
PARTS = tuple(f"{part}/{label}/1.png" for part in ("train", "val") for label in ("a", "b"))


def _told(root: Path, data: Data | None = None) -> list[tuple[str, tuple[str, ...]]]:
    found: tuple[Finding, ...] = list_dataset(root, data=data or Data()).findings
    return [(finding.severity, finding.paths) for finding in found if finding.kind == UNFILLED]


def test_a_class_of_pictures_that_are_not_read_stops_and_is_named_first_with_what_it_holds(tmp_path: Path) -> None:
    make(tmp_path, *FLAT, "e/readme.txt", "x/1.avif", "x/more/2.avif", "x/notes.txt")
    (tmp_path / "d").mkdir()

    finding = finding_of(list_dataset(tmp_path), UNFILLED)

    assert (finding.severity, finding.count, finding.paths) == ("stop", 3, ("x/", "d/", "e/"))
    assert "x/ (2 x suffix .avif, 1 x suffix .txt), d/ (no file), e/ (1 x suffix .txt)" in finding.text
    assert finding.advice == (
        "Convert pictures of formats that are not read to JPEG or PNG. Fill folders that are to be classes. "
        "Remove a folder that is no class."
    )


def test_a_class_of_images_without_suffixes_stops_and_one_that_is_empty_warns(tmp_path: Path) -> None:
    make(tmp_path / "one", *FLAT)
    (tmp_path / "one" / "c").mkdir()
    assert _told(tmp_path / "one") == [("warn", ("c/",))]

    (tmp_path / "one" / "c" / "photo").write_bytes(b"\xff\xd8\xff")
    finding = finding_of(list_dataset(tmp_path / "one"), UNFILLED)
    assert finding.severity == "stop"
    assert finding.advice == "Give images without a suffix theirs, such as .jpg. Remove a folder that is no class."


@pytest.mark.parametrize(
    ("paths", "empty", "level", "named"),
    [
        (PARTS, "test", 1, ("test/",)),
        (PARTS, "test/a", 1, ("test/",)),  # the whole part
        (PARTS, "val/c", 1, ("val/c/",)),
        (PARTS, "val/a/deeper", 1, ()),  # below a class
        (PARTS, "docs", 1, ()),  # beside the parts
        (("x/a/1.png", "y/b/1.png"), "x/c", 1, ()),
        (("x/a/1.png", "y/b/1.png"), "x/c", 2, ("x/c/",)),
        (("x/a/1.png", "y/b/1.png"), "z", 2, ("z/",)),
        (FLAT, ".c", 1, ()),
        (FLAT, "__MACOSX", 1, ()),
    ],
)
def test_folders_are_missed_where_the_layout_has_classes_or_parts(
    tmp_path: Path, paths: tuple[str, ...], empty: str, level: int, named: tuple[str, ...]
) -> None:
    make(tmp_path, *paths)
    (tmp_path / empty).mkdir(parents=True)

    assert _told(tmp_path, Data(level=level)) == ([("warn", named)] if named else [])


def test_folders_beside_a_manifest_are_no_classes(tmp_path: Path) -> None:
    make(tmp_path, "images/1.png", "images/2.png", "notes/1.heic")
    (tmp_path / "labels.csv").write_text("path,label\nimages/1.png,a\nimages/2.png,b\n")

    assert _told(tmp_path) == []


def test_a_folder_of_earlier_runs_is_none() -> None:
    folders = {"": {}, "a": {}, "runs_old": {"folder of runs or bundles": 2}, "c": {"hidden": 1}}

    assert unfilled(folders, ["a/1.png"], depth=1) == {"c": {"hidden": 1}}
