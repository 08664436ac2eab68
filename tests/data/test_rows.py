"""What is said of a manifest's rows, and which of them count."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.layouts import list_dataset
from automl.recipe.model import Data
from tests.data.trees import LABELS, PAIRS, finding_of, listed_by, pairs


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
    listed_by(
        tmp_path, {"labels.csv": "path,label\n" + "\n".join(rows) + "\n"}, *(f"images/{n}.png" for n in range(1, 9))
    )
    (tmp_path / "images" / "notes.txt").touch()
    (tmp_path.parent / "out.png").touch()

    listing = list_dataset(tmp_path)

    assert pairs(listing) == [("images/1.png", "cat"), ("images/3.png", "dog"), ("images/4.png", "dog")]
    assert [(finding.kind, finding.severity, finding.count) for finding in listing.findings] == [
        ("paths with two labels", "warn", 1),
        ("missing files", "warn", 3),
        ("refused paths", "warn", 5),
        ("empty labels", "warn", 2),
        ("malformed rows", "warn", 1),
        ("paths listed twice", "note", 1),
        ("unlisted images", "note", 4),
    ]
    assert finding_of(listing, "refused paths").paths[0] == "'/etc/passwd.png' (line 13 of labels.csv)"
    assert finding_of(listing, "malformed rows").paths == ("line 18 of labels.csv",)
    assert "images/2.png" in finding_of(listing, "paths with two labels").text
    assert all(finding.advice for finding in listing.findings)


def test_more_missing_files_than_allowed_are_a_reason_to_stop(tmp_path: Path) -> None:
    listed_by(tmp_path, {"labels.csv": LABELS + "images/5.png,cat\n"})

    assert finding_of(list_dataset(tmp_path, max_missing=0.2), "missing files").severity == "warn"
    assert finding_of(list_dataset(tmp_path, max_missing=0.19), "missing files").severity == "stop"


def test_an_image_in_two_parts_stays_in_the_later_one(tmp_path: Path) -> None:
    text = "path,label,part\nimages/1.png,a,test\nimages/1.png,a,train\nimages/2.png,b,train\nimages/2.png,b,val\n"
    listing = list_dataset(listed_by(tmp_path, {"labels.csv": text + "images/3.png,a,train\n"}))

    assert {file.path: file.part for file in listing.files} == {
        "images/1.png": "test", "images/2.png": "validation", "images/3.png": "train"
    }  # fmt: skip
    assert finding_of(listing, "paths in two parts").count == 2


def test_rows_with_an_empty_cell_where_others_have_their_part_are_told(tmp_path: Path) -> None:
    text = "path,label,part\nimages/1.png,a,train\nimages/2.png,b,\nimages/3.png,a,test\nimages/4.png,b, \n"

    finding = finding_of(list_dataset(listed_by(tmp_path, {"labels.csv": text})), "rows without a part")

    assert (finding.severity, finding.count) == ("note", 2)
    assert "'images/2.png' (line 3 of labels.csv) for one; they count as train" in finding.text


def test_spellings_of_one_image_listed_twice_are_one_label_only_when_merged(tmp_path: Path) -> None:
    listed_by(tmp_path, {"labels.csv": LABELS + "images/1.png,CAT\nimages/3.png, Dog\n"})

    assert (
        finding_of(list_dataset(tmp_path / "labels.csv", data=Data(merge_labels=True)), "paths listed twice").count == 2
    )
    listed_by(tmp_path, {"labels.csv": LABELS + "images/1.png,CAT\n"})
    assert pairs(list_dataset(tmp_path)) == PAIRS[1:]


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
        root = listed_by(Path(folder), {"labels.csv": text + fixed}, *(f"images/{n}.png" for n in (1, 2, 8, 9)))

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
