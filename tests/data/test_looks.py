from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as PillowImage
from PIL import ImageFilter

from automl.bundle.resize import load_picture
from automl.data.looks import LOOKS, NAME, RAW_NAME, measure, read_looks, sharpness, write_looks
from automl.errors import StageFailed


def _looks(pixels: Any, *, size_px: int = 16, format_: str = "PNG") -> Any:
    """What is measured of a saved picture: (h, w) or (h, w, 3) uint8."""
    file = io.BytesIO()
    PillowImage.fromarray(np.asarray(pixels, np.uint8)).save(file, format=format_, quality=95)
    return measure(load_picture(file.getvalue(), size_px), size_px)


def _noise(height: int = 60, width: int = 80) -> PillowImage.Image:
    return PillowImage.fromarray(np.random.default_rng(5).integers(0, 256, (height, width), dtype=np.uint8))


def test_a_halved_picture_has_the_figures_that_one_reckons() -> None:
    pixels = np.zeros((20, 20))
    pixels[:, 10:] = 200

    row = _looks(pixels)

    assert (row["brightness"], row["contrast"], row["entropy"]) == (100, 100, 1)
    assert [row[name] for name in ("darkest", "low", "high", "brightest")] == [0, 0, 200, 200]
    # Of the 19 columns of neighbours one differs, of the 16 columns 4 apart four do; down nothing differs: noise alone.
    assert row["sharpness"] == pytest.approx((200**2 / 19 + 0.1) / (200**2 * 4 / 16 + 0.1), rel=1e-5)


def test_a_border_or_a_lamp_does_not_count_for_what_is_dark_or_bright() -> None:
    pixels = np.full((100, 100), 90)
    pixels[0, :50], pixels[50, :60] = 0, 255

    row = _looks(pixels, size_px=80)

    assert [row[name] for name in ("darkest", "low", "high", "brightest")] == [0, 90, 90, 255]


def test_the_mean_colour_is_red_green_blue() -> None:
    pixels = np.zeros((10, 10, 3))
    pixels[:5] = (200, 100, 40)

    assert [_looks(pixels)[name] for name in ("red", "green", "blue")] == [100, 50, 20]


@settings(deadline=None, max_examples=60)
@given(pixels=arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_every_figure_of_any_grey_picture_is_what_numpy_says(pixels: Any) -> None:
    row = _looks(pixels, size_px=32)
    shares = np.bincount(pixels.ravel(), minlength=256) / pixels.size

    assert row["brightness"] == pytest.approx(pixels.mean(), rel=1e-5)
    assert row["contrast"] == pytest.approx(pixels.std(), abs=1e-2)
    assert row["entropy"] == pytest.approx(-sum(share * np.log2(share) for share in shares if share), abs=1e-4)
    assert row["darkest"] <= row["low"] <= row["high"] <= row["brightest"]
    assert (row["darkest"], row["brightest"]) == (pixels.min(), pixels.max())
    assert (pixels <= row["low"]).mean() >= 0.05
    assert (pixels > row["high"]).mean() <= 0.01
    assert 0 < row["sharpness"] < np.inf


def test_sharpness_falls_with_blur_from_one_to_a_sixteenth() -> None:
    blurred = [sharpness(_noise().filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 0.7, 1, 2, 4)]

    assert blurred[0] == pytest.approx(1, abs=0.1)
    assert blurred == sorted(blurred, reverse=True)
    ramp = PillowImage.fromarray(np.add.outer(np.arange(0, 120, 2), np.arange(0, 120, 2)).astype(np.uint8))
    assert sharpness(ramp) == pytest.approx(1 / 16, rel=0.03)


def test_a_motion_blur_in_either_direction_is_seen() -> None:
    smeared = np.asarray(_noise().convert("F").resize((80, 600)).resize((80, 60), PillowImage.Resampling.BOX))
    across = np.stack([smeared[:, at : at + 70] for at in range(8)]).mean(axis=0).astype(np.uint8)

    assert sharpness(PillowImage.fromarray(across)) == sharpness(PillowImage.fromarray(across.T)) < 0.3
    assert sharpness(_noise()) > 0.9


def test_sharpness_hardly_depends_on_light_and_contrast() -> None:
    soft = _noise().filter(ImageFilter.GaussianBlur(1))
    faint = soft.point(lambda grey: 40 + grey / 3)

    assert sharpness(faint) == pytest.approx(sharpness(soft), rel=0.05)


@pytest.mark.parametrize("size", [(1, 1), (4, 90), (90, 3)])
def test_what_is_too_small_to_be_judged_is_not_called_blurred(size: tuple[int, int]) -> None:
    assert sharpness(PillowImage.new("L", size)) == 1


def test_a_large_picture_looks_the_same_as_png_and_as_jpeg() -> None:
    y, x = np.mgrid[:600, :900]
    pixels = 127 + 60 * np.sin(x / 40) + 60 * np.cos(y / 25)

    png, jpeg = _looks(pixels, size_px=64), _looks(pixels, size_px=64, format_="JPEG")

    for name in ("brightness", "contrast", "entropy"):
        assert png[name] == pytest.approx(jpeg[name], rel=0.05), name
    # One is shrunk 9 times, the other 4 times and then twice: 66 and 75 px.
    assert png["sharpness"] == pytest.approx(jpeg["sharpness"], rel=0.25)


def test_what_is_far_larger_than_the_square_is_judged_at_about_its_size() -> None:
    grains = np.asarray(_noise(60, 60)).repeat(4, axis=0).repeat(4, axis=1)

    assert _looks(grains, size_px=60)["sharpness"] == pytest.approx(1, abs=0.1)
    assert _looks(grains, size_px=170)["sharpness"] < 0.3


def test_looks_survive_their_file_by_row_and_need_no_pickle(tmp_path: Path) -> None:
    rows = np.zeros(3, LOOKS)
    rows["brightness"] = [1.5, 2.5, 3.5]
    (tmp_path / RAW_NAME).write_bytes(rows.tobytes() + b"a row that was not yet vouched for")

    assert np.array_equal(write_looks(tmp_path, 3), rows)
    assert np.array_equal(read_looks(tmp_path, 3), rows)


def test_looks_that_are_not_what_check_wrote_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"looks\.npy cannot be read.*--redo check"):
        read_looks(tmp_path, 3)
    np.save(tmp_path / NAME, np.zeros(3))
    with pytest.raises(StageFailed, match=r"3 rows of .* are wanted.*--redo check"):
        read_looks(tmp_path, 3)
    np.save(tmp_path / NAME, np.zeros(2, LOOKS))
    with pytest.raises(StageFailed, match=r"holds \(2,\)"):
        read_looks(tmp_path, 3)
    (tmp_path / NAME).write_bytes(pickle.dumps([1]))
    with pytest.raises(StageFailed, match="cannot be read"):
        read_looks(tmp_path, 3)
