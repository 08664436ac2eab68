"""The cleaned manifest: what stays of a dataset, and why the rest does not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from automl.data.clean import (
    CONFLICTING,
    DUPLICATE,
    NEAR_ELSEWHERE,
    SAME_ELSEWHERE,
    clean,
    manifest_text,
    write_manifest,
)
from automl.data.duplicates import Copies, NearCopy, by_content, is_conflicting
from automl.data.layouts import list_dataset
from automl.data.shared import leakage
from automl.errors import DataError
from automl.recipe.model import Data
from automl.types import PARTS, Image, Rejected
from tests.strategies import an_image


def test_each_image_that_goes_has_its_reason_and_one_of_each_copy_stays() -> None:
    images = [
        an_image("a/1.png", "a", "one"), an_image("a/2.png", "a", "one"),
        an_image("a/3.png", "a", "both"), an_image("b/3.png", "b", "both"),
        an_image("b/4.png", "b", "alone"),
    ]  # fmt: skip
    rejected = [Rejected(path="a/cut.png", label="a", reason="truncated", detail="")]

    found = clean(images, rejected, Copies())

    assert [image.path for image in found.images] == ["a/1.png", "b/4.png"]
    assert found.left_out == {
        "a/2.png": DUPLICATE, "a/3.png": CONFLICTING, "a/cut.png": "cannot be used: truncated", "b/3.png": CONFLICTING,
    }  # fmt: skip
    assert found.reasons[CONFLICTING] == ("a/3.png", "b/3.png")


def test_of_copies_across_given_parts_the_one_that_judges_stays_and_near_ones_go_from_train() -> None:
    images = [
        an_image("train/a/1.png", "a", "one", part="train"), an_image("test/a/1.png", "a", "one", part="test"),
        an_image("train/a/2.png", "a", "two", part="train"), an_image("val/a/2.png", "a", "near", part="validation"),
        an_image("train/b/3.png", "b", "three", part="train"), an_image("train/b/4.png", "b", "three", part="train"),
    ]  # fmt: skip
    near = NearCopy(first="train/a/2.png", second="val/a/2.png", bits=2, detail=0.95)

    found = clean(images, [], Copies(near=(near,)))

    assert found.left_out == {
        "train/a/1.png": SAME_ELSEWHERE, "train/a/2.png": NEAR_ELSEWHERE, "train/b/4.png": DUPLICATE,
    }  # fmt: skip


def test_spellings_are_merged_as_proposed_before_copies_are_judged() -> None:
    images = [an_image("1.png", "HAPPY", "one"), an_image("2.png", "happy", "one"), an_image("3.png", "Sad ", "two"),
              an_image("4.png", "Sad", "three"), an_image("5.png", "Sad", "four")]  # fmt: skip

    found = clean(images, [], Copies())

    assert found.merged == {"HAPPY": "happy", "Sad ": "Sad"}
    assert {image.path: image.label for image in found.images} == {
        "1.png": "happy", "3.png": "Sad", "4.png": "Sad", "5.png": "Sad",
    }  # fmt: skip


parts = st.sampled_from([*PARTS, None])


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), parts), max_size=24), st.booleans())
def test_nothing_is_left_to_clean_and_every_image_is_kept_or_told(rows: list, with_parts: bool) -> None:
    images = [
        an_image(f"{at:02}.png", label, str(content), part=(part or "train") if with_parts else None)
        for at, (label, content, part) in enumerate(rows)
    ]
    near = tuple(
        NearCopy(first=one.path, second=other.path, bits=1, detail=0.9)
        for one, other in pairwise(images)
        if one.sha256 != other.sha256 and one.path == by_content(images)[one.sha256][0].path
        and other.path == by_content(images)[other.sha256][0].path
    )  # fmt: skip
    copies = Copies(near=near)

    found = clean(images, [], copies)

    kept = {image.path for image in found.images}
    assert kept | found.left_out.keys() == {image.path for image in images}
    assert not kept & found.left_out.keys()
    groups = by_content(found.images).values()
    assert all(len(group) == 1 and not is_conflicting(group) for group in groups)
    contents = {image.sha256 for image in found.images}
    unheard = [group for group in by_content(images).values() if not is_conflicting(group)]
    if not with_parts:  # a leak can take all of a content with it; else one of each stays
        assert contents == {group[0].sha256 for group in unheard}
    places = {image.path: image.part for image in found.images if image.part}
    ours = Copies(near=tuple(pair for pair in near if {pair.first, pair.second} <= kept))
    assert leakage(found.images, ours, places) == {"same pixels": 0, "near copies": 0, "groups": 0}


def _files(root: Path, paths: list[str]) -> None:
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        PillowImage.new("RGB", (8, 8), (number, 9, 9)).save(root / path, format="PNG")


def _images(paths: list[str]) -> list[Image]:
    return [an_image(path, path.split("/")[0], path) for path in paths]


@pytest.mark.parametrize("above", [False, True])
def test_the_manifest_is_read_back_as_it_is_meant(tmp_path: Path, above: bool) -> None:
    paths = ['cat/~1, "x".png', "cat/a\rb.png", "cat/ b .png", "dog/naïve.png", "dog/2.png", "~dog/1.png", "~dog/2.png"]
    root = tmp_path / "data"
    _files(root, paths)
    images = [
        replace(image, part=PARTS[at % 3], group=f"g{at}", weight=0.5 + at) for at, image in enumerate(_images(paths))
    ]
    out = (tmp_path if above else root) / "clean.csv"

    write_manifest(out, images, root, Data())

    below = "data/" if above else ""
    found = {file.path: file for file in list_dataset(out).files}
    assert found.keys() == {f"{below}{path}" for path in paths}
    for image in images:
        file = found[f"{below}{image.path}"]
        assert (file.label, file.part, file.group, file.weight) == (
            image.label, image.part, image.group, image.weight,
        )  # fmt: skip
    assert [path.name for path in out.parent.iterdir() if "tmp" in path.name] == []


def test_a_column_has_the_name_that_the_recipe_wishes_and_empty_ones_are_left_out() -> None:
    images = _images(["cat/1.png"])

    assert manifest_text(images, Data(label="emotion", group="none")) == "path,emotion\ncat/1.png,cat\n"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9), max_size=4))
def test_text_of_any_kind_is_quoted_so_that_csv_reads_it_back(cells: list[str]) -> None:
    import csv
    import io

    images = [an_image(f"x/{at}.png", cell, str(at)) for at, cell in enumerate(cells)]

    rows = list(csv.DictReader(io.StringIO(manifest_text(images, Data()), newline=""), strict=True))

    assert [row["label"] for row in rows] == cells


def test_what_is_no_dataset_any_more_is_not_written(tmp_path: Path) -> None:
    paths = ["cat/1.png", "cat/2.png"]
    _files(tmp_path, paths)

    with pytest.raises(
        DataError, match=r"clean\.csv was not written: what stays is 2 image\(s\) of 1 class\(es\)\. Wanted: two"
    ):
        write_manifest(tmp_path / "clean.csv", _images(paths), tmp_path, Data())
    assert not (tmp_path / "clean.csv").exists()
    assert len(list(tmp_path.iterdir())) == 1
