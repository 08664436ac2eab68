from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from automl.data import pack
from automl.data.images import Assigned
from automl.data.pack import (
    SHEET_CLASSES,
    SHEET_GAP_PX,
    SHEET_IMAGES,
    contact_sheet,
    mean_and_std,
    read_index,
    rows_and_labels,
    write_index,
    write_png,
)
from automl.types import PARTS


def _noise(n: int, size_px: int = 16) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, size_px, size_px, 3), dtype=np.uint8)


@settings(deadline=None, max_examples=40)
@given(table=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(PARTS)), max_size=30), data=st.data())
def test_the_parts_rows_are_a_partition_and_carry_their_labels(
    table: list[tuple[str, pack.Part]], data: st.DataObject
) -> None:
    assigned = [Assigned(path=f"{row}", label=label, part=part, row=row) for row, (label, part) in enumerate(table)]

    indexed = {part: rows_and_labels(data.draw(st.permutations(assigned)), part, ("a", "b", "c")) for part in PARTS}

    assert sorted(row for rows, _ in indexed.values() for row in rows) == list(range(len(table)))
    for part, (rows, labels) in indexed.items():
        assert rows.dtype == labels.dtype == np.int64
        assert list(rows) == sorted(rows)
        assert [table[row] for row in rows] == [("abc"[label], part) for label in labels]


def test_an_index_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_index(tmp_path, "train", np.array([3, 5]), np.array([1, 0]))

    rows, labels = read_index(tmp_path, "train")

    assert (rows.tolist(), labels.tolist()) == ([3, 5], [1, 0])
    assert {path.name for path in tmp_path.iterdir()} == {"train-rows.npy", "train-labels.npy"}


@pytest.mark.parametrize("chunk_bytes", [1, 5000, 2**20])
def test_mean_and_std_are_numpys_whatever_the_chunks(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "CHUNK_BYTES", chunk_bytes)
    pixels, rows = _noise(50), np.array([1, 4, 9, 33, 49])

    mean, std = mean_and_std(pixels, rows)

    assert mean == pytest.approx(pixels[rows].mean(axis=(0, 1, 2)))
    assert std == pytest.approx(pixels[rows].std(axis=(0, 1, 2)))


def test_a_full_chunk_of_white_does_not_overflow() -> None:
    white = np.full((12_000, 16, 16, 3), 255, np.uint8)

    assert mean_and_std(white, np.arange(12_000)) == ((255.0, 255.0, 255.0), (0.0, 0.0, 0.0))


def test_the_contact_sheet_shows_each_class_in_its_line() -> None:
    pixels = np.stack([np.full((16, 16, 3), row, np.uint8) for row in range(40)])
    rows, labels = np.arange(40), np.arange(40) % 20
    labels[:20] = 0

    sheet = contact_sheet(pixels, rows, labels, 20, seed=1)

    cell = 16 + SHEET_GAP_PX
    assert sheet.shape == (SHEET_CLASSES * cell - SHEET_GAP_PX, SHEET_IMAGES * cell - SHEET_GAP_PX, 3)
    first = {int(sheet[0, column * cell, 0]) for column in range(SHEET_IMAGES)}
    assert len(first) == SHEET_IMAGES
    assert all(labels[value] == 0 for value in first)
    assert (sheet[cell, 0, 0], sheet[cell, cell, 0]) == (21, 255)  # class 1 has one picture; the rest is white
    assert np.array_equal(sheet, contact_sheet(pixels, rows, labels, 20, seed=1))
    assert not np.array_equal(sheet, contact_sheet(pixels, rows, labels, 20, seed=2))


def test_a_png_holds_the_pixels_exactly(tmp_path: Path) -> None:
    pixels = _noise(1)[0]

    write_png(tmp_path / "samples.png", pixels)

    with PillowImage.open(tmp_path / "samples.png") as image:
        assert np.array_equal(np.asarray(image), pixels)
