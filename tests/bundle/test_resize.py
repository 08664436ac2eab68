from __future__ import annotations

import ast
import hashlib
import io
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from automl.bundle import resize
from automl.bundle.resize import FORMATS, ImageFault, decode, load_pixels, shorter_side_px


def _picture(width: int = 60, height: int = 40) -> PillowImage.Image:
    """A smooth RGB picture that no turn or mirroring leaves as it is."""
    y, x = np.mgrid[:height, :width]
    channels = (255 * x / width, 255 * y / height, 127 + 127 * np.sin(x / 9 + y / 5))
    return PillowImage.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def _saved(image: PillowImage.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=format_, **options)
    return file.getvalue()


def _png(mode: str, pixels: Any) -> bytes:
    return _saved(PillowImage.fromarray(np.asarray(pixels)).convert(mode), "PNG")


def _noise() -> PillowImage.Image:
    return PillowImage.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize("format_", FORMATS)
def test_every_allowed_format_is_read_as_square_rgb(format_: str) -> None:
    header, pixels = decode(_saved(_picture(), format_), 32)

    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert (header.width_px, header.height_px, header.format) == (60, 40, format_)
    expected = np.asarray(_picture().resize((32, 32), PillowImage.Resampling.BICUBIC)).astype(int)
    lossy = {"JPEG": 6, "WEBP": 6, "GIF": 10}  # grey levels, on average
    assert np.abs(pixels.astype(int) - expected).mean() <= lossy.get(format_, 0)


def test_the_format_is_told_by_content() -> None:
    assert decode(_saved(_picture(), "WEBP"), 16)[0].format == "WEBP"  # whatever the file was called


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_truncated_file_of_any_format_is_a_fault(format_: str, kept: float) -> None:
    whole = _saved(_noise(), format_)

    with pytest.raises(ImageFault) as fault:
        load_pixels(whole[: int(len(whole) * kept)], 16)

    assert fault.value.reason in {"truncated", "damaged"}


def test_a_truncated_photo_says_so_even_where_draft_shrinks_it() -> None:
    whole = _saved(_noise().resize((900, 900)), "JPEG")

    with pytest.raises(ImageFault, match="truncated") as fault:
        load_pixels(whole[: len(whole) * 3 // 4], 16)

    assert fault.value.reason == "truncated"


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", "empty file", "0 bytes"),
        (b"hello, I am text", "not an image", "hello"),
        (b"<html><body>404</body></html>", "not an image", "<html>"),
        (b"\x89PNG\r\n\x1a\nrubbish", "damaged", "header"),
        (b"\x00\x00\x00\x18ftypheic....", "unsupported format", "HEIC or AVIF; read are PNG, JPEG"),
        (b"P6 1 1 255\nabc", "unsupported format", "PPM"),
        (b"%!PS-Adobe", "unsupported format", "PostScript"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, reason: str, detail: str) -> None:
    with pytest.raises(ImageFault) as fault:
        load_pixels(data, 16)

    assert fault.value.reason == reason
    assert detail in fault.value.detail


def test_a_picture_above_the_cap_is_refused_before_it_is_decoded() -> None:
    large = _saved(PillowImage.new("1", (2000, 1000)), "PNG")
    cut = large[:60]  # the header is whole, the pixels are not there to be decoded

    with pytest.raises(ImageFault, match="2000 x 1000, and at most 1 megapixels") as fault:
        load_pixels(cut, 16, max_megapixels=1)

    assert fault.value.reason == "too many pixels"


@pytest.mark.parametrize("edge_px", [10_000, 60_000])  # Pillow warns of the one, and refuses the other itself
def test_a_decompression_bomb_is_a_fault_and_not_a_warning(edge_px: int) -> None:
    bomb = bytearray(_saved(PillowImage.new("1", (1, 1)), "BMP"))
    bomb[18:26] = edge_px.to_bytes(4, "little") * 2

    with pytest.raises(ImageFault) as fault:
        load_pixels(bytes(bomb), 16)

    assert fault.value.reason == "too many pixels"


UPRIGHT = _picture(64, 64)
STORED: dict[int, Callable[[], PillowImage.Image]] = {  # how the camera stores an upright scene under each orientation
    1: lambda: UPRIGHT,
    2: lambda: UPRIGHT.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT),
    3: lambda: UPRIGHT.transpose(PillowImage.Transpose.ROTATE_180),
    4: lambda: UPRIGHT.transpose(PillowImage.Transpose.FLIP_TOP_BOTTOM),
    5: lambda: UPRIGHT.transpose(PillowImage.Transpose.TRANSPOSE),
    6: lambda: UPRIGHT.transpose(PillowImage.Transpose.ROTATE_90),
    7: lambda: UPRIGHT.transpose(PillowImage.Transpose.TRANSVERSE),
    8: lambda: UPRIGHT.transpose(PillowImage.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_is_turned_upright(orientation: int, format_: str) -> None:
    exif = PillowImage.Exif()
    exif[274] = orientation
    options = {"lossless": True} if format_ == "WEBP" else {"quality": 95} if format_ == "JPEG" else {}

    pixels = load_pixels(_saved(STORED[orientation](), format_, exif=exif, **options), 64)

    assert np.abs(pixels.astype(int) - np.asarray(UPRIGHT).astype(int)).max() <= (16 if format_ == "JPEG" else 0)


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "JPEG"])
def test_width_and_height_are_those_of_the_upright_picture(format_: str) -> None:
    exif = PillowImage.Exif()
    exif[274] = 6

    header, _ = decode(_saved(_picture(60, 40), format_, exif=exif), 16)

    assert (header.width_px, header.height_px, header.turned) == (40, 60, True)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_counts_as_upright(orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[274] = orientation

    header, pixels = decode(_saved(UPRIGHT, "PNG", exif=exif), 64)

    assert not header.turned
    assert np.array_equal(pixels, np.asarray(UPRIGHT))


def test_damaged_exif_neither_warns_nor_rejects_the_picture() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        header, _ = decode(_saved(UPRIGHT, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0"), 16)

    assert not header.turned
    assert seen == []


def test_grey_one_bit_and_sixteen_bits_keep_their_tones() -> None:
    ramp = np.linspace(0, 255, 16, dtype=np.uint8)[None].repeat(16, axis=0)

    for data in (
        _saved(PillowImage.fromarray(ramp), "PNG"),
        _saved(PillowImage.fromarray(ramp.astype(np.uint16) * 257), "PNG"),
        _saved(PillowImage.fromarray(ramp.astype(np.uint16) * 257), "TIFF"),
        _saved(PillowImage.fromarray(ramp).quantize(256), "PNG"),
    ):
        pixels = load_pixels(data, 16)
        assert np.array_equal(pixels, np.repeat(ramp[..., None], 3, axis=-1))
    black_and_white = load_pixels(_saved(PillowImage.fromarray(ramp > 100), "PNG"), 16)
    assert np.array_equal(black_and_white[..., 0], np.where(ramp > 100, 255, 0))


def test_transparent_places_become_white_in_every_mode() -> None:
    rgba = PillowImage.new("RGBA", (8, 8), (255, 0, 0, 255))
    rgba.paste((0, 255, 0, 0), (4, 0, 8, 8))
    keyed = PillowImage.new("RGB", (8, 8), (255, 0, 0))
    keyed.paste((1, 2, 3), (4, 0, 8, 8))
    files = {
        "RGBA": _saved(rgba, "PNG"),
        "P": _saved(rgba.quantize(4), "PNG"),
        "GIF": _saved(rgba, "GIF"),
        "RGB": _saved(keyed, "PNG", transparency=(1, 2, 3)),
    }
    for name, data in files.items():
        header, pixels = decode(data, 8)
        assert header.transparent, name
        assert pixels[4, 0].tolist() == [255, 0, 0], name
        assert pixels[4, 7].tolist() == [255, 255, 255], name
    grey = PillowImage.new("LA", (8, 8), (100, 0))
    assert np.all(load_pixels(_saved(grey, "PNG"), 8) == 255)
    half = PillowImage.new("RGBA", (8, 8), (0, 0, 0, 127))
    assert np.all(load_pixels(_saved(half, "PNG"), 8) == 128)


def test_cmyk_photos_come_out_in_their_colours() -> None:
    red = PillowImage.new("RGB", (32, 32), (200, 30, 30)).convert("CMYK")

    header, pixels = decode(_saved(red, "JPEG"), 8)

    assert header.mode == "CMYK"
    assert np.abs(pixels.astype(int) - [200, 30, 30]).max() <= 6


def test_floating_point_pixels_are_refused_by_their_mode() -> None:
    with pytest.raises(ImageFault, match="F; its values have no fixed range") as fault:
        load_pixels(_saved(PillowImage.new("F", (8, 8), 0.5), "TIFF"), 8)

    assert fault.value.reason == "unsupported pixel mode"


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_frame_counts(format_: str) -> None:
    first, second = (PillowImage.new("RGB", (16, 16), colour) for colour in ("red", "blue"))

    pixels = load_pixels(_saved(first, format_, save_all=True, append_images=[second]), 8)

    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 8


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255

    assert np.abs(load_pixels(_saved(PillowImage.fromarray(stripes), "PNG"), 32).astype(int) - 127).max() <= 2


def test_draft_changes_a_photo_by_less_than_a_grey_level_on_average() -> None:
    photo = _picture(1600, 1200)
    lossless = load_pixels(_saved(photo, "PNG"), 64).astype(int)

    drafted = load_pixels(_saved(photo, "JPEG", quality=95), 64).astype(int)

    assert np.abs(drafted - lossless).mean() < 1


def test_pixels_are_the_same_on_every_machine_and_pillow() -> None:
    y, x = np.mgrid[:90, :130]
    picture = PillowImage.fromarray(np.stack([x * 7 % 256, y * 5 % 256, x * y % 256], axis=-1).astype(np.uint8))

    hashes = [
        hashlib.sha256(load_pixels(_saved(picture, "PNG"), size).tobytes()).hexdigest()[:16] for size in (24, 160)
    ]

    assert hashes == ["27ab8b39b0008814", "c804aa4b44416360"]  # Pillow resizes 8 bits in integers


def test_many_threads_give_the_same_pixels_and_leave_the_warning_filters_alone() -> None:
    files = [_saved(_picture(40 + n, 90 - n), format_) for n in range(12) for format_ in FORMATS]
    before = list(warnings.filters)
    alone = [load_pixels(data, 24) for data in files]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: load_pixels(data, 24), files))

    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert warnings.filters == before


@pytest.mark.parametrize("format_", FORMATS)
@settings(deadline=None, max_examples=40)
@given(at=st.floats(0, 1), byte=st.integers(0, 255), kept=st.floats(0, 1))
@example(at=0.3, byte=0, kept=1.0)
def test_damaged_bytes_give_pixels_or_a_fault_and_nothing_else(format_: str, at: float, byte: int, kept: float) -> None:
    data = bytearray(_saved(_noise().resize((16, 16)), format_))
    data[int(at * (len(data) - 1))] = byte
    reasons: set[str] = set()
    try:
        pixels = load_pixels(bytes(data[: int(kept * len(data))]), 8)
    except ImageFault as fault:
        reasons.add(fault.reason)
    else:
        assert pixels.shape == (8, 8, 3)
    assert reasons <= {
        "empty file", "not an image", "unsupported format", "unsupported pixel mode", "too many pixels",
        "truncated", "damaged",
    }  # fmt: skip


def test_the_shorter_side_is_read_from_the_header_alone(tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(_saved(_picture(60, 40), "JPEG")[:700])
    (tmp_path / "text.jpg").write_text("no image")

    assert shorter_side_px(tmp_path / "cut.jpg") == 40
    assert shorter_side_px(tmp_path / "text.jpg") is None
    assert shorter_side_px(tmp_path / "absent.jpg") is None


def test_the_file_needs_numpy_and_pillow_alone() -> None:
    tree = ast.parse(Path(resize.__file__).read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    foreign = {name.split(".")[0] for name in modules} - {"numpy", "PIL"}
    assert foreign == {"__future__", "dataclasses", "io", "pathlib", "threading", "types", "typing", "warnings"}
