from __future__ import annotations

import base64
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from automl.report.pictures import (
    OF_A_KIND,
    SAMPLE_CLASSES,
    SAMPLE_IMAGES,
    SHOWN_PX,
    SUSPECTS,
    data_address,
    samples,
    shown_suspects,
    suspect_pictures,
)
from automl.types import SUSPECT_KINDS, Suspect
from tests.report.pieces import picture


def opened(address: str) -> PillowImage.Image:
    head, _, body = address.partition(",")
    assert head in {"data:image/png;base64", "data:image/jpeg;base64"}
    return PillowImage.open(io.BytesIO(base64.b64decode(body)))


def test_a_small_picture_keeps_every_pixel():
    pixels = picture(3, 32)
    assert np.array_equal(np.asarray(opened(data_address(pixels))), pixels)


def test_a_large_picture_becomes_a_small_jpeg_that_looks_the_same():
    pixels = picture(3, 224)
    address = data_address(pixels)
    found = opened(address)
    assert found.format == "JPEG"
    assert found.size == (SHOWN_PX, SHOWN_PX)
    assert len(address) < 20_000
    wanted = PillowImage.fromarray(pixels).resize((SHOWN_PX, SHOWN_PX))
    assert np.abs(np.asarray(found, float) - np.asarray(wanted, float)).mean() < 6


def test_a_row_of_a_read_only_map_can_be_shown(tmp_path):
    (tmp_path / "map").write_bytes(picture(1, 16).tobytes())
    pixels = np.memmap(tmp_path / "map", dtype=np.uint8, mode="r", shape=(16, 16, 3))
    assert np.array_equal(np.asarray(opened(data_address(pixels))), pixels)


def test_samples_are_of_their_class_and_each_picture_is_there_once():
    pixels = np.stack([np.full((8, 8, 3), number, np.uint8) for number in range(200)])
    classes = [f"c{number:02}" for number in range(15)]
    labels = np.array([0] * 150 + [1] * 3 + [2] + [index for index in range(3, 15) for _ in range(3)])
    rows = np.arange(len(labels))[::-1].copy()
    found = samples(pixels, rows, labels, classes)
    assert [sample.label for sample in found] == classes[:SAMPLE_CLASSES]
    assert [len(sample.pictures) for sample in found] == [SAMPLE_IMAGES, 3, 1, *[3] * (SAMPLE_CLASSES - 3)]
    for index, sample in enumerate(found):
        shown = [int(np.asarray(opened(address))[0, 0, 0]) for address in sample.pictures]
        assert len(set(shown)) == len(shown)
        assert set(shown) <= set(rows[labels == index].tolist())


def test_a_class_without_training_images_has_no_sample():
    (sample,) = samples(np.zeros((1, 4, 4, 3), np.uint8), np.array([0]), np.array([1]), ["empty"])
    assert sample.pictures == ()


def suspects(**counts: int) -> list[Suspect]:
    """So many of each kind, the kinds in the opposite of the page's order; a blank in a kind is written as _."""
    return [
        Suspect(
            path=f"{kind} {at}", label="a", kind=kind.replace("_", " "), score=1 - at / 99, other=f"{kind} twin {at}"
        )
        for kind, n in reversed(counts.items())
        for at in range(n)
    ]


@given(st.tuples(*[st.integers(0, 40)] * 3))
def test_no_kind_of_suspect_crowds_the_others_out_and_label_errors_come_first(counts):
    every = suspects(**dict(zip(("label_error", "near_duplicate", "outlier"), counts, strict=True)))
    shown = shown_suspects(every)
    assert len(shown) == min(SUSPECTS, sum(counts))
    assert [one.kind for one in shown] == sorted((one.kind for one in shown), key=SUSPECT_KINDS.index)
    for kind, n in zip(SUSPECT_KINDS, counts, strict=True):
        own = [one for one in shown if one.kind == kind]
        assert len(own) >= min(n, OF_A_KIND)
        assert own == [one for one in every if one.kind == kind][: len(own)]


def test_a_near_duplicate_is_shown_with_its_twin_and_a_path_without_a_row_is_not_shown():
    pixels = np.stack([picture(number, 16) for number in range(4)])
    pair, error = suspects(label_error=1, near_duplicate=1)
    rows = {pair.path: 2, pair.other: 3, error.other: 1}
    assert suspect_pictures((pair, error), pixels, rows) == {
        pair.path: data_address(pixels[2]),
        pair.other: data_address(pixels[3]),
    }
