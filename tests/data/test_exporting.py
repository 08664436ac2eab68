"""The export of a catalogue's dataset, with examples that the test makes: files, manifest, bounds, whole or nothing."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from automl.data import exporting
from automl.data.exporting import Example, Opened, export, headings, parts_of, suffix_of
from automl.data.layouts import list_dataset
from automl.data.named import CATALOGUES, FILES, STAMP
from automl.errors import DataError, DiskFull

NAME = Path("tfds:tiny")


def encoded(number: int, kind: str = "PNG") -> bytes:
    file = BytesIO()
    PillowImage.new("RGB", (4, 4), (number, 0, 0)).save(file, kind)
    return file.getvalue()


def tiny(**changes: Any) -> Opened:
    """Four cats and four dogs to train on, two of each to test, and a split without labels."""
    splits = {"train": 8, "test": 4, "unsupervised": 1}

    def examples(split: str) -> Iterator[Example]:
        for number in range(splits[split]):
            cells = {"species": ("cat", "dog")[number % 2], "id": f"{split}-{number}"}
            yield Example(split=split, encoded=encoded(number + 20 * len(split)), cells=cells)

    whole = Opened(
        version="tiny/1.0.0", columns=("id", "species"), label="species", splits=splits, size_bytes=0, examples=examples
    )
    return replace(whole, **changes)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the catalogue gives for any name; its value may be changed, or be an error."""
    answer: dict[str, Any] = {"opened": tiny()}

    def open_dataset(name: str) -> Opened:
        assert name == "tiny"
        if isinstance(answer["opened"], Exception):
            raise answer["opened"]
        return answer["opened"]

    monkeypatch.setattr(exporting, "need_catalogue", lambda dataset: CATALOGUES[0])
    monkeypatch.setattr(exporting, "load_entry", lambda entry: open_dataset)
    return answer


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / FILES / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("found")
def test_images_keep_their_bytes_and_the_manifest_is_read_like_any_other(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    folder = tmp_path / "dataset"
    assert export(NAME, folder, lambda done, total: told.append((done, total))) == 12

    table = rows(folder)
    assert list(table[0]) == ["path", "id", "label", "split"]
    assert [row["split"] for row in table] == ["train"] * 8 + ["test"] * 4
    assert (folder / FILES / table[3]["path"]).read_bytes() == encoded(3 + 100)
    assert told == [(number, 12) for number in range(1, 13)]
    stamp = json.loads((folder / STAMP).read_text())
    assert (stamp["version"], stamp["files"]) == ("tiny/1.0.0", 12)
    assert stamp["left_out"] == ["split 'unsupervised', 1 example(s)"]
    listing = list_dataset(folder / FILES)
    assert listing.layout == "manifest: labels.csv (path: path, label: label, part: split)"
    assert [(file.label, file.part) for file in listing.files[:2]] == [("cat", "train"), ("dog", "train")]
    assert {file.mtime_ns for file in listing.files} == {0}


@pytest.mark.usefixtures("found")
def test_a_second_export_has_the_same_files_and_replaces_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    (tmp_path / ".tmp-dataset").mkdir()
    (folder / FILES).mkdir(parents=True)
    (folder / FILES / "old.png").touch()
    export(NAME, folder)
    first = {path.name: path.read_bytes() for path in folder.rglob("*.*")}
    export(NAME, folder)
    assert {path.name: path.read_bytes() for path in folder.rglob("*.*")} == first
    assert "old.png" not in first
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def _damaged(split: str) -> Iterator[Example]:
    yield Example(split=split, encoded=encoded(1), cells={})
    raise OSError("truncated record at 17")


def _large(split: str) -> Iterator[Example]:
    yield Example(split=split, encoded=bytes(2000), cells={})


def _none(split: str) -> Iterator[Example]:
    yield Example(split=split, encoded=None, cells={})


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        (
            ValueError("Dataset tiny not found.\nAvailable: 1, 2"),
            r"cannot be had: ValueError: Dataset tiny not found\.",
        ),
        (ConnectionError(), r"cannot be had: ConnectionError\. Wanted.*network"),
        (tiny(examples=lambda split: iter(())), r"no example with an image in test, train"),
        (tiny(examples=_none), r"no example with an image"),
        (tiny(splits={}), r"\(there are none\)"),
        (tiny(examples=_large), r"refused: it has an image of 0 MB"),
        (tiny(examples=_damaged), r"truncated record at 17"),
    ],
    ids=["unknown name", "no network", "empty", "no images", "no splits", "too large", "damaged"],
)
def test_what_cannot_be_had_is_told_and_nothing_is_left(
    tmp_path: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch, opened: Any, words: str
) -> None:
    monkeypatch.setattr(exporting, "MAX_MEMBER_BYTES", 1000)
    found["opened"] = opened
    with pytest.raises(DataError, match=words):
        export(NAME, tmp_path / "dataset")
    assert list(tmp_path.iterdir()) == []


def test_the_packages_own_refusals_pass_as_they_are(tmp_path: Path, found: dict[str, Any]) -> None:
    found["opened"] = DataError("it has 2 images an example")
    with pytest.raises(DataError, match=r"^it has 2 images"):
        export(NAME, tmp_path / "dataset")


@pytest.mark.parametrize(("bound", "value"), [("MAX_MEMBERS", 5), ("MAX_BYTES", 300)])
def test_the_bounds_of_archives_hold(
    tmp_path: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(exporting, bound, value)
    with pytest.raises(DataError, match=r"tfds:tiny is refused: it has more than"):
        export(NAME, tmp_path / "dataset")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path: Path, found: dict[str, Any]) -> None:
    found["opened"] = tiny(size_bytes=10**18)
    with pytest.raises(DiskFull, match=r"take about 1,000,000,000,000 MB.*--runs"):
        export(NAME, tmp_path / "dataset")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_while_the_package_downloads_is_no_fault_of_the_data(
    tmp_path: Path, found: dict[str, Any]
) -> None:
    found["opened"] = OSError(28, "No space left on device", "/cache/x")
    with pytest.raises(DiskFull, match=r"no room to download tfds:tiny: .*/cache/x"):
        export(NAME, tmp_path / "dataset")


@pytest.mark.parametrize(
    ("splits", "parts"),
    [
        (("train", "test"), {"train": "train", "test": "test"}),
        (("train", "validation", "extra"), {"train": "train", "validation": "validation"}),
        (("full",), {"full": ""}),
        (("en", "test"), {"en": "", "test": "test"}),
        (("test",), {"test": "test"}),
    ],
)
def test_splits_become_parts(splits: tuple[str, ...], parts: dict[str, str]) -> None:
    assert parts_of(dict.fromkeys(splits, 1)) == parts


@pytest.mark.parametrize(
    ("columns", "label", "names"),
    [
        (("label", "id"), "label", ["label", "id"]),
        (("fine_label", "coarse_label"), None, ["fine_label", "coarse_label"]),
        (("kind", "label"), "kind", ["kind", "label"]),
        (("Path", "split", "kind"), "kind", ["label"]),
    ],
)
def test_the_columns_of_the_manifest(columns: tuple[str, ...], label: str | None, names: list[str]) -> None:
    assert list(headings(columns, label).values()) == names


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_the_suffix_is_told_by_the_first_bytes(kind: str) -> None:
    assert suffix_of(encoded(1, kind)) == {"JPEG": ".jpg", "TIFF": ".tif"}.get(kind, f".{kind.lower()}")
    assert suffix_of(b"no image") == ".jpg"


def test_a_cell_that_could_break_a_table_is_read_back(tmp_path: Path, found: dict[str, Any]) -> None:
    texts = ["a,b", 'say "x"', "two\r\nlines", "=1+1", "x\0y", "l" * 5000, "../../etc"]

    def examples(split: str) -> Iterator[Example]:
        for number, text in enumerate(texts):
            yield Example(split=split, encoded=encoded(number), cells={"species": text})

    found["opened"] = tiny(examples=examples, splits={"train": len(texts)})
    export(NAME, tmp_path / "dataset")
    table = rows(tmp_path / "dataset")
    assert [row["label"] for row in table[:4]] == texts[:4]
    assert [row["label"] for row in table[4:]] == ["x y", "l" * 1000, "../../etc"]
    assert all(re.fullmatch(r"images/0000/000000\d\.png", row["path"]) for row in table)
