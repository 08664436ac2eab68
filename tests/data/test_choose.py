"""Datasets that can be read in several ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.data.layouts import list_dataset
from automl.errors import DataError
from automl.recipe.model import Data
from tests.data.trees import LABELS, finding_of, listed_by, pairs

FOLDERS = ("cat/1.png", "dog/1.png", "cat/2.png", "dog/2.png", "cat/3.png", "dog/3.png")


def _of_folders(*labels: str) -> str:
    return "path,label\n" + "".join(f"{path},{label}\n" for path, label in zip(FOLDERS, labels, strict=False))


def test_folders_with_more_images_than_the_manifest_are_told_with_their_number(tmp_path: Path) -> None:
    labels = _of_folders("cat", "dog", "cat", "dog")  # of the first four images
    listing = list_dataset(listed_by(tmp_path, {"labels.csv": labels}, *FOLDERS))

    said = {finding.kind: finding.text for finding in listing.findings}["readings that agree"]
    assert "says the same of 4 images, has 2 image(s) only there, and is not used" in said


@pytest.mark.parametrize("labels", [("cat", "dog"), ("Cat", "Dog"), ("n1", "n2")])
def test_a_manifest_that_says_what_the_folders_say_wins_with_a_note(tmp_path: Path, labels: tuple[str, ...]) -> None:
    listing = list_dataset(listed_by(tmp_path, {"labels.csv": _of_folders(*labels, *labels, *labels)}, *FOLDERS))

    assert listing.layout.startswith("manifest: labels.csv")
    assert listing.classes == tuple(sorted(set(labels)))
    (finding,) = listing.findings
    assert finding.severity == "note"
    assert "the folders cat/, dog/ (2 classes, 6 images) says the same, and is not used" in finding.text


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (("cat", "dog", "dog", "dog", "cat", "dog"), "'cat/2.png' is 'dog' by one and 'cat' by the other"),
        (("cat", "dog"), "the manifest lists 2 of the 6 images that the folders label"),
    ],
)
def test_folders_and_a_manifest_that_do_not_agree_are_a_question(
    tmp_path: Path, labels: tuple[str, ...], why: str
) -> None:
    listed_by(tmp_path, {"labels.csv": _of_folders(*labels)}, *FOLDERS)

    with pytest.raises(DataError) as caught:
        list_dataset(tmp_path)
    assert f"{why}. Wanted: one. Choose it with --set data.manifest=labels.csv or --set data.layout=flat." in str(
        caught.value
    )
    assert list_dataset(tmp_path, data=Data(layout="flat")).classes == ("cat", "dog")
    assert pairs(list_dataset(tmp_path, data=Data(manifest="labels.csv"))) == sorted(zip(FOLDERS, labels, strict=False))


@pytest.mark.parametrize("folders", [("images_001", "images_002"), ("train", "test"), ("0", "1"), ("photos", "JPEGs")])
def test_folders_that_only_store_images_are_no_classes_beside_a_manifest(
    tmp_path: Path, folders: tuple[str, str]
) -> None:
    images = [f"{folder}/{n}.png" for folder in folders for n in (1, 2)]
    text = "path,label\n" + "".join(f"{path},{'cat' if '1.' in path else 'dog'}\n" for path in images)

    assert list_dataset(listed_by(tmp_path, {"labels.csv": text}, *images)).classes == ("cat", "dog")


def test_two_manifests_that_say_the_same_are_no_question(tmp_path: Path) -> None:
    legend = "user.id,image,emotion\n" + "".join(f"7,{n}.png,{'cat' if n < 3 else 'dog'}\n" for n in range(1, 5))

    listing = list_dataset(listed_by(tmp_path, {"legend.csv": legend, "labels.csv": LABELS}))

    assert listing.layout == "manifest: labels.csv (path: path, label: label)"
    assert "legend.csv (path: image, label: emotion, group: user.id)" in finding_of(listing, "readings that agree").text


def test_two_manifests_that_do_not_agree_are_a_question(tmp_path: Path) -> None:
    listed_by(tmp_path, {"a.csv": LABELS, "b.csv": LABELS.replace("4.png,dog", "4.png,cat")})

    with pytest.raises(DataError, match=r"'images/4\.png' is 'dog' by one and 'cat' by.*=a\.csv or .*=b\.csv"):
        list_dataset(tmp_path)
    assert dict(pairs(list_dataset(tmp_path, data=Data(manifest="b.csv"))))["images/4.png"] == "cat"


@pytest.mark.parametrize("table", ["path,age\ncat/1.png,1.5\n", "k\xe4se", "a,b\n1,2\n"])
def test_a_table_of_other_things_leaves_the_folders_and_is_told(tmp_path: Path, table: str) -> None:
    listed_by(tmp_path, {}, *FOLDERS)
    (tmp_path / "x.csv").write_bytes(table.encode("latin-1"))

    listing = list_dataset(tmp_path)

    assert listing.layout == "folder per class: cat/, dog/"
    assert "x.csv" in listing.findings[0].text


def test_a_manifest_of_another_task_beside_class_folders_is_told_and_left(tmp_path: Path) -> None:
    images = [f"{label}/{n}.png" for label in ("cat", "dog") for n in range(8)]
    text = "path,pose\n" + "".join(f"{path},{n + 0.5}\n" for n, path in enumerate(images))
    listed_by(tmp_path, {"pose.csv": text}, *images)

    listing = list_dataset(tmp_path)

    assert listing.classes == ("cat", "dog")
    (finding,) = listing.findings
    assert (finding.kind, finding.severity) == ("readings that cannot be used", "warn")
    assert "regression" in finding.text


def test_metadata_without_labels_beside_class_folders_leaves_the_folders(tmp_path: Path) -> None:
    listed_by(tmp_path, {"metadata.csv": "file_name\ncat/1.png\ndog/1.png\n"}, "cat/1.png", "dog/1.png")

    listing = list_dataset(tmp_path)

    assert listing.layout == "folder per class: cat/, dog/"
    assert "metadata.csv is not read as a manifest: it names images, and no column" in listing.findings[0].text


def test_tables_that_do_not_help_folders_without_classes_are_told(tmp_path: Path) -> None:
    listed_by(tmp_path, {"train.csv": "id,label\nx1,cat\nx2,dog\n"}, "train/1.png", "test/1.png")

    with pytest.raises(
        DataError, match=r"no folders of classes: .* train\.csv is not read as a manifest: no column of it"
    ):
        list_dataset(tmp_path)
