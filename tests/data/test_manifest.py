"""Datasets with a manifest, listed as a user gives them: which columns, which paths, and what is said of the rows."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.layouts import list_dataset, listing_fingerprint
from automl.data.paths import Images, inside
from automl.errors import DataError
from automl.recipe.model import Data
from automl.types import Finding, Listing


def _set(root: Path, manifests: dict[str, str], *images: str) -> Path:
    for path in images or ("images/1.png", "images/2.png", "images/3.png", "images/4.png"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    for name, text in manifests.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def _pairs(listing: Listing) -> list[tuple[str, str]]:
    return [(file.path, file.label) for file in listing.files]


def _finding(listing: Listing, kind: str) -> Finding:
    return next(finding for finding in listing.findings if finding.kind == kind)


LABELS = "path,label\nimages/1.png,cat\nimages/2.png,cat\nimages/3.png,dog\nimages/4.png,dog\n"
TWO = ("images/1.png", "images/2.png")
PAIRS = [("images/1.png", "cat"), ("images/2.png", "cat"), ("images/3.png", "dog"), ("images/4.png", "dog")]


def test_the_manifest_is_told_with_its_columns_and_is_no_ignored_file(tmp_path: Path) -> None:
    listing = list_dataset(_set(tmp_path, {"labels.csv": LABELS}))

    assert listing.layout == "manifest: labels.csv (path: path, label: label)"
    assert _pairs(listing) == PAIRS
    assert listing.ignored == {}
    assert listing.findings == ()


def test_a_manifest_can_be_given_itself_and_is_read_alone(tmp_path: Path) -> None:
    _set(tmp_path, {"labels.csv": LABELS, "other.csv": LABELS.replace("cat", "cow")})

    listing = list_dataset(tmp_path / "labels.csv")

    assert listing.root == str(tmp_path)
    assert _pairs(listing) == PAIRS
    _set(tmp_path, {"train.csv": LABELS, "test.csv": LABELS})
    assert {file.part for file in list_dataset(tmp_path / "train.csv").files} == {None}
    with pytest.raises(DataError, match=r"notes\.csv is no manifest of them: no column of it names images"):
        list_dataset(_set(tmp_path, {"notes.csv": "a,b\n1,2\n"}) / "notes.csv")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("File Name,Class,Split,Patient-ID,sample weight",
         "path: File Name, label: Class, part: Split, group: Patient-ID, weight: sample weight"),
        ("img,target,subset,user.id,Weight", "path: img, label: target, part: subset, group: user.id, weight: Weight"),
        ("image_path,category,partition,subject,weight",
         "path: image_path, label: category, part: partition, group: subject, weight: weight"),
        ("filepath,emotion,set,person,weight",  # no name of a label: the only column that is left
         "path: filepath, label: emotion, part: set, group: person, weight: weight"),
        ("where,label,part,group,weight",  # no name of a path: the only column of image files
         "path: where, label: label, part: part, group: group, weight: weight"),
    ],
)  # fmt: skip
def test_columns_are_found_by_convention_or_by_what_they_hold(tmp_path: Path, header: str, told: str) -> None:
    rows = (
        "images/1.png,cat,Training,p1,2\nimages/2.png,dog,val,p2,0.5\nimages/3.png,cat,,,\nimages/4.png,dog,test,p1,1"
    )

    listing = list_dataset(_set(tmp_path, {"labels.csv": f"{header}\n{rows}\n"}))

    assert listing.layout == f"manifest: labels.csv ({told})"
    assert [(file.label, file.part, file.group, file.weight) for file in listing.files] == [
        ("cat", "train", "p1", 2.0), ("dog", "validation", "p2", 0.5),
        ("cat", None, "", 1.0), ("dog", "test", "p1", 1.0),
    ]  # fmt: skip


def test_the_recipe_names_columns_or_says_that_there_is_none(tmp_path: Path) -> None:
    text = "image,label,emotion,user\nimages/1.png,0,sad,a\nimages/2.png,1,sad,a\nimages/3.png,1,glad,b\n"
    _set(tmp_path, {"labels.csv": text})

    listing = list_dataset(tmp_path, data=Data(label="emotion", group="none"))

    assert listing.layout == "manifest: labels.csv (path: image, label: emotion)"
    assert {file.group for file in listing.files} == {""}
    with pytest.raises(DataError, match=r"it has no column 'mood' \(data\.label\), but emotion, image, label, user"):
        list_dataset(tmp_path, data=Data(label="mood"))
    with pytest.raises(DataError, match=r"There is no table 'l\.csv' in the folder \(there: labels\.csv\)"):
        list_dataset(tmp_path, data=Data(manifest="l.csv"))


def test_a_label_column_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    _set(tmp_path, {"labels.csv": "path,mood,light\nimages/1.png,sad,dim\nimages/2.png,glad,dim\n"})

    with pytest.raises(DataError, match=r"which of its columns holds the label: light, mood; say so.*data\.label=mood"):
        list_dataset(tmp_path)


def test_a_first_line_that_is_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"first line holds no column names but an image \('images/1\.png'\)"):
        list_dataset(_set(tmp_path, {"labels.csv": LABELS.removeprefix("path,label\n")}))


@pytest.mark.parametrize("column", ["set", "data_set", "dataset", "usage"])
def test_a_column_called_set_without_any_parts_word_is_no_part_and_a_note(tmp_path: Path, column: str) -> None:
    _set(tmp_path, {"l.csv": f"path,label,{column}\nimages/1.png,a,x\nimages/2.png,b,y\n"}, *TWO)

    listing = list_dataset(tmp_path)

    assert listing.layout == "manifest: l.csv (path: path, label: label)"
    (finding,) = listing.findings
    assert (finding.kind, finding.severity) == ("columns that may be parts", "note")
    assert f"{column!r} of l.csv (x, y)" in finding.text


@pytest.mark.parametrize(
    ("column", "words"),
    [("split", ("fold1", "fold2")), ("Part", ("Test set 2023", "Training set 2023")), ("partition", ("0", "1")),
     ("subset", ("A", "B"))],
)  # fmt: skip
def test_a_column_called_split_without_any_parts_word_is_warned_of(
    tmp_path: Path, column: str, words: tuple[str, str]
) -> None:
    _set(tmp_path, {"l.csv": f"path,label,{column}\nimages/1.png,a,{words[0]}\nimages/2.png,b,{words[1]}\n"}, *TWO)

    listing = list_dataset(tmp_path)

    assert {file.part for file in listing.files} == {None}
    (finding,) = listing.findings
    assert (finding.kind, finding.severity, finding.count) == ("part columns not read", "warn", 1)
    assert f"{column!r} of l.csv ({words[0]}, {words[1]})" in finding.text
    assert "train, val or test in a usual spelling" in finding.advice
    assert "--set data.part=none" in finding.advice
    assert list_dataset(tmp_path, data=Data(part="none")).findings == ()


@pytest.mark.parametrize(
    ("text", "label"),
    [("path,split\nimages/1.png,hand\nimages/2.png,foot\n", ""),  # the only column left: the label
     ("path,label,split\nimages/1.png,a,hand\nimages/2.png,b,foot\n", "split"),
     ("path,label,split\nimages/1.png,a,\nimages/2.png,b, \n", ""),  # empty: it gives no parts
     ("path,label,split,set\nimages/1.png,a,A,train\nimages/2.png,b,B,train\n", "")],  # another one gives them
)  # fmt: skip
def test_a_column_called_split_that_is_read_or_empty_or_not_needed_is_no_finding(
    tmp_path: Path, text: str, label: str
) -> None:
    assert list_dataset(_set(tmp_path, {"l.csv": text}, *TWO), data=Data(label=label)).findings == ()


@pytest.mark.parametrize(("words", "held"), [(("2", "1"), "1, 2"), (("", ""), "empty cells alone")])
def test_a_part_that_the_recipe_names_and_that_holds_no_parts_word_is_refused(
    tmp_path: Path, words: tuple[str, str], held: str
) -> None:
    _set(tmp_path, {"l.csv": f"path,label,fold\nimages/1.png,a,{words[0]}\nimages/2.png,b,{words[1]}\n"})

    with pytest.raises(
        DataError, match=rf"l\.csv: the column 'fold' \(data\.part\) holds no part's word, but {held}\."
    ):
        list_dataset(tmp_path, data=Data(part="fold"))


def test_a_part_without_words_in_a_table_that_is_called_after_a_part_is_that_part(tmp_path: Path) -> None:
    _set(tmp_path, {"train.csv": "path,label,phase\nimages/1.png,a,\nimages/2.png,b,\n"})

    assert {file.part for file in list_dataset(tmp_path, data=Data(part="phase")).files} == {"train"}


@pytest.mark.parametrize(
    ("column", "good", "bad", "wanted"),
    [("split", "train", "holdout", "train, val or test"), ("weight", "1", "-1", "a finite number from 0 on"),
     ("weight", "1", "heavy", "a finite number from 0 on"), ("weight", "1", "nan", "a finite number from 0 on"),
     ("weight", "1", "1e999", "a finite number from 0 on")],
)  # fmt: skip
def test_a_word_that_is_no_part_or_weight_is_refused_with_its_line(
    tmp_path: Path, column: str, good: str, bad: str, wanted: str
) -> None:
    _set(tmp_path, {"labels.csv": f"path,label,{column}\nimages/1.png,a,{good}\nimages/2.png,b,{bad}\n"})
    role = {"split": "part"}.get(column, column)

    with pytest.raises(DataError, match=f"line 3 has '{bad}' in the column '{column}'. Wanted: {wanted}.*{role}=none"):
        list_dataset(tmp_path)
    assert len(list_dataset(tmp_path, data=Data.model_validate({role: "none", "label": "label"})).files) == 2


def test_what_is_wrong_with_rows_is_found_and_counted(tmp_path: Path) -> None:
    rows = [
        "images/1.png,cat", "images/2.png,cat", "images/3.png,dog", "images/4.png,dog",
        "images/1.png,cat",  # again
        "images/2.png,dog",  # with another label
        "images/none.png,cat", "images/notes.txt,cat", ",cat",  # no images
        "images/5.png,", "images/6.png,  ",  # no label
        "/etc/passwd.png,cat", "../out.png,cat", "images/../../out.png,dog", "C:\\x.png,dog", "https://x.org/1.png,dog",
        "images/1.png,cat,dog",  # malformed
    ]  # fmt: skip
    _set(tmp_path, {"labels.csv": "path,label\n" + "\n".join(rows) + "\n"}, *(f"images/{n}.png" for n in range(1, 9)))
    (tmp_path / "images" / "notes.txt").touch()
    (tmp_path.parent / "out.png").touch()

    listing = list_dataset(tmp_path)

    assert _pairs(listing) == [("images/1.png", "cat"), ("images/3.png", "dog"), ("images/4.png", "dog")]
    assert [(finding.kind, finding.severity, finding.count) for finding in listing.findings] == [
        ("paths with two labels", "warn", 1),
        ("missing files", "warn", 3),
        ("refused paths", "warn", 5),
        ("empty labels", "warn", 2),
        ("malformed rows", "warn", 1),
        ("paths listed twice", "note", 1),
        ("unlisted images", "note", 4),
    ]
    assert _finding(listing, "refused paths").paths[0] == "'/etc/passwd.png' (line 13 of labels.csv)"
    assert _finding(listing, "malformed rows").paths == ("line 18 of labels.csv",)
    assert "images/2.png" in _finding(listing, "paths with two labels").text
    assert all(finding.advice for finding in listing.findings)


def test_more_missing_files_than_allowed_are_a_reason_to_stop(tmp_path: Path) -> None:
    _set(tmp_path, {"labels.csv": LABELS + "images/5.png,cat\n"})

    assert _finding(list_dataset(tmp_path, max_missing=0.2), "missing files").severity == "warn"
    assert _finding(list_dataset(tmp_path, max_missing=0.19), "missing files").severity == "stop"


def test_an_image_in_two_parts_stays_in_the_later_one(tmp_path: Path) -> None:
    text = "path,label,part\nimages/1.png,a,test\nimages/1.png,a,train\nimages/2.png,b,train\nimages/2.png,b,val\n"
    listing = list_dataset(_set(tmp_path, {"labels.csv": text + "images/3.png,a,train\n"}))

    assert {file.path: file.part for file in listing.files} == {
        "images/1.png": "test", "images/2.png": "validation", "images/3.png": "train"
    }  # fmt: skip
    assert _finding(listing, "paths in two parts").count == 2


def test_spellings_of_one_image_listed_twice_are_one_label_only_when_merged(tmp_path: Path) -> None:
    _set(tmp_path, {"labels.csv": LABELS + "images/1.png,CAT\nimages/3.png, Dog\n"})

    assert (
        _finding(list_dataset(tmp_path / "labels.csv", data=Data(merge_labels=True)), "paths listed twice").count == 2
    )
    _set(tmp_path, {"labels.csv": LABELS + "images/1.png,CAT\n"})
    assert _pairs(list_dataset(tmp_path)) == PAIRS[1:]


def test_parts_come_from_the_folders_that_the_paths_lead_through(tmp_path: Path) -> None:
    paths = [f"{part}/{n}.png" for part in ("train", "val") for n in (1, 2)]
    text = "path,label\n" + "".join(f"{path},{'cat' if '1' in path else 'dog'}\n" for path in paths)

    listing = list_dataset(_set(tmp_path, {"labels.csv": text}, *paths))

    assert listing.layout == "manifest: labels.csv (path: path, label: label), parts by their folders"
    assert [file.part for file in listing.files] == ["train", "train", "validation", "validation"]


def test_one_manifest_for_each_part_is_one_together(tmp_path: Path) -> None:
    lines = LABELS.splitlines(keepends=True)
    _set(tmp_path, {"train.csv": "".join(lines[:3]), "test.csv": lines[0] + "".join(lines[3:])})

    listing = list_dataset(tmp_path)

    assert listing.layout == "manifest: test.csv, train.csv (path: path, label: label)"
    assert [file.part for file in listing.files] == ["train", "train", "test", "test"]
    assert list_dataset(tmp_path, data=Data(manifest="train.csv")) == listing


def test_rows_of_test_alone_are_refused(tmp_path: Path) -> None:
    _set(tmp_path, {"labels.csv": "path,label,split\nimages/1.png,a,test\nimages/2.png,b,val\n"})

    with pytest.raises(DataError, match=r"puts every image into test or validation: nothing could be learned from"):
        list_dataset(tmp_path)


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
    _set(tmp_path, {"labels.csv": f"image,label\n{cells[0]},cat\n{cells[1]},dog\n"}, *images)

    listing = list_dataset(tmp_path)

    assert _pairs(listing) == [(images[0], "cat"), (images[1], "dog")]
    assert f"labels.csv {words}" in _finding(listing, "paths looked for elsewhere").text


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
    root = _set(tmp_path / "set", {"labels.csv": LABELS + "images/out.png,cat\n"})
    (root / "images" / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "more.csv").symlink_to(tmp_path / "secret.png")

    listing = list_dataset(root)

    assert _pairs(listing) == PAIRS
    assert _finding(listing, "missing files").count == 1


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
    _set(tmp_path, {"labels.csv": text}, *(f"images/{n}.png" for n in range(1, 23)))

    with pytest.raises(DataError, match=f"^{tmp_path}: task not supported yet: {task}") as caught:
        list_dataset(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "labels",
    [("3", "8"), ("0.5", "1.0"), ("bear, polar", "bear, brown"), ("a|b", "c"), ("-1", "1")],
)
def test_numbers_and_names_with_commas_can_be_classes(tmp_path: Path, labels: tuple[str, str]) -> None:
    rows = "".join(f'images/{n}.png,"{labels[n % 2]}"\n' for n in range(1, 5))

    assert list_dataset(_set(tmp_path, {"l.csv": f"path,label\n{rows}"})).classes == tuple(sorted(labels))


def test_columns_of_0_and_1_with_one_1_a_row_are_classes(tmp_path: Path) -> None:
    text = "image,MEL,NV\nimages/1.png,1.0,0.0\nimages/2.png,0.0,1.0\nimages/3.png,0,0\n"

    listing = list_dataset(_set(tmp_path, {"truth.csv": text}))

    assert listing.layout == "manifest: truth.csv (path: image, label: columns of 0 and 1, MEL, NV)"
    assert _pairs(listing) == [("images/1.png", "MEL"), ("images/2.png", "NV")]
    assert _finding(listing, "empty labels").count == 1


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_hugging_faces_metadata_lies_beside_the_images_of_each_part(tmp_path: Path, suffix: str) -> None:
    rows = [{"file_name": "1.png", "label": "cat"}, {"file_name": "2.png", "label": "dog"}]
    text = "\n".join(map(json.dumps, rows)) if suffix == "jsonl" else "file_name,label\n1.png,cat\n2.png,dog\n"
    images = [f"{part}/{n}.png" for part in ("train", "test") for n in (1, 2)]
    _set(tmp_path, {f"{part}/metadata.{suffix}": text for part in ("train", "test")}, *images)

    listing = list_dataset(tmp_path)

    assert listing.layout.startswith("Hugging Face metadata: test/metadata.")
    assert [(file.path, file.label, file.part) for file in listing.files] == [
        ("test/1.png", "cat", "test"), ("test/2.png", "dog", "test"),
        ("train/1.png", "cat", "train"), ("train/2.png", "dog", "train"),
    ]  # fmt: skip
    flat = _set(tmp_path / "flat", {f"metadata.{suffix}": text}, "1.png", "2.png")
    assert _pairs(list_dataset(flat)) == [("1.png", "cat"), ("2.png", "dog")]


def test_metadata_without_labels_beside_class_folders_leaves_the_folders(tmp_path: Path) -> None:
    _set(tmp_path, {"metadata.csv": "file_name\ncat/1.png\ndog/1.png\n"}, "cat/1.png", "dog/1.png")

    listing = list_dataset(tmp_path)

    assert listing.layout == "folder per class: cat/, dog/"
    assert "metadata.csv is not read as a manifest: it names images, and no column" in listing.findings[0].text


FOLDERS = ("cat/1.png", "dog/1.png", "cat/2.png", "dog/2.png", "cat/3.png", "dog/3.png")


def _of_folders(*labels: str) -> str:
    return "path,label\n" + "".join(f"{path},{label}\n" for path, label in zip(FOLDERS, labels, strict=False))


@pytest.mark.parametrize("labels", [("cat", "dog"), ("Cat", "Dog"), ("n1", "n2")])
def test_a_manifest_that_says_what_the_folders_say_wins_with_a_note(tmp_path: Path, labels: tuple[str, ...]) -> None:
    listing = list_dataset(_set(tmp_path, {"labels.csv": _of_folders(*labels, *labels, *labels)}, *FOLDERS))

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
    _set(tmp_path, {"labels.csv": _of_folders(*labels)}, *FOLDERS)

    with pytest.raises(DataError) as caught:
        list_dataset(tmp_path)
    assert f"{why}. Wanted: one. Choose it with --set data.manifest=labels.csv or --set data.layout=flat." in str(
        caught.value
    )
    assert list_dataset(tmp_path, data=Data(layout="flat")).classes == ("cat", "dog")
    assert _pairs(list_dataset(tmp_path, data=Data(manifest="labels.csv"))) == sorted(
        zip(FOLDERS, labels, strict=False)
    )


@pytest.mark.parametrize("folders", [("images_001", "images_002"), ("train", "test"), ("0", "1"), ("photos", "JPEGs")])
def test_folders_that_only_store_images_are_no_classes_beside_a_manifest(
    tmp_path: Path, folders: tuple[str, str]
) -> None:
    images = [f"{folder}/{n}.png" for folder in folders for n in (1, 2)]
    text = "path,label\n" + "".join(f"{path},{'cat' if '1.' in path else 'dog'}\n" for path in images)

    assert list_dataset(_set(tmp_path, {"labels.csv": text}, *images)).classes == ("cat", "dog")


def test_two_manifests_that_say_the_same_are_no_question(tmp_path: Path) -> None:
    legend = "user.id,image,emotion\n" + "".join(f"7,{n}.png,{'cat' if n < 3 else 'dog'}\n" for n in range(1, 5))

    listing = list_dataset(_set(tmp_path, {"legend.csv": legend, "labels.csv": LABELS}))

    assert listing.layout == "manifest: labels.csv (path: path, label: label)"
    assert "legend.csv (path: image, label: emotion, group: user.id)" in _finding(listing, "readings that agree").text


def test_two_manifests_that_do_not_agree_are_a_question(tmp_path: Path) -> None:
    _set(tmp_path, {"a.csv": LABELS, "b.csv": LABELS.replace("4.png,dog", "4.png,cat")})

    with pytest.raises(DataError, match=r"'images/4\.png' is 'dog' by one and 'cat' by.*=a\.csv or .*=b\.csv"):
        list_dataset(tmp_path)
    assert dict(_pairs(list_dataset(tmp_path, data=Data(manifest="b.csv"))))["images/4.png"] == "cat"


@pytest.mark.parametrize("table", ["path,age\ncat/1.png,1.5\n", "k\xe4se", "a,b\n1,2\n"])
def test_a_table_of_other_things_leaves_the_folders_and_is_told(tmp_path: Path, table: str) -> None:
    _set(tmp_path, {}, *FOLDERS)
    (tmp_path / "x.csv").write_bytes(table.encode("latin-1"))

    listing = list_dataset(tmp_path)

    assert listing.layout == "folder per class: cat/, dog/"
    assert "x.csv" in listing.findings[0].text


def test_a_manifest_of_another_task_beside_class_folders_is_told_and_left(tmp_path: Path) -> None:
    images = [f"{label}/{n}.png" for label in ("cat", "dog") for n in range(8)]
    text = "path,pose\n" + "".join(f"{path},{n + 0.5}\n" for n, path in enumerate(images))
    _set(tmp_path, {"pose.csv": text}, *images)

    listing = list_dataset(tmp_path)

    assert listing.classes == ("cat", "dog")
    (finding,) = listing.findings
    assert (finding.kind, finding.severity) == ("readings that cannot be used", "warn")
    assert "regression" in finding.text


def test_the_fingerprint_follows_labels_groups_and_weights(tmp_path: Path) -> None:
    seen = set()
    for rows in ("a,g,1", "b,g,1", "b,h,1", "b,h,2"):
        text = f"path,label,group,weight\nimages/1.png,{rows}\nimages/2.png,a,,\nimages/3.png,b,,\n"
        seen.add(listing_fingerprint(list_dataset(_set(tmp_path, {"labels.csv": text}))))
    assert len(seen) == 4


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["1.png", "2.png", "../1.png", "/1.png", "3.png", "", "a\0.png"]),
                  st.sampled_from(["cat", "Cat", "dog", "", " "])),
        max_size=12,
    ),
    st.booleans(),
)  # fmt: skip
def test_every_row_counts_once_or_stands_in_one_finding(rows: list[tuple[str, str]], merge: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = "path,label\n" + "".join(f"images/{p}" * bool(p) + f",{label}\n" for p, label in rows)
        text = text.replace("images//", "/").replace("images/..", "..")
        fixed = "images/8.png,cat\nimages/9.png,dog\n"
        root = _set(Path(folder), {"labels.csv": text + fixed}, *(f"images/{n}.png" for n in (1, 2, 8, 9)))

        listing = list_dataset(root, data=Data(merge_labels=merge))

        found = {finding.kind: finding.count for finding in listing.findings}
        left_out = sum(
            found.get(kind, 0) for kind in ("missing files", "refused paths", "empty labels", "paths listed twice")
        )
        twice = found.get("paths with two labels", 0)
        written = sum(bool(p.strip() or label.strip()) for p, label in rows) + 2
        assert len(listing.files) + left_out <= written
        assert (len(listing.files) + left_out == written) == (twice == 0)
        assert {file.label for file in listing.files} <= {"cat", "Cat", "dog"}
