from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.files import OWN
from automl.data.layouts import LAYOUTS, OUTSIDE, list_dataset, listing_fingerprint
from automl.data.reading import part_of
from automl.errors import DataError, RecipeError
from automl.recipe.model import Data


def _make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return root


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
    _make(tmp_path, ".DS_Store", "Thumbs.db", ".git/x.png", "notes.txt", "cat/Thumbs.db", "cat/.hidden.png")

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
        _make(root, *made)
        with contextlib.suppress(DataError):
            listing = list_dataset(root, data=Data(level=level))
            paths = {file.path for file in listing.files}
            assert paths <= made
            assert len(listing.classes) > 1
            assert {file.label for file in listing.files} == set(listing.classes)
            hidden = sum("/." in f"/{path}" for path in made)  # each counted by its highest hidden folder
            outside = listing.ignored.get(OUTSIDE, 0)
            assert len(paths) + outside == len(made) - hidden


def test_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    listing = list_dataset(_make(tmp_path, "cat/1.png", "cat/more/deep/2.JPG", "dog/batch 1/1.webp"))

    assert listing.layout == "nested folders below a class: cat/, dog/"
    assert listing.classes == ("cat", "dog")
    found = [(file.path, file.label, file.part) for file in listing.files]
    assert found == [
        ("cat/1.png", "cat", None),
        ("cat/more/deep/2.JPG", "cat", None),
        ("dog/batch 1/1.webp", "dog", None),
    ]
    assert listing.files[0].size_bytes == len("cat/1.png")
    assert [(finding.kind, finding.severity) for finding in listing.findings] == [("nested folders", "note")]


def test_two_full_folder_levels_are_told_and_the_second_can_be_chosen(tmp_path: Path) -> None:
    _make(tmp_path, *(f"{a}/character{n}/{i}.png" for a in ("Greek", "Latin") for n in (1, 2) for i in range(4)))

    first = list_dataset(tmp_path)
    (finding,) = first.findings
    assert first.classes == ("Greek", "Latin")
    assert (finding.kind, finding.severity, finding.count) == ("two folder levels", "warn", 4)
    assert "the label is the folder level 1 (2 classes), and level 2 could be meant as well (4 classes)" in finding.text
    assert finding.advice == "If so, --set data.level=2 makes labels such as 'Greek/character1'."

    second = list_dataset(tmp_path, data=Data(level=2))
    assert second.classes == ("Greek/character1", "Greek/character2", "Latin/character1", "Latin/character2")
    assert second.findings == ()
    with pytest.raises(DataError, match=r"no folders of classes by data\.level = 3.*take these settings out"):
        list_dataset(tmp_path, data=Data(level=3))


def test_parts_below_the_classes_are_named_as_what_they_are_not(tmp_path: Path) -> None:
    _make(tmp_path, *(f"{label}/{part}/1.png" for label in ("a", "b") for part in ("train", "test")))

    (finding,) = list_dataset(tmp_path).findings
    assert "have the names of parts, and are not read as such: parts stand above the classes" in finding.text


def test_images_that_lie_higher_than_the_level_are_outside_and_counted(tmp_path: Path) -> None:
    _make(tmp_path, "a/x/1.png", "a/y/1.png", "b/1.png", "2.png")

    assert list_dataset(tmp_path, data=Data(level=2)).ignored == {OUTSIDE: 2}
    assert list_dataset(_make(tmp_path / "flat", "a/1.png", "b/1.png", "2.png")).ignored == {OUTSIDE: 1}


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


PART_SETS = [
    ("train",),
    ("train", "test"),
    ("Train", "val"),
    ("training", "Validation", "TEST"),
    ("train_images", "valid"),
]


@pytest.mark.parametrize("folders", PART_SETS, ids="+".join)
def test_part_folders_of_classes_give_the_parts(tmp_path: Path, folders: tuple[str, ...]) -> None:
    _make(tmp_path, *[f"{folder}/{label}/{folder}.png" for folder in folders for label in ("a", "b")])

    listing = list_dataset(tmp_path)

    assert listing.layout == f"train/val/test folders of classes: {', '.join(f'{name}/' for name in sorted(folders))}"
    assert listing.classes == ("a", "b")
    assert {(file.path.split("/")[0], file.part) for file in listing.files} == {(f, part_of(f)) for f in folders}


@pytest.mark.parametrize("folders", [("val", "test"), ("test",), ("dev",)], ids="+".join)
def test_parts_without_train_are_refused(tmp_path: Path, folders: tuple[str, ...]) -> None:
    _make(tmp_path, *[f"{folder}/{label}/{folder}.png" for folder in folders for label in ("a", "b")])

    with pytest.raises(DataError, match=f"{sorted(folders)[0]}/.* and no train/ of classes: nothing could be learned"):
        list_dataset(tmp_path)


def test_a_class_that_is_called_train_is_a_class(tmp_path: Path) -> None:
    listing = list_dataset(_make(tmp_path, "train/1.png", "test/1.png", "plane/1.png"))

    assert listing.layout == "folder per class: plane/, test/, train/"
    nested = list_dataset(_make(tmp_path / "nested", "train/ice/1.png", "train/tgv/1.png", "plane/jet/1.png"))
    assert nested.classes == ("plane", "train")


def test_folders_with_the_names_of_parts_and_nothing_in_them_to_tell_are_a_question(tmp_path: Path) -> None:
    _make(tmp_path, "train/1.png", "train/2.png", "test/1.png")

    with pytest.raises(DataError, match=r"test/, train/ hold images, and no folders of classes.*data\.layout=flat"):
        list_dataset(tmp_path)
    assert list_dataset(tmp_path, data=Data(layout="flat")).classes == ("test", "train")


def test_a_folder_beside_parts_that_share_their_classes_is_outside(tmp_path: Path) -> None:
    _make(tmp_path, *(f"{part}/{label}/1.png" for part in ("train", "test") for label in ("a", "b")), "docs/fig.png")

    listing = list_dataset(tmp_path)
    assert listing.layout == "train/val/test folders of classes: test/, train/"
    assert listing.ignored == {OUTSIDE: 1}


def test_pictures_and_their_masks_are_no_classes(tmp_path: Path) -> None:
    _make(tmp_path, *(f"{name}/{n}.png" for name in ("images", "masks") for n in range(5)))
    with pytest.raises(
        DataError, match=r"task not supported yet: segmentation \(images/ and masks/ share 5 file names\)"
    ):
        list_dataset(tmp_path)
    suffixed = _make(tmp_path / "x", *(f"img/{n}.jpg" for n in "ab"), *(f"mask/{n}_mask.png" for n in "ab"))
    with pytest.raises(DataError, match="task not supported yet: segmentation"):
        list_dataset(suffixed)
    stills = _make(tmp_path / "y", *(f"photos/{n}.png" for n in "abc"), *(f"masks/venice{n}.png" for n in range(3)))
    assert list_dataset(stills).classes == ("masks", "photos")  # carnival masks


def test_labels_that_differ_by_spelling_are_told_and_merged_only_on_demand(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    _make(tmp_path, "Cat/1.png", "cat/1.png", "dog /1.png", "dog /2.png", "Dog/1.png", "bird/1.png")
    _make(tmp_path, f"{composed}/1.png", f"{composed}/2.png", f"{decomposed}/1.png")

    told = list_dataset(tmp_path)
    (finding,) = told.findings
    assert len(told.classes) == 7
    assert (finding.kind, finding.severity, finding.count) == ("labels that differ by spelling", "warn", 3)
    assert finding.text.startswith("3 class(es) are spelled in 6 ways that differ only by case, white space or Unicode")
    assert "'Cat' (1) into 'cat' (1)" in finding.text
    assert "'Dog' (1) into 'dog ' (2)" in finding.text  # none is the folded one: the most frequent
    assert "data.merge_labels=true" in finding.advice

    merged = list_dataset(tmp_path, data=Data(merge_labels=True))
    assert merged.classes == ("bird", composed, "cat", "dog ")
    assert [(finding.kind, finding.severity) for finding in merged.findings] == [("merged labels", "note")]
    assert {file.label for file in merged.files if file.path.startswith(decomposed)} == {composed}


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
        list_dataset(_make(tmp_path, *paths))


def test_no_such_folder_and_a_file_instead_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nothing.*Check the path"):
        list_dataset(tmp_path / "nothing")
    with pytest.raises(
        DataError, match=r"x\.rar is a file.*an archive of another kind than \.zip and \.tar, unpack it first"
    ):
        list_dataset(_make(tmp_path, "x.rar") / "x.rar")


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
