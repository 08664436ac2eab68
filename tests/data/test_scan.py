from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from automl.bundle.resize import load_picture, load_pixels
from automl.data import scan as scan_module
from automl.data import store as store_module
from automl.data.images import write_images
from automl.data.layouts import list_dataset
from automl.data.looks import NAME, RAW_NAME, measure, read_looks
from automl.data.reuse import Earlier, open_earlier
from automl.data.scan import LADDER_PX, choose_sizes_px, own_size_px, scan, shorter_sides_px
from automl.data.scan_journal import Scan, begun_choice, inputs_of
from automl.data.store import Kind, open_pixels, store_name
from automl.data.store_choice import Choice
from automl.errors import ResourceMissing
from automl.runs.resources import BOTH


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks even in small datasets."""
    monkeypatch.setattr(scan_module, "CHUNK_FILES", 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "check").mkdir()
    return tmp_path / "check"


class Killed(BaseException):
    """Stands for the kill."""


def _scan(
    dataset: Path,
    folder: Path,
    *,
    kill_at: int | None = None,
    sizes: tuple[int, ...] = (16,),
    kind: Kind = "raw",
    earlier: Earlier | None = None,
) -> Scan:
    def progress(done: int, total: int) -> None:
        ticks.append((done, total))
        if done == kill_at:
            raise Killed

    ticks: list[tuple[int, int]] = []
    listing = list_dataset(dataset)
    found = scan(
        listing,
        folder,
        inputs=inputs_of(listing, sizes, 1, "a test"),
        sizes_px=sizes,
        looks_px=max(sizes),
        max_megapixels=1,
        threads=3,
        progress=progress,
        choice=Choice(kind=kind),
        earlier=earlier.take if earlier else lambda file: None,
    )
    assert [done for done, _ in ticks] == list(range(len(listing.files) - len(ticks) + 1, len(listing.files) + 1))
    return found


@pytest.fixture
def spoilt_dataset(bars_dataset: Path) -> Path:
    """60 files of which 3 cannot be used."""
    whole = (bars_dataset / "across" / "003.png").read_bytes()
    (bars_dataset / "across" / "003.png").write_bytes(whole[:-300])
    (bars_dataset / "down" / "000.png").write_bytes(b"")
    PillowImage.new("1", (2000, 1000)).save(bars_dataset / "slant" / "019.png")
    return bars_dataset


def test_every_readable_file_gets_a_row_that_holds_its_pixels(spoilt_dataset: Path, folder: Path) -> None:
    found = _scan(spoilt_dataset, folder, sizes=(16, 24))

    assert [image.row for image in found.images] == list(range(57))
    for size in (16, 24):
        pixels = open_pixels(folder / store_name(size))
        for image in found.images:
            data = (spoilt_dataset / image.path).read_bytes()
            assert image.sha256 == hashlib.sha256(data).hexdigest()
            assert np.array_equal(pixels[image.row], load_pixels(data, size))
    looks = read_looks(folder, 57)
    for image in found.images[::9]:
        data = (spoilt_dataset / image.path).read_bytes()
        assert looks[image.row] == measure(load_picture(data, 24), 24)


@pytest.fixture
def large_photos(tmp_path: Path) -> Path:
    """Two classes of one JPEG each, of a size that is shrunk by 8, 4 or 2 while it is decoded for 16, 40 or 64 px."""
    y, x = np.mgrid[:300, :400]
    for shift, label in enumerate("ab"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        picture = PillowImage.fromarray((127 + 120 * np.sin(x / 7 + shift) * np.cos(y / 5)).astype(np.uint8))
        picture.save(tmp_path / "photos" / label / "0.jpg", quality=90)
    return tmp_path / "photos"


def test_each_size_of_a_large_photo_gets_the_pixels_that_a_bundle_sees(large_photos: Path, folder: Path) -> None:
    found = _scan(large_photos, folder, sizes=(16, 40, 64))

    for size in (16, 40, 64):
        pixels = open_pixels(folder / store_name(size))
        for image in found.images:
            assert np.array_equal(pixels[image.row], load_pixels((large_photos / image.path).read_bytes(), size))


@pytest.mark.parametrize(("sizes", "times"), [((16, 24), 60), ((24, 16, 32), 60)])
def test_a_file_is_decoded_once_for_all_sizes(
    bars_dataset: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], times: int
) -> None:
    loaded = []
    monkeypatch.setattr(scan_module, "load_picture", lambda *given: loaded.append(1) or load_picture(*given))

    _scan(bars_dataset, folder, sizes=sizes)

    assert len(loaded) == times


def test_animations_and_pages_are_told_and_their_first_frame_is_taken(tmp_path: Path, folder: Path) -> None:
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        for suffix in ("gif", "webp", "png", "tif"):
            frames = [PillowImage.new("RGB", (20, 20), (shade, 0, 0)) for shade in (250, 90, 10)]
            more = {"save_all": True, "append_images": frames[1:]} if label == "a" else {}
            frames[0].save(tmp_path / "set" / label / f"0.{suffix}", **more)

    found = _scan(tmp_path / "set", folder)

    assert found.animated == ("a/0.gif", "a/0.png", "a/0.tif", "a/0.webp")
    pixels = open_pixels(folder / store_name(16))
    assert (np.abs(pixels[:].astype(int) - (250, 0, 0)) < 8).all()


def test_a_telephones_jpeg_with_a_picture_behind_it_is_no_animation(tmp_path: Path, folder: Path) -> None:
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        first, second = PillowImage.new("RGB", (20, 20)), PillowImage.new("RGB", (20, 20), "red")
        first.save(tmp_path / "set" / label / "0.jpg", format="MPO", save_all=True, append_images=[second])

    found = _scan(tmp_path / "set", folder)

    assert [image.format for image in found.images] == ["MPO", "MPO"]
    assert found.animated == ()


def test_unusable_files_are_rejected_with_a_reason(spoilt_dataset: Path, folder: Path) -> None:
    rejected = _scan(spoilt_dataset, folder).rejected

    assert [(file.path, file.label, file.reason) for file in rejected] == [
        ("across/003.png", "across", "truncated"),
        ("down/000.png", "down", "empty file"),
        ("slant/019.png", "slant", "too many pixels"),
    ]


def test_a_whole_png_with_a_longer_text_than_is_read_is_not_called_damaged(tmp_path: Path, folder: Path) -> None:
    text = PngInfo()
    text.add_text("comment", "x" * 2_000_000, zip=True)
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        PillowImage.new("RGB", (8, 8)).save(tmp_path / "set" / label / "1.png")
    PillowImage.new("RGB", (8, 8)).save(tmp_path / "set" / "a" / "2.png", pnginfo=text)

    (rejected,) = _scan(tmp_path / "set", folder).rejected

    assert (rejected.path, rejected.reason) == ("a/2.png", "too much metadata")
    assert "too large" in rejected.detail


def test_a_file_too_large_for_any_allowed_picture_is_not_even_read(bars_dataset: Path, folder: Path) -> None:
    with (bars_dataset / "down" / "000.png").open("r+b") as file:
        file.truncate(9_000_000)

    (rejected,) = _scan(bars_dataset, folder).rejected

    assert (rejected.path, rejected.reason, rejected.detail) == ("down/000.png", "too many bytes", "9 MB")


@pytest.mark.parametrize("kill_at", [1, 8, 9, 30, 59])
def test_a_killed_scan_goes_on_and_ends_as_an_undisturbed_one(
    spoilt_dataset: Path, folder: Path, tmp_path: Path, kill_at: int
) -> None:
    (tmp_path / "undisturbed").mkdir()
    undisturbed = _scan(spoilt_dataset, tmp_path / "undisturbed")

    with pytest.raises(Killed):
        _scan(spoilt_dataset, folder, kill_at=kill_at)
    resumed = _scan(spoilt_dataset, folder)

    assert resumed.images == undisturbed.images
    assert resumed.rejected == undisturbed.rejected
    for name in ("pixels-16/00000.u8", NAME):
        assert (folder / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def test_committed_chunks_are_not_decoded_again(spoilt_dataset: Path, folder: Path) -> None:
    with pytest.raises(Killed):
        _scan(spoilt_dataset, folder, kill_at=30)
    for name in ("across/000.png", "across/001.png"):  # were they opened again, they would be rejected
        stat = (spoilt_dataset / name).stat()
        (spoilt_dataset / name).write_bytes(b"\0" * stat.st_size)
        os.utime(spoilt_dataset / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert len(_scan(spoilt_dataset, folder).rejected) == 3


@settings(deadline=None, max_examples=15)
@given(cut=st.floats(0, 1), extra=st.integers(0, 5000))
def test_a_cut_journal_and_a_map_that_is_ahead_of_it_end_as_an_undisturbed_scan(
    cut: float, extra: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("cut")
    for label in "ab":
        (root / "set" / label).mkdir(parents=True)
        for number in range(9):
            PillowImage.new("L", (20, 20), 10 * number).save(root / "set" / label / f"{number}.png")
    (root / "check").mkdir()
    undisturbed = _scan(root / "set", root / "check")
    rows = {name: (root / "check" / name).read_bytes() for name in ("pixels-16/00000.u8", RAW_NAME, NAME)}
    journal = root / "check" / "scan.jsonl"
    journal.write_bytes(journal.read_bytes()[: int(cut * journal.stat().st_size)])
    for name in ("pixels-16/00000.u8", RAW_NAME):
        with (root / "check" / name).open("ab") as file:
            file.write(b"x" * extra)

    again = _scan(root / "set", root / "check")

    assert again.images == undisturbed.images
    assert {name: (root / "check" / name).read_bytes() for name in rows} == rows


def test_other_sizes_or_a_lost_map_start_afresh(bars_dataset: Path, folder: Path) -> None:
    _scan(bars_dataset, folder)
    other = _scan(bars_dataset, folder, sizes=(24,))
    assert open_pixels(folder / store_name(24))[:].any()

    for lost in ("pixels-24/00000.u8", RAW_NAME):
        (folder / lost).unlink()
        assert _scan(bars_dataset, folder, sizes=(24,)).images == other.images
        assert open_pixels(folder / store_name(24))[:].any()
        assert read_looks(folder, 60)["contrast"].all()


def test_too_little_room_is_said_before_anything_is_decoded(
    bars_dataset: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 10**5, 10**5))

    with pytest.raises(ResourceMissing, match=r"0\.1 MB free\. Wanted: 0\.4 MB for the pixel maps .*--runs.*files\.$"):
        _scan(bars_dataset, folder)

    assert not (folder / store_name(16)).exists()


def test_a_disk_that_fills_up_half_way_is_named_and_the_scan_resumable(
    bars_dataset: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Any) -> None:
        syncs.append(file)
        if len(syncs) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(file)

    syncs: list[Any] = []
    original = scan_module._sync
    monkeypatch.setattr(scan_module, "_sync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        _scan(bars_dataset, folder)
    assert caught.value.filename == str(folder)
    monkeypatch.setattr(scan_module, "_sync", original)

    assert len(_scan(bars_dataset, folder).images) == 60


def auto(sides: list[int], most: int) -> tuple[int, ...]:
    return choose_sizes_px(own_size_px(sides, "auto", most), "auto", most)


@pytest.mark.parametrize(
    ("sides", "most", "sizes"),
    [
        ([8] * 9, 160, (32, 160)),  # for the small net, and enlarged for those of ImageNet
        ([64] * 9, 160, (128, 160)),
        ([100] * 8 + [3024], 160, (128, 160)),
        ([227] * 5, 160, (128, 160)),
        ([227] * 5, 224, (160, 224)),
        ([100] * 5, 224, (128, 160)),
        ([500] * 5, 512, (224, 512)),
        ([90, 374], 96, (96,)),
        ([32] * 3, 32, (32,)),
        ([], 160, (32, 160)),
    ],
)
def test_auto_packs_at_least_160_px_where_it_may_and_the_next_smaller_size(
    sides: list[int], most: int, sizes: tuple[int, ...]
) -> None:
    assert auto(sides, most) == sizes


@settings(deadline=None, max_examples=100)
@given(sides=st.lists(st.integers(1, 4000), max_size=20), cap=st.integers(32, 1024), factor=st.integers(1, 4))
def test_auto_is_never_above_the_cap_nor_smaller_for_larger_images(sides: list[int], cap: int, factor: int) -> None:
    sizes = auto(sides, cap)

    assert list(sizes) == sorted(set(sizes))
    assert sizes[-1] <= cap
    assert set(sizes) <= {*LADDER_PX, cap}
    assert sizes[-1] <= auto([side * factor for side in sides], cap)[-1]
    assert (own_size_px(sides, 77, cap), choose_sizes_px(77, 77, cap)) == (77, (77,))


@given(side=st.integers(1, 4000), cap=st.integers(32, 1024))
@example(side=1, cap=33)
def test_two_sizes_take_less_than_what_the_run_keeps_free_for_them(side: int, cap: int) -> None:
    sizes = auto([side], cap)
    assert sum(size**2 for size in sizes) <= BOTH * cap**2


def test_shorter_sides_come_from_headers_and_skip_what_cannot_be_opened(spoilt_dataset: Path) -> None:
    sides = shorter_sides_px(spoilt_dataset, list_dataset(spoilt_dataset).files, 1, threads=2)

    assert sides == [24] * 58  # the truncated one has a header; the empty one and the one above the cap are left out


def _dataset(root: Path, numbers: range) -> Path:
    """Classes a and b, each with pictures of these numbers."""
    for label in "ab":
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            path = root / label / f"{number:03}.png"
            PillowImage.new("RGB", (20, 20), (7 * number, 99, ord(label))).save(path)
            os.utime(path, ns=(10**18 + number, 10**18 + number))
    return root


def _earlier(
    dataset: Path, folder: Path, *, sizes: tuple[int, ...] = (16,), packed: tuple[int, ...] = (16,)
) -> Earlier | None:
    return open_earlier(folder, inputs_of(list_dataset(dataset), sizes, 1, "a test"), packed, None)


def _content(folder: Path) -> dict[str, bytes]:
    """What later stages read."""
    return {name: (folder / name).read_bytes() for name in ("pixels-16/00000.u8", "pixels-16/store.json", NAME)}


@pytest.mark.parametrize("kill_at", [None, 9, 30])
def test_a_grown_dataset_decodes_the_new_files_alone_and_ends_as_a_fresh_scan(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int | None
) -> None:
    dataset, before = _dataset(tmp_path / "set", range(10, 30)), tmp_path / "before"
    before.mkdir()
    with contextlib.nullcontext() if kill_at is None else pytest.raises(Killed):
        _scan(dataset, before, kill_at=kill_at)
    committed = {None: 40, 9: 8, 30: 24}[kill_at]
    _dataset(dataset, range(8, 12))  # two new ones of each class, at the front; two were there
    changed = dataset / "b" / "029.png"
    PillowImage.new("RGB", (20, 20), "red").save(changed)
    (tmp_path / "fresh").mkdir()
    fresh = _scan(dataset, tmp_path / "fresh")
    decoded = []
    monkeypatch.setattr(scan_module, "load_picture", lambda *given: decoded.append(1) or load_picture(*given))

    earlier = _earlier(dataset, before)
    found = _scan(dataset, folder, earlier=earlier)

    assert earlier is not None
    assert len(earlier) == committed
    assert found.reused == (39 if kill_at is None else committed)
    assert len(decoded) == 44 - found.reused
    assert (found.images, found.rejected, found.mtimes_ns) == (fresh.images, fresh.rejected, fresh.mtimes_ns)
    assert _content(folder) == _content(tmp_path / "fresh")


def test_a_file_changed_in_place_is_decoded_anew_and_a_new_label_is_taken(tmp_path: Path, folder: Path) -> None:
    dataset = _dataset(tmp_path / "set", range(4))
    _scan(dataset, folder)
    earlier = _earlier(dataset, folder)
    assert earlier is not None
    (file, *_) = list_dataset(dataset).files

    assert earlier.take(replace(file, mtime_ns=file.mtime_ns + 1)) is None
    assert earlier.take(replace(file, size_bytes=file.size_bytes + 1)) is None
    assert earlier.take(replace(file, path="a/999.png")) is None
    taken = earlier.take(replace(file, label="another"))
    assert taken is not None
    assert taken.reused


def test_another_version_size_or_kind_takes_nothing_over(tmp_path: Path, folder: Path) -> None:
    dataset = _dataset(tmp_path / "set", range(4))
    _scan(dataset, folder)
    inputs = inputs_of(list_dataset(dataset), (16,), 1, "a test")

    assert open_earlier(folder, inputs, (16,), None) is not None
    assert open_earlier(folder, {**inputs, "version": "another"}, (16,), None) is None
    assert open_earlier(folder, {**inputs, "max_megapixels": 2}, (16,), None) is None
    assert _earlier(dataset, folder, sizes=(16, 24)) is None
    assert open_earlier(tmp_path, inputs, (16,), None) is None  # there is none


def test_what_is_not_as_its_check_left_it_is_not_taken_over(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SHARD_BYTES", 3 * 16 * 16 * 3)  # three rows a shard
    dataset = _dataset(tmp_path / "set", range(4))
    _scan(dataset, folder)
    inputs = inputs_of(list_dataset(dataset), (16,), 1, "a test")
    paths = [path for path in folder.rglob("*") if path.is_file()]
    sums = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    whole = open_earlier(folder, inputs, (16,), sums)
    assert whole is not None
    assert len(whole) == 8
    shutil.copytree(folder, tmp_path / "copy")

    with (folder / "pixels-16" / "00001.u8").open("r+b") as file:
        file.write(b"\0\1\2\3")
    partly = open_earlier(folder, inputs, (16,), sums)
    assert partly is not None
    assert len(partly) == 3
    for name in ("scan.jsonl", RAW_NAME):
        spoilt = tmp_path / name.replace(".", "-")
        shutil.copytree(tmp_path / "copy", spoilt)
        with (spoilt / name).open("ab") as file:
            file.write(b"x")
        assert open_earlier(spoilt, inputs, (16,), sums) is None


def test_nothing_is_packed_where_pictures_come_from_the_files(spoilt_dataset: Path, folder: Path) -> None:
    with pytest.raises(Killed):
        _scan(spoilt_dataset, folder, sizes=(16, 24), kind="files", kill_at=20)
    found = _scan(spoilt_dataset, folder, sizes=(16, 24), kind="files")
    write_images(folder / "images.csv", found.images)

    assert not list(folder.rglob("*.u8"))
    (folder / "raw").mkdir()
    assert _scan(spoilt_dataset, folder / "raw", sizes=(16, 24)).images == found.images
    for size in (16, 24):
        raw, files = (open_pixels(place / store_name(size)) for place in (folder / "raw", folder))
        assert np.array_equal(raw[:], files[:])
    assert np.array_equal(read_looks(folder, 57), read_looks(folder / "raw", 57))


def test_looks_are_taken_over_without_pixels_and_pixels_never_from_a_scan_that_has_none(
    tmp_path: Path, folder: Path
) -> None:
    dataset = _dataset(tmp_path / "set", range(4))
    _scan(dataset, folder, kind="files")

    assert _earlier(dataset, folder, packed=(16,)) is None
    without = _earlier(dataset, folder, packed=())
    assert without is not None
    taken = [without.take(file) for file in list_dataset(dataset).files]
    assert [one.looks for one in taken if one] == list(read_looks(folder, 8))


def test_a_killed_scan_goes_on_with_the_store_it_has_committed_images_to(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _dataset(tmp_path / "set", range(6))
    inputs = inputs_of(list_dataset(dataset), (16,), 1, "a test")
    assert begun_choice(folder, inputs) is None
    with pytest.raises(Killed):
        _scan(dataset, folder, kind="files", kill_at=3)
    assert begun_choice(folder, inputs) is None  # the disk may have been full for that moment alone
    monkeypatch.setattr(scan_module, "CHUNK_FILES", 2)
    with pytest.raises(Killed):
        _scan(dataset, folder, kind="files", kill_at=3)

    assert begun_choice(folder, inputs) == Choice(kind="files")
    assert begun_choice(folder, {**inputs, "sizes_px": [24]}) is None
