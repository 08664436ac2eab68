"""Laws that every layout keeps, and folders that are no dataset."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.layouts import LAYOUTS, OUTSIDE, list_dataset, listing_fingerprint
from automl.errors import DataError, RecipeError
from automl.recipe.model import Data
from tests.data.trees import make

# One dataset of two classes for each row: six images that count.
SAMPLES: dict[str, dict[str, bytes]] = {
    "flat": {f"{label}/{n}.png": b"x" for label in ("cat", "dog") for n in range(3)},
    "nested": {f"{label}/day {n}/{n}.png": b"x" for label in ("cat", "dog") for n in range(3)},
    "parts": {f"{part}/{label}/1.png": b"x" for label in ("cat", "dog") for part in ("train", "val", "test")},
    "manifest": {
        "labels.csv": b"path,label\n"
        + b"".join(f"photos/{n}.png,{'cat' if n < 3 else 'dog'}\n".encode() for n in range(6)),
        **{f"photos/{n}.png": b"x" for n in range(6)},
    },
    "metadata": {
        **{f"{part}/metadata.csv": b"file_name,label\nc.png,cat\nd.png,dog\n" for part in ("train", "val", "test")},
        **{f"{part}/{name}.png": b"x" for part in ("train", "val", "test") for name in "cd"},
    },
}
NAMES = [row.name for row in LAYOUTS]


def _write(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def test_every_row_has_a_sample_and_a_name_of_its_own_that_a_recipe_can_give() -> None:
    assert sorted(SAMPLES) == sorted(set(NAMES)) == sorted(NAMES)
    assert set(get_args(Data.model_fields["layout"].annotation)) == {"auto", *NAMES}
    assert len({row.title for row in LAYOUTS}) == len(LAYOUTS)


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_of_the_row_is_found_to_be_one_and_says_from_what(tmp_path: Path, name: str) -> None:
    listing = list_dataset(_write(tmp_path, SAMPLES[name]))

    title, _, source = listing.layout.partition(": ")
    assert title == next(row.title for row in LAYOUTS if row.name == name)
    assert source
    assert listing.root == str(tmp_path.resolve())
    assert listing.classes == ("cat", "dog")
    assert Counter(file.label for file in listing.files) == {"cat": 3, "dog": 3}


@pytest.mark.parametrize("name", NAMES)
def test_files_are_there_each_once_in_the_order_of_their_paths(tmp_path: Path, name: str) -> None:
    listing = list_dataset(_write(tmp_path, SAMPLES[name]))

    paths = [file.path for file in listing.files]
    assert paths == sorted(set(paths))
    assert all((tmp_path / path).is_file() and not path.startswith("/") for path in paths)


@pytest.mark.parametrize("name", NAMES)
def test_the_row_can_be_asked_for_by_name_and_then_reads_the_same(tmp_path: Path, name: str) -> None:
    _write(tmp_path, SAMPLES[name])
    asked = Data.model_validate({"layout": name})

    assert list_dataset(tmp_path, data=asked) == list_dataset(tmp_path)


@pytest.mark.parametrize("asked", NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_is_asked_for_is_taken_or_refused_and_never_replaced(tmp_path: Path, name: str, asked: str) -> None:
    _write(tmp_path, SAMPLES[name])
    title = next(row.title for row in LAYOUTS if row.name == asked)

    with contextlib.suppress(DataError):
        assert list_dataset(tmp_path, data=Data.model_validate({"layout": asked})).layout.startswith(f"{title}: ")


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_beside_is_counted_and_changes_nothing(tmp_path: Path, name: str) -> None:
    before = list_dataset(_write(tmp_path, SAMPLES[name]))
    make(tmp_path, ".DS_Store", "Thumbs.db", ".git/x.png", "notes.txt", "cat/Thumbs.db", "cat/.hidden.png")

    after = list_dataset(tmp_path)

    assert (after.layout, after.files) == (before.layout, before.files)
    assert Counter(after.ignored) - Counter(before.ignored) == {
        "hidden": 3, "Thumbs.db": 2, "suffix .txt": 1
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_class_can_be_dropped_and_a_small_one_is_refused(tmp_path: Path, name: str) -> None:
    _write(tmp_path, SAMPLES[name])

    with pytest.raises(DataError, match=r"2 of 2 classes have too few images: 'cat' with 3, 'dog' with 3"):
        list_dataset(tmp_path, least=4)
    with pytest.raises(DataError, match=r"one class with images, 'dog' after check\.drop_classes took out cat"):
        list_dataset(tmp_path, ("cat",))


@pytest.mark.parametrize("name", NAMES)
def test_the_fingerprint_of_the_row_is_that_of_its_files(tmp_path: Path, name: str) -> None:
    _write(tmp_path / "one", SAMPLES[name])
    before = listing_fingerprint(list_dataset(tmp_path / "one"))
    (tmp_path / "one").rename(tmp_path / "two")  # it may move

    assert listing_fingerprint(list_dataset(tmp_path / "two")) == before
    touched = tmp_path / "two" / list_dataset(tmp_path / "two").files[0].path
    os.utime(touched, ns=(1, 1))
    assert listing_fingerprint(list_dataset(tmp_path / "two")) != before


WORDS = st.sampled_from(["cat", "dog", "train", "val", "test", "images", "masks", "batch 1", "Cat", ".x"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=3), min_size=1, max_size=12), st.integers(1, 2))
def test_any_tree_is_a_listing_of_some_of_its_images_or_refused_as_data(trees: list[list[str]], level: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = {"/".join([*folders, f"{n}.png"]) for n, folders in enumerate(trees)}
        make(root, *made)
        with contextlib.suppress(DataError):
            listing = list_dataset(root, data=Data(level=level))
            paths = {file.path for file in listing.files}
            assert paths <= made
            assert len(listing.classes) > 1
            assert {file.label for file in listing.files} == set(listing.classes)
            hidden = sum("/." in f"/{path}" for path in made)  # each counted by its highest hidden folder
            outside = listing.ignored.get(OUTSIDE, 0)
            assert len(paths) + outside == len(made) - hidden


def test_classes_that_are_too_small_are_told_from_their_names_alone(tmp_path: Path) -> None:
    make(tmp_path, *(f"a/{n}.png" for n in range(4)), "b/1.png", "c/1.png", "c/2.png")

    with pytest.raises(DataError, match=r"2 of 3 classes have too few images: 'b' with 1, 'c' with 2\. Wanted: .* 4"):
        list_dataset(tmp_path, least=4)
    with pytest.raises(DataError, match="1 of 2 classes"):
        list_dataset(tmp_path, ("b",), least=4)


def test_a_dataset_that_is_itself_a_link_is_read(tmp_path: Path) -> None:
    make(tmp_path / "real", "a/1.png", "b/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert len(list_dataset(tmp_path / "link").files) == 2


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ((), r"holds no image\. A dataset looks like one of: CLASS/ .*train/CLASS/.*Check the path"),
        (("notes.txt",), r"holds no image \(passed over: 1 x suffix \.txt\)"),
        (
            ("1.png", "2.png"),
            r"2 image\(s\), but no folders of classes\. A.*one folder a class, or list them in a manifest\.",
        ),
        (("cat/1.png", "cat/2.png"), r"one class with images, 'cat'\. Wanted: at least two classes"),
        (
            ("set/cat/1.png", "set/dog/1.png"),
            r"one class with images, 'set'.*give that folder's path, for example .*set",
        ),
    ],
)
def test_a_folder_that_is_no_dataset_is_refused_with_what_was_wanted(
    tmp_path: Path, paths: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        list_dataset(make(tmp_path, *paths))


def test_no_such_folder_and_a_file_instead_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nothing.*Check the path"):
        list_dataset(tmp_path / "nothing")
    with pytest.raises(
        DataError,
        match=r"x\.rar is a file\. Wanted: the dataset's folder, its archive \(\.zip, .*\.tar\.gz.*\) or its manifest "
        r"\(\.csv,.*Unpack an archive of another kind first\.",
    ):
        list_dataset(make(tmp_path, "x.rar") / "x.rar")


def test_a_path_that_the_system_refuses_is_refused_as_data_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path, why in (
        (tmp_path / ("x" * 300), f"{'x' * 300} cannot be looked at: File name too long."),
        (tmp_path / "loop", "loop cannot be looked at: Too many levels of symbolic links."),
        (tmp_path / "a\0b", "a\\x00b' cannot be looked at: embedded null byte."),
    ):
        with pytest.raises(DataError) as caught:
            list_dataset(path)
        assert f"{why} Wanted: the dataset's folder." in str(caught.value)
        assert str(caught.value).isprintable()
    with pytest.raises(DataError, match=r"/dev/null is no folder, but a pipe, a device or a socket\. Wanted: "):
        list_dataset(Path("/dev/null"))


def test_dropped_classes_are_gone_and_unknown_ones_name_the_nearest(tmp_path: Path) -> None:
    make(tmp_path, "rose/1.png", "tulip/1.png", "weed/1.png")

    assert list_dataset(tmp_path, ("weed",)).classes == ("rose", "tulip")
    assert {file.label for file in list_dataset(tmp_path, ("weed",)).files} == {"rose", "tulip"}
    with pytest.raises(RecipeError, match=r"check\.drop_classes names 'roze'.*nearest of its 3 is 'rose'"):
        list_dataset(tmp_path, ("roze",))
    with pytest.raises(
        DataError, match=r"one class with images, 'rose' after check\.drop_classes took out tulip, weed"
    ):
        list_dataset(tmp_path, ("tulip", "weed"))


def test_the_fingerprint_changes_when_a_file_does_and_not_otherwise(tmp_path: Path) -> None:
    make(tmp_path, "a/0.png", "a/1.png", "b/1.png")
    before = listing_fingerprint(list_dataset(tmp_path))

    assert listing_fingerprint(list_dataset(tmp_path)) == before
    make(tmp_path, "notes.txt")
    assert listing_fingerprint(list_dataset(tmp_path)) == before
    os.utime(tmp_path / "a" / "1.png", ns=(1, 1))
    touched = listing_fingerprint(list_dataset(tmp_path))
    assert touched != before
    (tmp_path / "a" / "1.png").rename(tmp_path / "b" / "2.png")
    assert listing_fingerprint(list_dataset(tmp_path)) not in {before, touched}
