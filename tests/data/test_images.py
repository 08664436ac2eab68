from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.images import (
    Assigned,
    read_images,
    read_rejected,
    read_split,
    write_images,
    write_rejected,
    write_split,
)
from automl.errors import StageFailed
from automl.types import PARTS, Rejected
from tests.strategies import an_image

# Everything that a file name may hold once it could be decoded: commas, quotes, line ends, other scripts.
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@settings(deadline=None, max_examples=60)
@given(table=st.lists(st.tuples(names, names, st.sampled_from((None, *PARTS))), max_size=6))
def test_images_come_back_as_they_were_written(
    table: list[tuple[str, str, None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("images") / "images.csv"
    images = tuple(an_image(p, label, p, part=part, row=row) for row, (p, label, part) in enumerate(table))

    write_images(path, images[::-1])

    assert read_images(path) == images


def test_rejected_and_split_tables_come_back_sorted_by_path(tmp_path: Path) -> None:
    rejected = [Rejected(path=f"{n}.png", label="a", reason="truncated", detail='said "no", twice') for n in "ba"]
    assigned = [Assigned(path=f"{n}.png", label="a", part="test", row=3, fold=2, group="g") for n in "ba"]

    write_rejected(tmp_path / "rejected.csv", rejected)
    write_split(tmp_path / "split.csv", assigned)

    assert read_rejected(tmp_path / "rejected.csv") == tuple(rejected[::-1])
    assert read_split(tmp_path / "split.csv") == tuple(assigned[::-1])
    assert (tmp_path / "split.csv").read_text().splitlines()[:2] == [
        "path,label,part,row,fold,group,weight",
        "a.png,a,test,3,2,g,1.0",
    ]


def test_a_damaged_table_says_which_stage_to_redo(tmp_path: Path) -> None:
    path = tmp_path / "check" / "images.csv"
    write_images(path, [an_image("a.png", "a", "a")])
    path.write_text(path.read_text().replace(",32,", ",wide,"))

    with pytest.raises(StageFailed, match=r"images\.csv cannot be read: .*--redo check"):
        read_images(path)


def test_labels_that_look_like_nothing_are_kept(tmp_path: Path) -> None:
    image = replace(an_image("None/0.png", "None", "x"), part=None)

    write_images(tmp_path / "images.csv", [image])

    assert read_images(tmp_path / "images.csv") == (image,)
