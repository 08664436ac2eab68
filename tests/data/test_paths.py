"""How a manifest's paths lead to images of the dataset, and to nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.layouts import list_dataset
from automl.data.paths import Images, inside
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
