from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from PIL import Image as PillowImage

from automl.bundle.resize import load_pixels
from automl.data.duplicates import MIN_SIDE_PX, by_content, distinct_per_class, find_copies, is_conflicting
from automl.types import Image
from tests.photos import a_photo, png, re_encoded
from tests.strategies import an_image, image_lists


@settings(deadline=None, max_examples=25)
@given(images=image_lists(max_distinct=10))
def test_groups_hold_every_image_once_and_do_not_depend_on_file_order(images: list[Image]) -> None:
    groups = by_content(images)

    assert sorted(image.path for group in groups.values() for image in group) == sorted(i.path for i in images)
    assert all({image.sha256 for image in group} == {sha256} for sha256, group in groups.items())
    assert list(groups.items()) == list(by_content(images[::-1]).items())


def test_copies_count_once_and_contradicting_ones_not_at_all() -> None:
    twice = [an_image("a/1", "a", "x"), an_image("a/2", "a", "x")]
    both = [an_image("a/3", "a", "y"), an_image("b/3", "b", "y")]

    assert not is_conflicting(tuple(twice))
    assert is_conflicting(tuple(both))
    assert distinct_per_class([*twice, *both, an_image("b/4", "b", "z")]) == {"a": 1, "b": 1}


def _files(*pictures: bytes) -> tuple[list[Image], np.ndarray]:
    """Images a0, a1, ... of these files, and their pixel map."""
    images = [
        replace(
            an_image(f"a{row}", "a", "", row=row), sha256=hashlib.sha256(data).hexdigest(), width_px=160, height_px=120
        )
        for row, data in enumerate(pictures)
    ]
    return images, np.stack([load_pixels(data, 96) for data in pictures])


def test_the_same_pixels_in_other_bytes_are_the_same_content() -> None:
    photo, bitmap = a_photo(1), io.BytesIO()
    PillowImage.fromarray(photo).save(bitmap, "BMP")
    images, pixels = _files(png(photo), bitmap.getvalue(), png(a_photo(2)), re_encoded(a_photo(2)))

    copies = find_copies(images, pixels)

    groups = by_content(images[::-1], copies).values()
    assert {tuple(image.path for image in group) for group in groups} == {("a0", "a1"), ("a2",), ("a3",)}
    assert copies.key(images[0]) == copies.key(images[1]) == min(images[0].sha256, images[1].sha256)
    assert [(pair.first, pair.second) for pair in copies.near] == [("a2", "a3")]
    assert copies.clusters == (("a2", "a3"),)
    assert find_copies(images[::-1], pixels) == copies


def test_near_copies_are_not_looked_for_when_not_asked_or_where_pictures_are_tiny() -> None:
    images, pixels = _files(png(a_photo(2)), re_encoded(a_photo(2)))

    assert find_copies(images, pixels, near=False).near == ()
    assert len(find_copies(images, pixels).near) == 1
    tiny = [replace(image, width_px=MIN_SIDE_PX - 1) for image in images]
    assert find_copies(tiny, pixels).near == ()


def test_a_mirrored_copy_is_told_and_in_no_cluster() -> None:
    images, pixels = _files(png(a_photo(2)), png(a_photo(2)[:, ::-1]))

    copies = find_copies(images, pixels)

    assert [(pair.first, pair.second) for pair in copies.mirrored] == [("a0", "a1")]
    assert (copies.near, copies.clusters) == ((), ())
