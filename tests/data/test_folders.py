"""Datasets whose labels are folders' names: levels, parts, masks, spellings."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.data.layouts import OUTSIDE, list_dataset
from automl.data.reading import part_of
from automl.errors import DataError
from automl.recipe.model import Data
from tests.data.trees import make


def test_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    listing = list_dataset(make(tmp_path, "cat/1.png", "cat/more/deep/2.JPG", "dog/batch 1/1.webp"))

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
    make(tmp_path, *(f"{a}/character{n}/{i}.png" for a in ("Greek", "Latin") for n in (1, 2) for i in range(4)))

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
    make(tmp_path, *(f"{label}/{part}/1.png" for label in ("a", "b") for part in ("train", "test")))

    (finding,) = list_dataset(tmp_path).findings
    assert "have the names of parts, and are not read as such: parts stand above the classes" in finding.text


def test_images_that_lie_higher_than_the_level_are_outside_and_counted(tmp_path: Path) -> None:
    make(tmp_path, "a/x/1.png", "a/y/1.png", "b/1.png", "2.png")

    assert list_dataset(tmp_path, data=Data(level=2)).ignored == {OUTSIDE: 2}
    assert list_dataset(make(tmp_path / "flat", "a/1.png", "b/1.png", "2.png")).ignored == {OUTSIDE: 1}


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("train", "train"), ("Training", "train"), ("train_set", "train"), ("TRAIN-images", "train"),
        ("val", "validation"), ("valid", "validation"), ("Validation", "validation"), ("dev", "validation"),
        ("test", "test"), ("Testing data", "test"), ("cat", None), ("trainer", None), ("testimony", None),
        ("PublicTest", "validation"), ("PrivateTest", "test"),
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
    make(tmp_path, *[f"{folder}/{label}/{folder}.png" for folder in folders for label in ("a", "b")])

    listing = list_dataset(tmp_path)

    assert listing.layout == f"train/val/test folders of classes: {', '.join(f'{name}/' for name in sorted(folders))}"
    assert listing.classes == ("a", "b")
    assert {(file.path.split("/")[0], file.part) for file in listing.files} == {(f, part_of(f)) for f in folders}


@pytest.mark.parametrize("folders", [("val", "test"), ("test",), ("dev",)], ids="+".join)
def test_parts_without_train_are_refused(tmp_path: Path, folders: tuple[str, ...]) -> None:
    make(tmp_path, *[f"{folder}/{label}/{folder}.png" for folder in folders for label in ("a", "b")])

    with pytest.raises(DataError, match=f"{sorted(folders)[0]}/.* and no train/ of classes: nothing could be learned"):
        list_dataset(tmp_path)


def test_a_class_that_is_called_train_is_a_class(tmp_path: Path) -> None:
    listing = list_dataset(make(tmp_path, "train/1.png", "test/1.png", "plane/1.png"))

    assert listing.layout == "folder per class: plane/, test/, train/"
    nested = list_dataset(make(tmp_path / "nested", "train/ice/1.png", "train/tgv/1.png", "plane/jet/1.png"))
    assert nested.classes == ("plane", "train")


@pytest.mark.parametrize(
    ("train", "other"), [("train", "evaluation"), ("Training", "hold_out"), ("train", "train2"), ("train", "extra")]
)
def test_a_folder_with_the_classes_of_train_and_a_name_of_no_part_is_a_question(
    tmp_path: Path, train: str, other: str
) -> None:
    make(tmp_path, *(f"{top}/{label}/1.png" for top in (train, other) for label in "ab"), f"{train}/c/1.png")

    with pytest.raises(DataError) as caught:
        list_dataset(tmp_path)
    told = str(caught.value)
    assert f"{train}/ and {other}/ hold the same folders (a, b): by its name {other}/ is no part" in told
    assert "Rename it to one of these (val or test beside train), merge it into the part that it belongs to" in told
    assert "--set data.layout=parts leaves it out, --set data.layout=nested makes the top folders the classes" in told
    assert list_dataset(tmp_path, data=Data(layout="nested")).classes == tuple(sorted((train, other)))
    assert list_dataset(tmp_path, data=Data(layout="parts")).classes == ("a", "b", "c")


def test_several_folders_with_the_classes_of_test_are_a_question_as_well(tmp_path: Path) -> None:
    make(tmp_path, *(f"{top}/{label}/1.png" for top in ("train_1", "train_2", "test") for label in "ab"))

    with pytest.raises(DataError, match=r"test/ and train_1/, train_2/ hold the same folders \(a, b\)") as caught:
        list_dataset(tmp_path)
    assert "data.layout=parts" not in str(caught.value)  # that has nothing to learn from


def test_folders_with_the_names_of_parts_and_nothing_in_them_to_tell_are_a_question(tmp_path: Path) -> None:
    make(tmp_path, "train/1.png", "train/2.png", "test/1.png")

    with pytest.raises(DataError, match=r"test/, train/ hold images, and no folders of classes.*data\.layout=flat"):
        list_dataset(tmp_path)
    assert list_dataset(tmp_path, data=Data(layout="flat")).classes == ("test", "train")


def test_a_folder_beside_parts_that_share_their_classes_is_outside(tmp_path: Path) -> None:
    make(tmp_path, *(f"{part}/{label}/1.png" for part in ("train", "test") for label in ("a", "b")), "docs/fig.png")

    listing = list_dataset(tmp_path)
    assert listing.layout == "train/val/test folders of classes: test/, train/"
    assert listing.ignored == {OUTSIDE: 1}


def test_pictures_and_their_masks_are_no_classes(tmp_path: Path) -> None:
    make(tmp_path, *(f"{name}/{n}.png" for name in ("images", "masks") for n in range(5)))
    with pytest.raises(
        DataError, match=r"task not supported yet: segmentation \(images/ and masks/ share 5 file names\)"
    ):
        list_dataset(tmp_path)
    suffixed = make(tmp_path / "x", *(f"img/{n}.jpg" for n in "ab"), *(f"mask/{n}_mask.png" for n in "ab"))
    with pytest.raises(DataError, match="task not supported yet: segmentation"):
        list_dataset(suffixed)
    stills = make(tmp_path / "y", *(f"photos/{n}.png" for n in "abc"), *(f"masks/venice{n}.png" for n in range(3)))
    assert list_dataset(stills).classes == ("masks", "photos")  # carnival masks


def test_labels_that_differ_by_spelling_are_told_and_merged_only_on_demand(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    make(tmp_path, "Cat/1.png", "cat/1.png", "dog /1.png", "dog /2.png", "Dog/1.png", "bird/1.png")
    make(tmp_path, f"{composed}/1.png", f"{composed}/2.png", f"{decomposed}/1.png")

    told = list_dataset(tmp_path)
    (finding,) = told.findings
    assert len(told.classes) == 7
    assert (finding.kind, finding.severity, finding.count) == ("labels that differ by spelling", "warn", 3)
    assert finding.text.startswith("3 class(es) are spelled in 6 ways that differ only by case, white space or Unicode")
    assert "'Cat' (1) into 'cat' (1)" in finding.text
    assert "'Dog' (1) into 'dog ' (2)" in finding.text  # none is the folded one: the most frequent
    assert r"'cafe\u0301' (1) into 'caf\xe9' (2)" in finding.text  # both look the same on a screen
    assert "data.merge_labels=true" in finding.advice

    merged = list_dataset(tmp_path, data=Data(merge_labels=True))
    assert merged.classes == ("bird", composed, "cat", "dog ")
    assert [(finding.kind, finding.severity) for finding in merged.findings] == [("merged labels", "note")]
    assert {file.label for file in merged.files if file.path.startswith(decomposed)} == {composed}


def test_a_flat_test_folder_beside_train_classes_is_passed_over_and_counted(tmp_path: Path) -> None:
    listing = list_dataset(make(tmp_path, "train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png"))

    assert {file.part for file in listing.files} == {"train"}
    assert listing.ignored == {"image outside the class folders": 2}
    assert listing.outside == ("test",)
