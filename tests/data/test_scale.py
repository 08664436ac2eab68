"""What grows with the number of files: so many bytes each, and no more for each in a larger set."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from automl.data import near
from automl.data.duplicates import Copies
from automl.data.images import read_images, write_images
from automl.data.layouts import list_dataset, listing_fingerprint
from automl.data.near import look_at
from automl.data.shared import find_in_split, leakage
from automl.data.split import assign_parts
from automl.recipe.model import Split
from automl.types import Image
from tests.strategies import an_image

FEW, MANY = 1000, 4000


def _peak(work: Callable[[], object]) -> int:
    """The most bytes that Python and numpy hold at once while the work is done."""
    gc.collect()
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _linked(root: Path, n: int, layout: str) -> Path:
    """n hard links to one file, in two classes or with a manifest."""
    (root / "source").mkdir(parents=True)
    (root / "source" / "one.jpg").write_bytes(b"\xff\xd8\xff")
    lines = ["path,label"]
    for name in ("cat", "dog") if layout == "folders" else ("images",):
        (root / "set" / name).mkdir(parents=True)
    for number in range(n):
        label = ("cat", "dog")[number % 2]
        path = f"{label if layout == 'folders' else 'images'}/{number:07}.jpg"
        os.link(root / "source" / "one.jpg", root / "set" / path)
        lines.append(f"{path},{label}")
    if layout == "manifest":
        (root / "set" / "labels.csv").write_text("\n".join(lines))
    return root / "set"


@pytest.mark.parametrize(("layout", "bytes_a_file"), [("folders", 1000), ("manifest", 1600)])
def test_listing_takes_so_many_bytes_a_file(tmp_path: Path, layout: str, bytes_a_file: int) -> None:
    def listing(n: int) -> int:
        root = _linked(tmp_path / f"{n}", n, layout)
        list_dataset(root)  # what is kept for ever is made before
        return _peak(lambda: listing_fingerprint(list_dataset(root)))

    few, many = listing(FEW), listing(MANY)

    assert many - few < bytes_a_file * (MANY - FEW)


def _images(n: int) -> list[Image]:
    return [an_image(f"{at % 2}/{at:07}.jpg", f"{at % 2}", f"{at - 2 * (at % 50 == 3)}", row=at) for at in range(n)]


def test_tables_are_read_row_by_row(tmp_path: Path) -> None:
    for n in (FEW, MANY):
        write_images(tmp_path / f"{n}.csv", _images(n))
    read_images(tmp_path / f"{FEW}.csv")

    few, many = (_peak(lambda n=n: read_images(tmp_path / f"{n}.csv")) for n in (FEW, MANY))

    assert many - few < 700 * (MANY - FEW)


def test_the_split_takes_so_many_bytes_an_image() -> None:
    def cut(n: int) -> int:
        images = _images(n)

        def work() -> None:
            done = assign_parts(images, Copies(), Split(), seed=1)
            find_in_split(images, Copies(), done)
            leakage(images, Copies(), done.parts)

        return _peak(work)

    few, many = cut(FEW), cut(MANY)

    assert many - few < 1000 * (MANY - FEW)


def test_thumbnails_of_many_pictures_lie_on_the_disk_and_are_the_same_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (300, 32, 32, 3), np.uint8)
    rows = np.arange(300)
    inside = look_at(pixels, rows)
    monkeypatch.setattr(near, "IN_MEMORY_BYTES", 1000)

    outside = look_at(pixels, rows)

    assert isinstance(outside.thumbs, np.memmap)
    assert np.array_equal(inside.thumbs, outside.thumbs)
    monkeypatch.setattr(near.os, "posix_fallocate", _full)
    assert not isinstance(look_at(pixels, rows).thumbs, np.memmap)


def _full(*given: object) -> None:
    raise OSError(28, "No space left on device")
