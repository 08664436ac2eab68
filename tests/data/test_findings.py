from __future__ import annotations

from dataclasses import replace

import pytest

from automl.data.findings import find_in_check, refuse_unusable
from automl.data.scan import Scan
from automl.errors import DataError
from automl.recipe.model import Check
from automl.types import Image, Listing, Rejected
from tests.strategies import an_image

LISTING = Listing(layout="folder per class", root="/photos", classes=("cat", "dog"), files=(), ignored={})


def _images(per_class: int = 5) -> list[Image]:
    return [an_image(f"{c}/{n}.png", c, f"{c} {n}") for c in LISTING.classes for n in range(per_class)]


def _scan(images: list[Image], n_rejected: int = 0, **more: tuple[str, ...]) -> Scan:
    rejected = tuple(
        Rejected(path=f"cat/bad{n}.png", label="cat", reason="truncated" if n else "empty file", detail="")
        for n in range(n_rejected)
    )
    facts = {"turned": (), "transparent": (), **more}
    return Scan(
        images=tuple(images), rejected=rejected, turned=facts["turned"], transparent=facts["transparent"], seconds=1
    )


def _texts(scan: Scan, listing: Listing = LISTING) -> dict[str, str]:
    return {finding.kind: finding.text for finding in find_in_check(listing, scan)}


def test_a_clean_dataset_has_no_findings_and_is_not_refused() -> None:
    assert find_in_check(LISTING, _scan(_images())) == ()
    refuse_unusable(LISTING.classes, _scan(_images()), Check())


def test_every_kind_of_finding_is_told_once_warnings_first() -> None:
    images = _images()
    images += [
        an_image("cat/copy.png", "cat", "cat 0"),
        an_image("dog/x.png", "dog", "x"),
        an_image("cat/x.png", "cat", "x"),
    ]
    images[1] = replace(images[1], mode="CMYK")
    images[2] = replace(images[2], format="WEBP", width_px=300, height_px=200)
    listing = replace(LISTING, ignored={"hidden": 2, "suffix .txt": 1})

    findings = find_in_check(listing, _scan(images, 3, turned=("dog/1.png",), transparent=("dog/2.png",)))

    assert [(finding.kind, finding.severity) for finding in findings] == [
        ("conflicting labels", "warn"),
        ("rejected files", "warn"),
        ("exact duplicates", "note"),
        ("EXIF orientation", "note"),
        ("transparency", "note"),
        ("converted modes", "note"),
        ("misleading suffix", "note"),
        ("mixed sizes", "note"),
        ("ignored files", "note"),
    ]
    texts = {finding.kind: finding.text for finding in findings}
    assert "1 image(s) lie in more than one class" in texts["conflicting labels"]
    assert "'cat' and 'dog'; all 2 files are left out" in texts["conflicting labels"]
    assert texts["rejected files"] == "3 file(s) cannot be used and are left out: 1 x empty file, 2 x truncated."
    assert "1 image(s) are there more than once, 2 files in all" in texts["exact duplicates"]
    assert "1 x CMYK" in texts["converted modes"]
    assert "'cat/2.png' is WEBP" in texts["misleading suffix"]
    assert "2 different sizes, shorter sides from 24 to 200 px, most often 32 x 24 (12 images)" in texts["mixed sizes"]
    assert "2 x hidden, 1 x suffix .txt" in texts["ignored files"]


def test_findings_do_not_depend_on_file_order_and_name_twenty_paths_at_most() -> None:
    images = [an_image(f"cat/{n}.png", "cat", f"{n // 2}") for n in range(60)] + _images()

    (finding,) = find_in_check(LISTING, _scan(images))

    assert find_in_check(LISTING, _scan(images[::-1])) == (finding,)
    assert len(finding.paths) == 20


def test_jpegs_with_any_usual_suffix_are_not_called_misleading() -> None:
    images = [replace(image, path=f"cat/{n}.JPEG", format="MPO") for n, image in enumerate(_images())]

    assert "misleading suffix" not in _texts(_scan(images))


def test_no_readable_image_is_refused_with_the_reasons() -> None:
    with pytest.raises(DataError, match=r"none of the 3 image file.*1 x empty file, 2 x truncated.*'cat/bad0\.png'"):
        refuse_unusable(LISTING.classes, _scan([], 3), Check())


def test_too_large_a_share_of_rejected_files_is_refused_and_the_limit_itself_is_not() -> None:
    config = Check(max_rejected=0.5)

    refuse_unusable(LISTING.classes, _scan(_images(5), 10), config)
    with pytest.raises(
        DataError, match=r"11 of 21 files are rejected .*check\.max_rejected = 0\.5.*raise check\.max_rejected"
    ):
        refuse_unusable(LISTING.classes, _scan(_images(5), 11), config)


def test_a_class_with_too_few_different_images_is_refused_by_name_and_count() -> None:
    copies = [an_image(f"dog/copy{n}.png", "dog", "dog 0") for n in range(9)]
    images = [image for image in _images(4) if image.path != "dog/3.png"] + copies

    with pytest.raises(
        DataError,
        match=r"class 'dog' has 3 usable image\(s\): 12 readable.*at least 4.*'dog' under check\.drop_classes",
    ):
        refuse_unusable(LISTING.classes, _scan(images), Check())


def test_a_class_without_any_readable_image_is_refused() -> None:
    with pytest.raises(DataError, match="class 'cow' has 0 usable"):
        refuse_unusable(("cat", "cow", "dog"), _scan(_images()), Check())
