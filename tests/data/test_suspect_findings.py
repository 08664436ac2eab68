"""The words and the table that suspects become."""

from __future__ import annotations

from pathlib import Path

from automl.data.duplicates import NearCopy
from automl.data.images import read_suspects, write_suspects
from automl.data.shortcuts import ALL, Shortcut
from automl.data.suspect_findings import (
    finding_of_shortcuts,
    findings_of_suspects,
    labels_not_judged,
    not_yet_told,
    suspects_of,
)
from automl.data.suspects import LabelError, Outlier, Twins
from automl.types import Image

CLASSES = ("rose", "tulip")
IMAGES = tuple(
    Image(path=f"{CLASSES[row % 2]}/{row}.jpg", label=CLASSES[row % 2], part=None, sha256=str(row // 2), width_px=9,
          height_px=9, mode="RGB", format="JPEG", size_bytes=9, row=row)
    for row in range(200)
)  # fmt: skip
PARTS = ("train",) * 150 + ("validation",) * 50
ERRORS = (LabelError(row=4, suggested=1, own_probability=0.03),)
TWINS = (Twins(first=2, second=160, similarity=0.93), Twins(first=7, second=8, similarity=0.9))
OUTLIERS = (Outlier(row=11, distance=0.41),)


def found(errors=ERRORS, twins=TWINS, outliers=OUTLIERS):
    return {one.kind: one for one in findings_of_suspects(IMAGES, PARTS, CLASSES, errors, twins, outliers)}


def test_single_suspects_are_notes_with_an_example_that_its_paths_name() -> None:
    for finding in found().values():
        assert finding.severity == "note"
        assert repr(finding.paths[0]) in finding.text
    assert "'rose/4.jpg' is labelled 'rose' and looks like 'tulip'" in found()["likely label errors"].text


def test_many_label_errors_are_a_warning() -> None:
    six, five = (tuple(LabelError(row=row, suggested=1, own_probability=0.1) for row in range(n)) for n in (6, 5))
    assert found(errors=six)["likely label errors"].severity == "warn"
    assert found(errors=five)["likely label errors"].severity == "note"
    assert found(errors=six)["likely label errors"].count == 6


def test_near_duplicates_say_how_many_have_two_labels_and_lie_on_two_sides() -> None:
    text = found()["near duplicates by features"].text
    assert "2 pair(s)" in text
    assert "1 with two labels, 1 across train and validation" in text
    plain = found(twins=(Twins(first=2, second=4, similarity=0.9),))["near duplicates by features"].text
    assert plain.endswith("'rose/2.jpg' and 'rose/4.jpg' for one.")


def test_what_was_told_as_copies_of_any_kind_is_not_told_again() -> None:
    def content(row: int) -> int:  # rows 0 and 1 have the same pixels, as have 2 and 3, and so on
        return row // 2

    same = Twins(first=0, second=1, similarity=1.0)
    near, mirrored = Twins(first=11, second=21, similarity=0.99), Twins(first=31, second=40, similarity=0.9)
    told = (
        NearCopy(first="rose/10.jpg", second="rose/20.jpg", bits=2, detail=0.9),
        NearCopy(first="rose/30.jpg", second="rose/40.jpg", bits=2, detail=0.9, mirrored=True),
        NearCopy(first="rose/2.jpg", second="rose/of the test set.jpg", bits=2, detail=0.9),
    )
    assert not_yet_told(IMAGES, (same, near, mirrored, *TWINS), told, content) == TWINS
    assert not_yet_told(IMAGES, (same, near, mirrored, *TWINS), (), content) == (near, mirrored, *TWINS)


def test_nothing_is_said_of_nothing() -> None:
    assert found((), (), ()) == {}
    assert finding_of_shortcuts((), chance=0.5, probe_accuracy=0.9) == ()


def shortcut(facts: str, way: float, *, sure: bool = True) -> Shortcut:
    return Shortcut(facts=facts, accuracy=0.32, way=way, sure=sure)


def test_a_shortcut_names_the_most_telling_fact_and_only_facts_that_are_loud() -> None:
    (finding,) = finding_of_shortcuts(
        (
            shortcut(ALL, 0.7),
            shortcut("colour mode", 0.64),
            shortcut("mean colour", 0.52),
            shortcut("file format", 0.2),
        ),
        chance=0.17,
        probe_accuracy=0.57,
    )
    assert finding.severity == "warn"
    assert finding.text.startswith("The colour mode alone names the label of 32% of the images (mean colour as well)")
    assert "64% of the way from chance (17%) to the probe that sees the pictures (57%)" in finding.text
    (together,) = finding_of_shortcuts((shortcut(ALL, 0.6),), chance=0.2, probe_accuracy=0.9)
    assert together.text.startswith("Size, format, mode and mean colour together name")
    noise = (shortcut("file format", 0.9, sure=False),)
    assert finding_of_shortcuts(noise, chance=0.2, probe_accuracy=0.9) == ()


def test_an_unsure_probe_says_that_it_judged_no_label() -> None:
    assert labels_not_judged(0.565).text.startswith("The probe is right on 56% of the images alone, and below 70%")


def test_the_table_comes_back_as_it_was_written_label_errors_first(tmp_path: Path) -> None:
    suspects = suspects_of(IMAGES, CLASSES, ERRORS, TWINS, OUTLIERS)
    assert [(one.path, one.kind, one.score, one.other) for one in suspects] == [
        ("rose/4.jpg", "label error", 0.97, "tulip"),
        ("rose/2.jpg", "near duplicate", 0.93, "rose/160.jpg"),
        ("tulip/7.jpg", "near duplicate", 0.9, "rose/8.jpg"),
        ("tulip/11.jpg", "outlier", 0.41, ""),
    ]
    write_suspects(tmp_path / "suspects.csv", suspects)
    assert read_suspects(tmp_path / "suspects.csv") == suspects
    assert (tmp_path / "suspects.csv").read_text().startswith("path,label,kind,score,other")
