"""How a manifest's paths lead to images of the dataset, and to nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.layouts import list_dataset
from automl.data.paths import Images, inside
from automl.errors import DataError
from automl.recipe.model import Data
from tests.data.trees import LABELS, PAIRS, finding_of, listed_by, pairs


@pytest.mark.parametrize(
    ("cells", "images", "words"),
    [
        (("1.png", "2.png"), ("photos/1.png", "photos/2.png", "images/1.png"), "in photos/"),
        (("set/images/1.png", "set/images/2.png"), ("images/1.png", "images/2.png"), "without 1 leading folder(s)"),
        (("images/1", "images/2"), ("images/1.png", "images/2.jpg"), "without the files' suffixes"),
        (("1.png", "2.png"), ("a/1.png", "b/2.png"), "by their file names alone, in all folders"),
        (("1", "2"), ("a/1.png", "b/2.jpg"), "by their names without suffix, in all folders"),
    ],
)
def test_images_are_found_where_the_paths_do_not_say_and_that_is_told(
    tmp_path: Path, cells: tuple[str, str], images: tuple[str, ...], words: str
) -> None:
    listed_by(tmp_path, {"labels.csv": f"image,label\n{cells[0]},cat\n{cells[1]},dog\n"}, *images)

    listing = list_dataset(tmp_path)

    assert pairs(listing) == [(images[0], "cat"), (images[1], "dog")]
    assert f"labels.csv {words}" in finding_of(listing, "paths looked for elsewhere").text


SAME_NAMES = tuple(f"{folder}/{n}.png" for folder in ("test", "train") for n in range(10))


def _labels(n: int, ending: str = ".png") -> str:
    return "file,label\n" + "".join(f"{at}{ending},{'cat' if at % 2 else 'dog'}\n" for at in range(n))


@pytest.mark.parametrize("ending", [".png", ""])
@pytest.mark.parametrize("train", [10, 9])
def test_names_that_two_folders_have_alike_are_a_question(tmp_path: Path, train: int, ending: str) -> None:
    listed_by(tmp_path, {"labels.csv": _labels(10, ending)}, *SAME_NAMES[: 10 + train])

    with pytest.raises(DataError) as caught:
        list_dataset(tmp_path)
    assert (
        f"10 in test/ and {train} in train/; '0{ending}' could be 'test/0.png' or 'train/0.png'. Wanted: one."
        in str(caught.value)
    )
    assert "Write the folder into the paths, or move the folder that is not meant away." in str(caught.value)


def test_names_that_another_folder_has_in_part_are_those_of_the_folder_with_most(tmp_path: Path) -> None:
    listing = list_dataset(listed_by(tmp_path, {"labels.csv": _labels(10)}, *SAME_NAMES[5:]))

    assert {file.path.split("/")[0] for file in listing.files} == {"train"}


@pytest.mark.parametrize("ending", [".png", ""])
def test_a_tables_own_name_says_in_which_folder_its_paths_lie(tmp_path: Path, ending: str) -> None:
    listing = list_dataset(listed_by(tmp_path, {"train.csv": _labels(10, ending)}, *SAME_NAMES))

    assert [file.path for file in listing.files] == sorted(path for path in SAME_NAMES if path.startswith("train"))
    assert "train.csv in train/, by their parts" in finding_of(listing, "paths looked for elsewhere").text
    both = list_dataset(listed_by(tmp_path, {"test.csv": _labels(4, ending)}))
    assert [(file.path, file.part) for file in both.files][:4] == [(f"test/{n}.png", "test") for n in range(4)]
    assert {file.part for file in both.files[4:]} == {"train"}


def test_the_rows_parts_say_in_which_folder_their_paths_lie(tmp_path: Path) -> None:
    text = "file,label,split\n0.png,cat,train\n1.png,dog,train\n0.png,dog,test\n1.png,cat,test\nx.png,cat,\n"

    listing = list_dataset(listed_by(tmp_path, {"labels.csv": text}, *SAME_NAMES, "data/x.png"))

    assert [(file.path, file.label, file.part) for file in listing.files] == [
        ("data/x.png", "cat", None),
        ("test/0.png", "dog", "test"), ("test/1.png", "cat", "test"),
        ("train/0.png", "cat", "train"), ("train/1.png", "dog", "train"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (("/home/u/1.png", "/home/u/2.png"),
         "holds '/home/u/1.png' and '/home/u/2.png': absolute paths, which are refused. Wanted: paths of images in"),
        (("C:\\x\\1.png", ""), "holds 'C:\\\\x\\\\1.png': absolute paths, which are refused."),
        (("../1.png", "../2.png"), "holds '../1.png' and '../2.png': paths that leave the dataset's folder"),
        (("https://x.org/1.png?x=1", ""), "holds 'https://x.org/1.png?x=1': addresses, and nothing is fetched."),
        (("IMAGES/1.PNG", "IMAGES/2.PNG"),
         "holds 'IMAGES/1.PNG' and 'IMAGES/2.PNG', and the file is called 'images/1.png'."),
        (("pics/8.png", "pics/9.png"), "holds 'pics/8.png' and 'pics/9.png', and there is no such image."),
    ],
    ids=["absolute", "drive", "outside", "address", "case", "none"],
)  # fmt: skip
def test_paths_that_name_no_image_are_shown_with_the_reason(tmp_path: Path, cells: tuple[str, str], why: str) -> None:
    listed_by(tmp_path, {"labels.csv": f"path,label\n{cells[0]},cat\n{cells[1]},dog\n"})

    for wish in (Data(), Data(path="path")):
        with pytest.raises(DataError) as caught:
            list_dataset(tmp_path, data=wish)
        assert why in str(caught.value)


@pytest.mark.parametrize(
    "cell", ["./a/caf\u00e9.png", "a\\caf\u00e9.png", " a/caf\u00e9.png ", "a/./x/../cafe\u0301.png"]
)
def test_paths_may_be_written_in_other_ways_of_the_same(cell: str) -> None:
    assert Images({"a/caf\u00e9.png": 0}).exact(inside(cell, "") or "") == "a/caf\u00e9.png"


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(["a", "/", ".", "\\", "~", ":", "\0", " "]), max_size=8), st.sampled_from(["", "t"]))
def test_no_cell_leads_outside(cell: str, base: str) -> None:
    path = inside(cell, base)
    assert path is None or Path(os.path.normpath(Path("/set") / path)).is_relative_to("/set")


def test_links_that_a_manifest_lists_lead_to_no_file_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.png").touch()
    root = listed_by(tmp_path / "set", {"labels.csv": LABELS + "images/out.png,cat\n"})
    (root / "images" / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "more.csv").symlink_to(tmp_path / "secret.png")

    listing = list_dataset(root)

    assert pairs(listing) == PAIRS
    assert finding_of(listing, "missing files").count == 1
