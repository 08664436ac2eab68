"""Which column of a manifest is what."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.data.layouts import list_dataset
from automl.errors import DataError
from automl.recipe.model import Data
from tests.data.trees import LABELS, TWO, finding_of, listed_by


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

    listing = list_dataset(listed_by(tmp_path, {"labels.csv": f"{header}\n{rows}\n"}))

    assert listing.layout == f"manifest: labels.csv ({told})"
    assert [(file.label, file.part, file.group, file.weight) for file in listing.files] == [
        ("cat", "train", "p1", 2.0), ("dog", "validation", "p2", 0.5),
        ("cat", None, "", 1.0), ("dog", "test", "p1", 1.0),
    ]  # fmt: skip


def test_the_recipe_names_columns_or_says_that_there_is_none(tmp_path: Path) -> None:
    text = "image,label,emotion,user\nimages/1.png,0,sad,a\nimages/2.png,1,sad,a\nimages/3.png,1,glad,b\n"
    listed_by(tmp_path, {"labels.csv": text})

    listing = list_dataset(tmp_path, data=Data(label="emotion", group="none"))

    assert listing.layout == "manifest: labels.csv (path: image, label: emotion)"
    assert {file.group for file in listing.files} == {""}
    with pytest.raises(DataError, match=r"it has no column 'mood' \(data\.label\), but emotion, image, label, user"):
        list_dataset(tmp_path, data=Data(label="mood"))
    with pytest.raises(DataError, match=r"There is no table 'l\.csv' in the folder \(there: labels\.csv\)"):
        list_dataset(tmp_path, data=Data(manifest="l.csv"))


def test_a_label_column_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    listed_by(tmp_path, {"labels.csv": "path,mood,light\nimages/1.png,sad,dim\nimages/2.png,glad,dim\n"})

    with pytest.raises(
        DataError,
        match=r"which of its columns holds the label: mood \(2 values\), light \(1 value\); say so.*data\.label=mood",
    ):
        list_dataset(tmp_path)


DOWNLOADED = tuple(f"set_part_{1 + n // 12}/{n}.png" for n in range(24))
PATIENTS = "lesion_id,image_id,dx_type,sex,dx,age\n" + "".join(
    f"l{n // 2},{n},{'histo' if n < 9 else 'other'},{'male' if n % 2 else 'female'},{'abc'[n // 2 % 3]},{50 + n / 2}\n"
    for n in range(24)
)


def test_a_table_of_the_images_that_lacks_the_choice_of_a_label_is_a_question(tmp_path: Path) -> None:
    listed_by(tmp_path, {"meta.csv": PATIENTS}, *DOWNLOADED)

    with pytest.raises(DataError) as caught:
        list_dataset(tmp_path)
    assert (
        "meta.csv lists images, but it cannot be told which of its columns holds the label: dx (3 values), dx_type (2 "
        "values), sex (2 values), lesion_id (12 values), age (24 values); say so, for example --set data.label=dx, or "
        "go by the folders alone: --set data.layout=flat."
    ) in str(caught.value)
    assert list_dataset(tmp_path, data=Data(label="dx")).classes == ("a", "b", "c")
    assert list_dataset(tmp_path, data=Data(layout="flat")).classes == ("set_part_1", "set_part_2")


@pytest.mark.parametrize(
    "text",
    ["".join(PATIENTS.splitlines(keepends=True)[:12]),  # it speaks of fewer than half of the images
     "path,width,height\n" + "".join(f"{path},{640 + n},480\n" for n, path in enumerate(DOWNLOADED))],
)  # fmt: skip
def test_a_table_of_few_images_or_of_nothing_that_sorts_them_leaves_the_folders(tmp_path: Path, text: str) -> None:
    listing = list_dataset(listed_by(tmp_path, {"meta.csv": text}, *DOWNLOADED))

    assert listing.classes == ("set_part_1", "set_part_2")
    assert [finding.kind for finding in listing.findings] == ["tables that cannot be used"]


def test_a_manifest_that_can_be_read_leaves_no_question_of_another(tmp_path: Path) -> None:
    stored = [path.removeprefix("set_") for path in DOWNLOADED]
    labels = "path,label\n" + "".join(f"{path},{'ab'[n % 2]}\n" for n, path in enumerate(stored))

    listing = list_dataset(listed_by(tmp_path, {"meta.csv": PATIENTS, "labels.csv": labels}, *stored))

    assert listing.classes == ("a", "b")
    assert [finding.kind for finding in listing.findings] == ["tables that cannot be used"]


@pytest.mark.parametrize(
    ("text", "asked", "wish"),
    [
        ("path,label,category\nimages/1.png,0,dog\nimages/2.png,1,cat\nimages/3.png,2,dog\nimages/4.png,0,dog\n",
         "its columns 'label' and 'category' are both called as labels are, and sort the rows otherwise. Wanted: one. "
         "Choose it with --set data.label=label or --set data.label=category.", Data(label="category")),
        ("path,label,label\nimages/1.png,dog,red\nimages/2.png,cat,red\nimages/3.png,cat,blue\n",
         "it has more than one column 'label', and they differ. Wanted: one of that name. Rename", None),
        ("image,path,label\nimages/1.png,images/3.png,cat\nimages/2.png,images/4.png,dog\n",
         "its columns 'path' and 'image' are both called as paths are, and lead to other images. Wanted: one. "
         "Choose it with --set data.path=path or --set data.path=image.", Data(path="image")),
    ],
    ids=["labels", "doubled", "paths"],
)  # fmt: skip
def test_two_columns_of_one_role_that_do_not_say_the_same_are_a_question(
    tmp_path: Path, text: str, asked: str, wish: Data | None
) -> None:
    listed_by(tmp_path, {"labels.csv": text})

    with pytest.raises(DataError) as caught:
        list_dataset(tmp_path)
    assert f"labels.csv lists images, but {asked}" in str(caught.value)
    if wish:
        assert list_dataset(tmp_path, data=wish).classes == ("cat", "dog")
    else:
        with pytest.raises(DataError, match="more than one column 'label'"):
            list_dataset(tmp_path, data=Data(label="label"))


@pytest.mark.parametrize(
    "text",
    ["path,class_name,label,species,target\nimages/1.png,cat,0,x,\nimages/2.png,dog,1,x,\nimages/3.png,dog,1,x,\n",
     "path,label,label\nimages/1.png,cat,cat\nimages/2.png,dog,dog\n",
     "path,label,x,y\nimages/1.png,cat,1,7\nimages/2.png,dog,2,8\nimages/3.png,dog,2,9\n",
     "id,path,image,label\n2,images/1.png,images/1.png,cat\n1,images/2.png,,dog\n"],
    ids=["renamed", "doubled", "coordinates", "paths"],
)  # fmt: skip
def test_two_columns_of_one_role_that_say_the_same_are_no_question(tmp_path: Path, text: str) -> None:
    assert list_dataset(listed_by(tmp_path, {"labels.csv": text})).classes == ("cat", "dog")


def test_of_two_group_columns_the_one_taken_is_told(tmp_path: Path) -> None:
    rows = "images/1.png,a,s1,p1,1\nimages/2.png,b,s1,p2,2\nimages/3.png,a,s2,p2,2\n"
    listed_by(tmp_path, {"labels.csv": f"path,label,subject,patient,patient_id\n{rows}"})

    finding = finding_of(list_dataset(tmp_path), "several group columns")

    assert (finding.severity, finding.count) == ("note", 1)
    assert finding.text.endswith("taken is patient of labels.csv, not subject.")
    assert {found.kind for found in list_dataset(tmp_path, data=Data(group="subject")).findings} == {"unlisted images"}


def test_a_first_line_that_is_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"first line holds no column names but an image \('images/1\.png'\)"):
        list_dataset(listed_by(tmp_path, {"labels.csv": LABELS.removeprefix("path,label\n")}))


@pytest.mark.parametrize("column", ["set", "data_set", "dataset", "usage"])
def test_a_column_called_set_without_any_parts_word_is_no_part_and_a_note(tmp_path: Path, column: str) -> None:
    listed_by(tmp_path, {"l.csv": f"path,label,{column}\nimages/1.png,a,x\nimages/2.png,b,y\n"}, *TWO)

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
    listed_by(tmp_path, {"l.csv": f"path,label,{column}\nimages/1.png,a,{words[0]}\nimages/2.png,b,{words[1]}\n"}, *TWO)

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
    assert list_dataset(listed_by(tmp_path, {"l.csv": text}, *TWO), data=Data(label=label)).findings == ()


@pytest.mark.parametrize(("words", "held"), [(("2", "1"), "1, 2"), (("", ""), "empty cells alone")])
def test_a_part_that_the_recipe_names_and_that_holds_no_parts_word_is_refused(
    tmp_path: Path, words: tuple[str, str], held: str
) -> None:
    listed_by(tmp_path, {"l.csv": f"path,label,fold\nimages/1.png,a,{words[0]}\nimages/2.png,b,{words[1]}\n"})

    with pytest.raises(
        DataError, match=rf"l\.csv: the column 'fold' \(data\.part\) holds no part's word, but {held}\."
    ):
        list_dataset(tmp_path, data=Data(part="fold"))


def test_a_part_without_words_in_a_table_that_is_called_after_a_part_is_that_part(tmp_path: Path) -> None:
    listed_by(tmp_path, {"train.csv": "path,label,phase\nimages/1.png,a,\nimages/2.png,b,\n"})

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
    listed_by(tmp_path, {"labels.csv": f"path,label,{column}\nimages/1.png,a,{good}\nimages/2.png,b,{bad}\n"})
    role = {"split": "part"}.get(column, column)

    with pytest.raises(DataError, match=f"line 3 has '{bad}' in the column '{column}'. Wanted: {wanted}.*{role}=none"):
        list_dataset(tmp_path)
    assert len(list_dataset(tmp_path, data=Data.model_validate({role: "none", "label": "label"})).files) == 2
