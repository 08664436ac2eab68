from __future__ import annotations

import ast
import inspect
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from automl.bundle import resize
from automl.data import scan as scan_module
from automl.data.findings import ADVICE, find_in_check, refuse_unreadable
from automl.data.scan_journal import Scan
from automl.errors import DataError
from automl.finding_table import EMPTY_CLASSES, TOO_FEW
from automl.recipe.model import Check
from automl.types import Finding, Image, Listing, Rejected
from tests.strategies import an_image

CHECK = Check()
LISTING = Listing(layout="folder per class", root="/photos", classes=("cat", "dog"), files=(), ignored={})


def _images(per_class: int = 5) -> list[Image]:
    return [an_image(f"{c}/{n}.png", c, f"{c} {n}") for c in LISTING.classes for n in range(per_class)]


def _scan(images: list[Image], n_rejected: int = 0) -> Scan:
    rejected = tuple(
        Rejected(path=f"cat/bad{n}.png", label="cat", reason="truncated" if n else "empty file", detail="")
        for n in range(n_rejected)
    )
    return Scan(images=tuple(images), rejected=rejected, turned=(), transparent=(), seconds=1)


def _found(listing: Listing, scan: Scan, odd: tuple[Finding, ...] = ()) -> tuple[Finding, ...]:
    """Without what is said of the sizes of classes, which are all small here."""
    found = find_in_check(listing, scan, Check(max_rejected=1), odd)
    return tuple(finding for finding in found if finding.kind not in ("rare classes", "imbalanced classes"))


def test_a_clean_dataset_has_no_findings_and_is_not_refused() -> None:
    assert find_in_check(LISTING, _scan(_images(20)), Check()) == ()


def test_every_kind_of_finding_is_told_once_warnings_first() -> None:
    images = _images()
    images += [
        an_image("cat/copy.png", "cat", "cat 0"),
        an_image("dog/x.png", "dog", "x"),
        an_image("cat/x.png", "cat", "x"),
    ]
    images[2] = replace(images[2], width_px=300, height_px=200)
    listing = replace(LISTING, ignored={"hidden": 2, "suffix .txt": 1})
    odd = (
        Finding(kind="dark images", severity="note", text="2 image(s) are dark.", count=2),
        Finding(kind="constant images", severity="warn", text="1 image(s) are even.", count=1),
    )

    findings = _found(listing, _scan(images, 3), odd)

    assert [(finding.kind, finding.severity) for finding in findings] == [
        ("conflicting labels", "warn"),
        ("rejected files", "warn"),
        ("constant images", "warn"),
        ("exact duplicates", "note"),
        ("dark images", "note"),
        ("mixed sizes", "note"),
        ("ignored files", "note"),
    ]
    texts = {finding.kind: finding.text for finding in findings}
    assert "1 image(s) lie in more than one class" in texts["conflicting labels"]
    assert "'cat' and 'dog'; all 2 files are left out" in texts["conflicting labels"]
    assert texts["rejected files"] == "3 file(s) cannot be used and are left out: 1 x empty file, 2 x truncated."
    assert "1 image(s) are there more than once, 2 files in all" in texts["exact duplicates"]
    assert "2 different sizes, shorter sides from 24 to 200 px, most often 32 x 24 (12 images)" in texts["mixed sizes"]
    assert "2 x hidden, 1 x suffix .txt" in texts["ignored files"]


def test_images_outside_are_told_with_their_folders_and_what_to_do() -> None:
    listing = replace(
        LISTING,
        ignored={"image outside the class folders": 34},
        ignored_paths=("1.png", "test1/a/1.png"),
        outside=("", "test1"),
    )

    (finding,) = _found(listing, _scan(_images()))

    assert finding.severity == "warn"
    assert finding.text == (
        "entries of the dataset were passed over: 34 x image outside the class folders. The images outside lie in "
        "the dataset's own folder, test1/."
    )
    assert finding.advice.endswith("parts are called train, val and test.")
    assert finding.paths == ("1.png", "test1/a/1.png")


def test_rejected_files_come_with_what_to_do_about_each_reason() -> None:
    (finding,) = _found(LISTING, _scan(_images(), 3))

    assert finding.advice == f"{ADVICE['empty file']} {ADVICE['truncated']}"
    assert (finding.count, finding.paths[0]) == (3, "cat/bad0.png")


@pytest.mark.parametrize("reason", ["too many pixels", "too many bytes"])
def test_no_more_megapixels_are_advised_than_the_key_takes(reason: str) -> None:
    assert ADVICE[reason] == "Shrink what is too large, or raise check.max_megapixels, to 178 at most."
    Check(max_megapixels=178)
    with pytest.raises(ValidationError, match="178"):
        Check(max_megapixels=179)


def test_every_reason_that_a_file_is_rejected_for_has_its_advice() -> None:
    calls = [node for module in (resize, scan_module) for node in ast.walk(ast.parse(inspect.getsource(module)))]
    reasons = {
        text.value
        for node in calls
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"ImageFault", "Rejected"}
        for given in (*node.args[:1], *(word.value for word in node.keywords if word.arg == "reason"))
        for text in ast.walk(given)
        if isinstance(text, ast.Constant)
    }

    assert reasons == set(ADVICE)


def test_findings_do_not_depend_on_file_order_and_name_twenty_paths_at_most() -> None:
    images = [an_image(f"cat/{n}.png", "cat", f"{n // 2}") for n in range(60)] + _images()

    (finding,) = _found(LISTING, _scan(images))

    assert _found(LISTING, _scan(images[::-1])) == (finding,)
    assert len(finding.paths) == 20


def test_no_readable_image_is_refused_with_the_reasons() -> None:
    with pytest.raises(DataError, match=r"none of the 3 image file.*1 x empty file, 2 x truncated.*'cat/bad0\.png'"):
        refuse_unreadable(_scan([], 3))
    refuse_unreadable(_scan(_images()))


def _stops(images: list[Image], n_rejected: int = 0, config: Check = CHECK, **listing: object) -> dict[str, Finding]:
    found = find_in_check(replace(LISTING, **listing), _scan(images, n_rejected), config)
    return {finding.kind: finding for finding in found if finding.severity == "stop"}


def test_too_large_a_share_of_rejected_files_stops_and_the_limit_itself_does_not() -> None:
    config = Check(max_rejected=0.5)

    assert _stops(_images(5), 10, config) == {}
    finding = _stops(_images(5), 11, config)["rejected files"]

    assert "52% of all, more than check.max_rejected = 0.5" in finding.text
    assert finding.advice.endswith("Or raise check.max_rejected.")


def test_a_class_with_too_few_different_images_stops_by_name_and_count() -> None:
    copies = [an_image(f"dog/copy{n}.png", "dog", "dog 0") for n in range(9)]
    images = [image for image in _images(4) if image.path != "dog/3.png"] + copies

    (finding,) = _stops(images).values()

    assert (finding.kind, finding.count) == (TOO_FEW, 1)
    assert "fewer usable images than check.min_images_per_class = 4" in finding.text
    assert "'dog' has 3 (12 readable file(s))" in finding.text
    assert "--set check.drop_classes=dog to leave" in finding.advice
    assert all(path.startswith("dog/") for path in finding.paths)
    assert _stops(_images(4)) == {}


def test_a_class_without_any_usable_image_stops_and_is_told_apart_from_small_ones() -> None:
    images = [*_images(), an_image("cow/1.png", "cow", "cow"), an_image("ape/1.png", "ape", "x"),
              an_image("cat/x.png", "cat", "x")]  # fmt: skip

    found = _stops(images, classes=("ant", "ape", "cat", "cow", "dog"))

    assert found.keys() == {EMPTY_CLASSES, TOO_FEW}
    assert "2 class(es) have not one usable image" in found[EMPTY_CLASSES].text
    assert "'ant' has 0 (0 readable file(s)), 'ape' has 0 (1 readable file(s))" in found[EMPTY_CLASSES].text
    assert "'cow' has 1 (1 readable file(s))" in found[TOO_FEW].text


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_classes_are_uneven_from_two_to_one_and_rare_below_twenty(counts: list[int]) -> None:
    images = [an_image(f"{c}/{n}.png", str(c), f"{c} {n}") for c, count in enumerate(counts) for n in range(count)]
    classes = tuple(map(str, range(len(counts))))

    found = {f.kind: f for f in find_in_check(replace(LISTING, classes=classes), _scan(images), Check())}

    ratio = max(counts) / min(counts)
    assert ("imbalanced classes" in found) == (ratio >= 2)
    if ratio >= 2:
        assert found["imbalanced classes"].severity == ("warn" if ratio >= 10 else "note")
        assert found["imbalanced classes"].count == sum(max(counts) >= 2 * count for count in counts)
    rare = found.get("rare classes")
    assert (rare.count if rare else 0) == sum(count < 20 for count in counts)
