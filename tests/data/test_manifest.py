"""Datasets with a manifest, listed as a user gives them: which files, which parts, which tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automl.data.layouts import list_dataset, listing_fingerprint
from automl.errors import DataError
from automl.recipe.model import Data
from tests.data.trees import LABELS, PAIRS, finding_of, listed_by, make, pairs


def test_the_manifest_is_told_with_its_columns_and_is_no_ignored_file(tmp_path: Path) -> None:
    listing = list_dataset(listed_by(tmp_path, {"labels.csv": LABELS}))

    assert listing.layout == "manifest: labels.csv (path: path, label: label)"
    assert pairs(listing) == PAIRS
    assert listing.ignored == {}
    assert listing.findings == ()


def test_a_manifest_can_be_given_itself_and_is_read_alone(tmp_path: Path) -> None:
    listed_by(tmp_path, {"labels.csv": LABELS, "other.csv": LABELS.replace("cat", "cow")})

    listing = list_dataset(tmp_path / "labels.csv")

    assert listing.root == str(tmp_path)
    assert pairs(listing) == PAIRS
    listed_by(tmp_path, {"train.csv": LABELS, "test.csv": LABELS})
    assert {file.part for file in list_dataset(tmp_path / "train.csv").files} == {None}
    with pytest.raises(DataError, match=r"notes\.csv is no manifest of them: no column of it names images"):
        list_dataset(listed_by(tmp_path, {"notes.csv": "a,b\n1,2\n"}) / "notes.csv")


def test_of_the_folder_of_a_manifest_given_itself_only_what_it_lists_is_looked_into(tmp_path: Path) -> None:
    text = LABELS.replace("images/", "set/a/", 2).replace("images/", "set/b/", 2)
    images = [f"set/{folder}/{n}.png" for folder in "abc" for n in range(1, 5)]
    listed_by(tmp_path, {"labels.csv": text}, *images, "home/9.png", "home/notes.doc")

    listing = list_dataset(tmp_path / "labels.csv")

    assert [file.path for file in listing.files] == ["set/a/1.png", "set/a/2.png", "set/b/3.png", "set/b/4.png"]
    assert finding_of(listing, "unlisted images").count == 8  # of set/
    assert listing.ignored == {}
    again = list_dataset(tmp_path, data=Data(manifest="labels.csv"))
    assert listing_fingerprint(again) == listing_fingerprint(listing)
    assert again.ignored == {"suffix .doc": 1}


@pytest.mark.parametrize(
    ("text", "images"),
    [
        (LABELS + "9.png,dog\n", ("9.png",)),  # one lies beside the table
        (LABELS.replace("images/", ""), ()),  # the folder is not written
        (LABELS + "k\u00e4se/5.png,dog\n", ("ka\u0308se/5.png",)),  # in another Unicode form
        (LABELS + "pics/5.png,dog\n" * 2, ("pics/5.png",)),
    ],
)
def test_every_image_that_a_manifest_given_itself_can_mean_is_found(
    tmp_path: Path, text: str, images: tuple[str, ...]
) -> None:
    listed_by(tmp_path, {"labels.csv": text}, *(f"images/{n}.png" for n in range(1, 5)), *images)

    assert pairs(list_dataset(tmp_path / "labels.csv")) == sorted([*PAIRS, *((path, "dog") for path in images)])


def test_hidden_folders_and_links_stay_out_where_a_manifest_given_itself_lists_them(tmp_path: Path) -> None:
    listed_by(tmp_path / "set", {"l.csv": LABELS + ".git/1.png,dog\nlink/1.png,dog\n"})
    make(tmp_path, "set/.git/1.png", "away/1.png")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "away")

    assert pairs(list_dataset(tmp_path / "set" / "l.csv")) == PAIRS


def test_parts_come_from_the_folders_that_the_paths_lead_through(tmp_path: Path) -> None:
    paths = [f"{part}/{n}.png" for part in ("train", "val") for n in (1, 2)]
    text = "path,label\n" + "".join(f"{path},{'cat' if '1' in path else 'dog'}\n" for path in paths)

    listing = list_dataset(listed_by(tmp_path, {"labels.csv": text}, *paths))

    assert listing.layout == "manifest: labels.csv (path: path, label: label), parts by their folders"
    assert [file.part for file in listing.files] == ["train", "train", "validation", "validation"]


def test_one_manifest_for_each_part_is_one_together(tmp_path: Path) -> None:
    lines = LABELS.splitlines(keepends=True)
    listed_by(tmp_path, {"train.csv": "".join(lines[:3]), "test.csv": lines[0] + "".join(lines[3:])})

    listing = list_dataset(tmp_path)

    assert listing.layout == "manifest: test.csv, train.csv (path: path, label: label)"
    assert [file.part for file in listing.files] == ["train", "train", "test", "test"]
    assert list_dataset(tmp_path, data=Data(manifest="train.csv")) == listing


def test_rows_of_test_alone_are_refused(tmp_path: Path) -> None:
    listed_by(tmp_path, {"labels.csv": "path,label,split\nimages/1.png,a,test\nimages/2.png,b,val\n"})

    with pytest.raises(DataError, match=r"puts every image into test or validation: nothing could be learned from"):
        list_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("path,steering\n" + "".join(f"images/{n}.png,{n / 7:.3f}\n" for n in range(1, 13)),
         r"regression \(labels\.csv has 12 different numbers from 0\.143 to 1\.714 as labels\)"),
        ("path,age\n" + "".join(f"images/{n}.png,{n}\n" for n in range(1, 23)), "regression .* 22 different numbers"),
        ("path,labels\nimages/1.png,sea\nimages/2.png,\"sea,sky\"\nimages/3.png,sky\n",
         r"multi-label classification \(labels\.csv has 1 row\(s\) with several labels, 'sea,sky' for one\)"),
        ("path,labels\nimages/1.png,['sea']\nimages/2.png,\"['sea', 'sky']\"\nimages/3.png,['sky']\n", "multi-label"),
        ("path,sea,sky\nimages/1.png,1,0\nimages/2.png,1,1\nimages/3.png,0,1\n",
         r"multi-label classification \(labels\.csv has 1 row\(s\) with more than one of the columns sea, sky\)"),
        ("path,label\nimages/1.png," + "a cat on a mat " * 20 + "\nimages/2.png,dog\n", "captions .* 300 characters"),
    ],
    ids=["fractions", "ages", "joined", "lists", "columns", "captions"],
)  # fmt: skip
def test_a_task_that_is_not_supported_is_one_line(tmp_path: Path, text: str, task: str) -> None:
    listed_by(tmp_path, {"labels.csv": text}, *(f"images/{n}.png" for n in range(1, 23)))

    with pytest.raises(DataError, match=f"^{tmp_path}: task not supported yet: {task}") as caught:
        list_dataset(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "labels",
    [("3", "8"), ("0.5", "1.0"), ("bear, polar", "bear, brown"), ("a|b", "c"), ("-1", "1")],
)
def test_numbers_and_names_with_commas_can_be_classes(tmp_path: Path, labels: tuple[str, str]) -> None:
    rows = "".join(f'images/{n}.png,"{labels[n % 2]}"\n' for n in range(1, 5))

    assert list_dataset(listed_by(tmp_path, {"l.csv": f"path,label\n{rows}"})).classes == tuple(sorted(labels))


def test_columns_of_0_and_1_with_one_1_a_row_are_classes(tmp_path: Path) -> None:
    text = "image,MEL,NV\nimages/1.png,1.0,0.0\nimages/2.png,0.0,1.0\nimages/3.png,0,0\n"

    listing = list_dataset(listed_by(tmp_path, {"truth.csv": text}))

    assert listing.layout == "manifest: truth.csv (path: image, label: columns of 0 and 1, MEL, NV)"
    assert pairs(listing) == [("images/1.png", "MEL"), ("images/2.png", "NV")]
    assert finding_of(listing, "empty labels").count == 1


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_hugging_faces_metadata_lies_beside_the_images_of_each_part(tmp_path: Path, suffix: str) -> None:
    rows = [{"file_name": "1.png", "label": "cat"}, {"file_name": "2.png", "label": "dog"}]
    text = "\n".join(map(json.dumps, rows)) if suffix == "jsonl" else "file_name,label\n1.png,cat\n2.png,dog\n"
    images = [f"{part}/{n}.png" for part in ("train", "test") for n in (1, 2)]
    listed_by(tmp_path, {f"{part}/metadata.{suffix}": text for part in ("train", "test")}, *images)

    listing = list_dataset(tmp_path)

    assert listing.layout.startswith("Hugging Face metadata: test/metadata.")
    assert [(file.path, file.label, file.part) for file in listing.files] == [
        ("test/1.png", "cat", "test"), ("test/2.png", "dog", "test"),
        ("train/1.png", "cat", "train"), ("train/2.png", "dog", "train"),
    ]  # fmt: skip
    flat = listed_by(tmp_path / "flat", {f"metadata.{suffix}": text}, "1.png", "2.png")
    assert pairs(list_dataset(flat)) == [("1.png", "cat"), ("2.png", "dog")]


def test_the_fingerprint_follows_labels_groups_and_weights(tmp_path: Path) -> None:
    seen = set()
    for rows in ("a,g,1", "b,g,1", "b,h,1", "b,h,2"):
        text = f"path,label,group,weight\nimages/1.png,{rows}\nimages/2.png,a,,\nimages/3.png,b,,\n"
        seen.add(listing_fingerprint(list_dataset(listed_by(tmp_path, {"labels.csv": text}))))
    assert len(seen) == 4


def test_a_manifest_that_is_given_itself_is_not_passed_over_whatever_its_name(tmp_path: Path) -> None:
    root = listed_by(tmp_path, {".trial.csv": LABELS})

    listing = list_dataset(root / ".trial.csv")

    assert (listing.ignored, listing.ignored_paths) == ({}, ())
