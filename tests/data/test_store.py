"""Stores of pixels: the same pictures by the same rows, wherever they lie."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.bundle.resize import load_pixels
from automl.data import store as store_module
from automl.data.images import write_images
from automl.data.store import (
    NAME,
    FilePixels,
    RawPixels,
    RawWriter,
    StoreFacts,
    open_pixels,
    own_words,
    rows_per_shard,
    shards,
    store_name,
    whole_rows,
    write_facts,
)
from automl.errors import StageFailed
from tests.stores import write_store
from tests.strategies import an_image

ROW = 16 * 16 * 3


def noise(n: int, size_px: int = 16) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, size_px, size_px, 3), dtype=np.uint8)


@pytest.fixture
def decoded(bars_dataset: Path, tmp_path: Path) -> Path:
    """A store of 16 px that decodes the 60 bars from their files."""
    (tmp_path / "check").mkdir()
    images = []
    for row, path in enumerate(sorted(bars_dataset.glob("*/*.png"))):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        image = an_image(path.relative_to(bars_dataset).as_posix(), path.parent.name, "", row=row)
        images.append(replace(image, sha256=digest))
    write_images(tmp_path / "check" / "images.csv", images)
    folder = tmp_path / "check" / store_name(16)
    folder.mkdir()
    write_facts(folder, StoreFacts(kind="files", n_images=60, size_px=16, root=str(bars_dataset), max_megapixels=1))
    return folder


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 25), per_shard=st.integers(1, 9), data=st.data())
def test_raw_shards_are_read_like_the_array_that_was_written(
    n: int, per_shard: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pixels = noise(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "SHARD_BYTES", per_shard * ROW + ROW // 2)
        opened = open_pixels(write_store(tmp_path_factory.mktemp("raw"), pixels))
    rows = data.draw(st.lists(st.integers(0, n - 1), max_size=30))
    row = data.draw(st.integers(0, n - 1))

    assert isinstance(opened, RawPixels)
    assert (opened.shape, len(opened), opened.nbytes) == (pixels.shape, n, pixels.nbytes)
    assert np.array_equal(opened[rows], pixels[np.array(rows, dtype=np.int64)])
    assert np.array_equal(opened[row], pixels[row])
    assert np.array_equal(opened[row:], pixels[row:])


def test_a_row_that_is_not_there_is_refused_and_nothing_can_be_changed(tmp_path: Path) -> None:
    opened = open_pixels(write_store(tmp_path, noise(5)))

    for wrong in (5, -1, [0, 5], [-1]):
        with pytest.raises(IndexError, match="of a store of 5 pictures"):
            opened[wrong]
    with pytest.raises(ValueError, match="read-only"):
        opened[0][0] = 0


@settings(deadline=None, max_examples=40)
@given(n=st.integers(0, 25), kept=st.integers(0, 25), per_shard=st.integers(1, 9), cut=st.integers(0, ROW))
def test_a_writer_goes_on_after_the_rows_that_are_kept(
    n: int, kept: int, per_shard: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, pixels = tmp_path_factory.mktemp("cut") / "pixels-16", noise(26)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "SHARD_BYTES", per_shard * ROW)
        first = RawWriter(folder, 16, 0)
        for picture in pixels[: max(n, kept)]:
            first.write(picture)
        first.close()
        if max(n, kept) > kept:  # the kill may leave half a picture after the committed ones
            with shards(folder)[-1].open("ab") as file:
                file.truncate(max(0, file.tell() - cut))
        assert whole_rows(folder, 16) >= kept
        second = RawWriter(folder, 16, kept)
        for picture in pixels[kept:]:
            second.write(picture)
        second.close()
        write_facts(folder, StoreFacts(kind="raw", n_images=26, size_px=16, rows_per_shard=rows_per_shard(16)))

        assert len(shards(folder)) == -(-26 // per_shard)
        assert all(path.stat().st_size <= per_shard * ROW for path in shards(folder))
        assert np.array_equal(open_pixels(folder)[:], pixels)


def test_a_gap_among_the_shards_ends_what_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SHARD_BYTES", 2 * ROW)
    folder = write_store(tmp_path, noise(7))
    assert whole_rows(folder, 16) == 7

    (folder / "00001.u8").unlink()

    assert whole_rows(folder, 16) == 2


def test_a_damaged_store_is_refused_by_its_file(tmp_path: Path) -> None:
    folder = write_store(tmp_path, noise(5))
    (folder / "00000.u8").write_bytes(b"\0" * 100)
    with pytest.raises(
        StageFailed, match=r"pixels-16/00000\.u8 has 100 bytes, and 5 images of 16 x 16 take 3840.*--redo check"
    ):
        open_pixels(folder)
    (folder / "00000.u8").unlink()
    with pytest.raises(StageFailed, match=r"pixels-16/00000\.u8 is missing"):
        open_pixels(folder)
    (folder / NAME).write_text('{"kind": "tape"}')
    with pytest.raises(StageFailed, match=r"store\.json is missing or cannot be understood.*--redo check"):
        open_pixels(folder)


def test_pictures_from_the_files_are_those_that_a_bundle_makes_of_them(decoded: Path, bars_dataset: Path) -> None:
    opened = open_pixels(decoded)

    assert isinstance(opened, FilePixels)
    assert (opened.shape, len(opened), opened.nbytes) == ((60, 16, 16, 3), 60, 0)
    wanted = np.stack([load_pixels(path.read_bytes(), 16) for path in sorted(bars_dataset.glob("*/*.png"))])
    assert np.array_equal(opened[[59, 3, 3, 0]], wanted[[59, 3, 3, 0]])
    assert np.array_equal(opened[7], wanted[7])
    assert np.array_equal(opened[:], wanted)
    assert opened[[]].shape == (0, 16, 16, 3)


def test_a_file_that_is_not_the_one_that_check_read_is_never_decoded(decoded: Path, bars_dataset: Path) -> None:
    opened = open_pixels(decoded)
    (bars_dataset / "across" / "001.png").write_bytes((bars_dataset / "across" / "000.png").read_bytes())
    (bars_dataset / "down" / "000.png").unlink()

    assert opened[[0, 2]].any()
    with pytest.raises(StageFailed, match=r"across/001\.png is no longer .* its bytes are others.*--redo check"):
        opened[[0, 1]]
    with pytest.raises(StageFailed, match=r"down/000\.png is no longer .* No such file"):
        opened[20]


def test_what_a_feed_meets_in_the_files_comes_out_in_our_words(decoded: Path, bars_dataset: Path) -> None:
    opened = open_pixels(decoded)
    (bars_dataset / "across" / "000.png").unlink()

    def wrapped() -> None:
        try:
            opened[0]
        except StageFailed as error:
            raise RuntimeError("UnknownError: in some node of a graph") from error

    with pytest.raises(StageFailed, match=r"across/000\.png"), own_words(opened):
        wrapped()
    with pytest.raises(ZeroDivisionError), own_words(noise(1)):
        _ = 1 / 0


def test_a_list_of_images_that_does_not_fit_is_refused(decoded: Path) -> None:
    write_images(decoded.parent / "images.csv", [an_image("a.png", "a", "0")])

    with pytest.raises(StageFailed, match=r"images\.csv has 1 images, and 60 were packed"):
        open_pixels(decoded)
