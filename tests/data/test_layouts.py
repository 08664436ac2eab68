from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from automl.data.files import OWN
from automl.data.layouts import LAYOUTS, list_dataset, listing_fingerprint, part_of
from automl.errors import DataError, RecipeError


def _make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return root


def test_layout_names_are_unique_and_there_are_two() -> None:
    assert len({row.name for row in LAYOUTS}) == len(LAYOUTS) == 2


def test_folder_per_class_takes_nested_folders_into_the_class(tmp_path: Path) -> None:
    listing = list_dataset(_make(tmp_path, "cat/1.png", "cat/more/deep/2.JPG", "dog/batch 1/1.webp"))

    assert listing.layout == "folder per class"
    assert listing.classes == ("cat", "dog")
    found = [(file.path, file.label, file.part) for file in listing.files]
    assert found == [
        ("cat/1.png", "cat", None),
        ("cat/more/deep/2.JPG", "cat", None),
        ("dog/batch 1/1.webp", "dog", None),
    ]
    assert listing.files[0].size_bytes == len("cat/1.png")


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("train", "train"), ("Training", "train"), ("train_set", "train"), ("TRAIN-images", "train"),
        ("val", "validation"), ("valid", "validation"), ("Validation", "validation"), ("dev", "validation"),
        ("test", "test"), ("Testing data", "test"), ("cat", None), ("trainer", None), ("testimony", None),
    ],
)  # fmt: skip
def test_part_folders_are_known_in_their_usual_spellings(folder: str, part: str | None) -> None:
    assert part_of(folder) == part


@pytest.mark.parametrize("folders", [("train", "test"), ("Train", "val"), ("training", "Validation", "TEST")])
def test_part_folders_of_classes_give_the_parts(tmp_path: Path, folders: tuple[str, ...]) -> None:
    _make(tmp_path, *[f"{folder}/{label}/{folder}.png" for folder in folders for label in ("a", "b")])

    listing = list_dataset(tmp_path)

    assert listing.layout == "train/val/test folders of classes"
    assert listing.classes == ("a", "b")
    assert {(file.path.split("/")[0], file.part) for file in listing.files} == {(f, part_of(f)) for f in folders}


@pytest.mark.parametrize("other", ["plane/1.png", "train/2.png"])
def test_a_class_that_is_called_train_is_a_class(tmp_path: Path, other: str) -> None:
    listing = list_dataset(_make(tmp_path, "train/1.png", "test/1.png", other))

    assert listing.layout == "folder per class"
    assert "train" in listing.classes


def test_a_flat_test_folder_beside_train_classes_is_passed_over_and_counted(tmp_path: Path) -> None:
    listing = list_dataset(_make(tmp_path, "train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png"))

    assert {file.part for file in listing.files} == {"train"}
    assert listing.ignored == {"image outside the class folders": 2}


def test_what_is_no_image_is_passed_over_and_counted(tmp_path: Path) -> None:
    _make(
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
    outside = _make(tmp_path / "outside", "secret.png", "folder/1.png")
    root = _make(tmp_path / "set", "a/1.png", "b/1.png")
    (root / "a" / "again.png").symlink_to(root / "b" / "1.png")
    (root / "a" / "out.png").symlink_to(outside / "secret.png")
    (root / "out").symlink_to(outside / "folder")
    (root / "a" / "loop").symlink_to(root / "a")
    (root / "b" / "dangling.png").symlink_to(root / "b" / "nothing.png")

    listing = list_dataset(root)

    assert [file.path for file in listing.files] == ["a/1.png", "a/again.png", "b/1.png"]
    assert listing.ignored == {"link that leaves the dataset": 2, "link to a folder, or to nothing": 2}


def test_runs_and_bundles_inside_the_dataset_are_no_classes(tmp_path: Path) -> None:
    _make(tmp_path, "a/1.png", "b/1.png", "runs/x/pack/samples.png", "exports/x/golden/1.png", "b/runs/2.png")

    listing = list_dataset(tmp_path, own=(tmp_path / "runs", tmp_path / "a" / ".." / "exports"))

    assert listing.classes == ("a", "b")
    assert [file.path for file in listing.files] == ["a/1.png", "b/1.png", "b/runs/2.png"]
    assert listing.ignored == {OWN: 2}


def test_runs_and_bundles_of_other_commands_are_told_by_what_they_hold(tmp_path: Path) -> None:
    _make(tmp_path, "a/1.png", "b/1.png", "old/x/run.json", "old/x/events.jsonl", "old/x/export/bundle/golden/1.png")
    _make(tmp_path, "b/shipped/bundle.json", "b/shipped/model.onnx", "b/shipped/golden/1.png")

    listing = list_dataset(tmp_path)

    assert [file.path for file in listing.files] == ["a/1.png", "b/1.png"]
    assert listing.ignored == {OWN: 2}


def test_a_class_that_is_the_folder_of_runs_is_told_in_the_refusal(tmp_path: Path) -> None:
    _make(tmp_path, "runs/1.png", "walks/1.png")

    with pytest.raises(
        DataError, match=r"one class with images, 'walks' \(passed over: 1 x folder of runs or bundles\)"
    ):
        list_dataset(tmp_path, own=(tmp_path / "runs",))


def test_the_dataset_itself_is_listed_also_where_runs_are_kept_in_it(tmp_path: Path) -> None:
    _make(tmp_path, "a/1.png", "b/1.png")

    assert len(list_dataset(tmp_path, own=(tmp_path,)).files) == 2


def test_classes_that_are_too_small_are_told_from_their_names_alone(tmp_path: Path) -> None:
    _make(tmp_path, *(f"a/{n}.png" for n in range(4)), "b/1.png", "c/1.png", "c/2.png")

    with pytest.raises(DataError, match=r"2 of 3 classes have too few images: 'b' with 1, 'c' with 2\. Wanted: .* 4"):
        list_dataset(tmp_path, least=4)
    with pytest.raises(DataError, match="1 of 2 classes"):
        list_dataset(tmp_path, ("b",), least=4)


def test_names_that_are_not_utf8_are_passed_over(tmp_path: Path) -> None:
    _make(tmp_path, "a/1.png", "b/1.png")
    Path(os.fsdecode(bytes(tmp_path / "a") + b"/\xff.png")).write_bytes(b"x")

    assert list_dataset(tmp_path).ignored == {"name that is not UTF-8": 1}


def test_a_dataset_that_is_itself_a_link_is_read(tmp_path: Path) -> None:
    _make(tmp_path / "real", "a/1.png", "b/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert len(list_dataset(tmp_path / "link").files) == 2


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ((), r"holds no image\. A dataset looks like one of: train/CLASS/.*Check the path"),
        (("notes.txt",), r"holds no image \(passed over: 1 x suffix \.txt\)"),
        (("1.png", "2.png"), r"2 image\(s\), but no folder of a class.*one folder a class"),
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
        list_dataset(_make(tmp_path, *paths))


def test_no_such_folder_and_a_file_instead_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nothing.*Check the path"):
        list_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"x\.zip is a file.*If it is an archive, unpack it first"):
        list_dataset(_make(tmp_path, "x.zip") / "x.zip")


def test_a_path_that_the_system_refuses_is_refused_as_data_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path, why in (
        (tmp_path / ("x" * 300), f"{'x' * 300} cannot be looked at: File name too long."),
        (tmp_path / "loop", "loop cannot be looked at: Too many levels of symbolic links."),
        (tmp_path / "a\0b", "a\\x00b' cannot be looked at: embedded null byte."),
        (Path("/dev/null"), "/dev/null is no folder, but a pipe, a device or a socket."),
    ):
        with pytest.raises(DataError) as caught:
            list_dataset(path)
        assert f"{why} Wanted: the dataset's folder." in str(caught.value)
        assert str(caught.value).isprintable()


def test_a_link_that_leads_back_to_itself_is_passed_over(tmp_path: Path) -> None:
    _make(tmp_path, "a/1.png", "b/1.png")
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
    _make(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(DataError, match="b cannot be listed: Permission denied"):
            list_dataset(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o755)


def test_dropped_classes_are_gone_and_unknown_ones_name_the_nearest(tmp_path: Path) -> None:
    _make(tmp_path, "rose/1.png", "tulip/1.png", "weed/1.png")

    assert list_dataset(tmp_path, ("weed",)).classes == ("rose", "tulip")
    assert {file.label for file in list_dataset(tmp_path, ("weed",)).files} == {"rose", "tulip"}
    with pytest.raises(RecipeError, match=r"check\.drop_classes names 'roze'.*nearest of its 3 is 'rose'"):
        list_dataset(tmp_path, ("roze",))
    with pytest.raises(
        DataError, match=r"one class with images, 'rose' after check\.drop_classes took out tulip, weed"
    ):
        list_dataset(tmp_path, ("tulip", "weed"))


def test_the_fingerprint_changes_when_a_file_does_and_not_otherwise(tmp_path: Path) -> None:
    _make(tmp_path, "a/0.png", "a/1.png", "b/1.png")
    before = listing_fingerprint(list_dataset(tmp_path))

    assert listing_fingerprint(list_dataset(tmp_path)) == before
    _make(tmp_path, "notes.txt")
    assert listing_fingerprint(list_dataset(tmp_path)) == before
    os.utime(tmp_path / "a" / "1.png", ns=(1, 1))
    touched = listing_fingerprint(list_dataset(tmp_path))
    assert touched != before
    (tmp_path / "a" / "1.png").rename(tmp_path / "b" / "2.png")
    assert listing_fingerprint(list_dataset(tmp_path)) not in {before, touched}
