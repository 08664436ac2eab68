from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.findings import find_in_split
from automl.data.split import assign_parts, given_parts
from automl.errors import DataError
from automl.recipe.model import Split
from automl.types import Image, Part
from tests.strategies import an_image, by_sha256, image_lists, seeds

SPLIT = Split()
LAW = settings(deadline=None, max_examples=40)


def _conflicting(images: list[Image]) -> set[str]:
    return {sha for sha, group in by_sha256(images).items() if len({image.label for image in group}) > 1}


@LAW
@given(images=image_lists(), seed=seeds())
def test_split_is_a_partition_keeps_copies_together_and_ignores_file_order(images: list[Image], seed: int) -> None:
    parts = assign_parts(images, SPLIT, seed)

    conflicting = _conflicting(images)
    assert parts.keys() == {image.path for image in images if image.sha256 not in conflicting}
    for sha, group in by_sha256(images).items():
        assert sha in conflicting or len({parts[image.path] for image in group}) == 1
    assert parts == assign_parts(images[::-1], SPLIT, seed)


@LAW
@given(
    images=image_lists(),
    seed=seeds(),
    validation=st.floats(0.02, 0.49),
    test=st.floats(0.02, 0.49),
)
def test_each_class_has_its_share_within_one_image_and_an_image_in_every_part(
    images: list[Image], seed: int, validation: float, test: float
) -> None:
    parts = assign_parts(images, Split(validation=validation, test=test), seed)

    shares = {"validation": validation, "test": test, "train": 1 - validation - test}
    contents = {(image.label, image.sha256, parts[image.path]) for image in images if image.path in parts}
    counts = Counter((label, part) for label, _, part in contents)
    totals = Counter(label for label, _, _ in contents)
    for label, total in totals.items():
        for part, share in shares.items():
            found = counts[label, part]
            assert found >= 1
            # The others' share of at least one image each comes out of train, and so may its rounding.
            assert abs(found - share * total) <= (1 if part != "train" else 2)


@LAW
@given(images=image_lists(min_distinct=20), seed=seeds())
def test_another_seed_cuts_otherwise(images: list[Image], seed: int) -> None:
    assert assign_parts(images, SPLIT, seed) != assign_parts(images, SPLIT, seed + 1)


@LAW
@given(images=image_lists(min_distinct=10), seed=seeds())
def test_a_new_image_moves_few_others(images: list[Image], seed: int) -> None:
    before = assign_parts(images, SPLIT, seed)
    after = assign_parts([*images, an_image("class 0/new.png", "class 0", "new")], SPLIT, seed)

    moved = {path for path, part in before.items() if after[path] != part}
    contents = {image.sha256 for image in images if image.path in moved}
    assert len(contents) <= 4  # at each of the two borders: the new one's neighbour, and one by a changed count


def test_halves_are_rounded_up_for_some_classes_and_down_for_others() -> None:
    images = [an_image(f"{c}/{n}", f"{c}", f"{c} {n}") for c in range(40) for n in range(10)]  # 10 x 0.15 = 1.5

    totals = Counter(assign_parts(images, SPLIT, seed=1).values())

    assert 45 <= totals["validation"] <= 75
    assert 45 <= totals["test"] <= 75


def _given(**counts: int) -> list[Image]:
    """Two classes with that many different images in each given part."""
    names: dict[str, Part] = {"train": "train", "validation": "validation", "test": "test"}
    return [
        an_image(f"{part}/{label}/{number}.png", label, f"{part} {label} {number}", part=names[part])
        for part, count in counts.items()
        for label in ("cat", "dog")
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("present", "cut"),
    [
        ({"train": 20, "test": 5}, {"validation": 6}),
        ({"train": 20, "validation": 5}, {"test": 6}),
        ({"train": 20, "validation": 5, "test": 5}, {}),
        ({"train": 20}, {"validation": 6, "test": 6}),
    ],
)
def test_given_parts_stay_and_what_is_not_given_is_cut_from_train(present: dict[str, int], cut: dict[str, int]) -> None:
    images = _given(**present)

    parts = assign_parts(images, SPLIT, seed=3)

    counts = Counter(parts.values())
    assert all(parts[image.path] == image.part for image in images if image.part != "train")
    assert {part: counts[part] for part in cut} == cut
    assert counts["train"] == 2 * present["train"] - sum(cut.values())
    assert given_parts(images) == tuple(present)


def test_a_copy_of_a_given_test_image_is_left_out_of_the_other_parts() -> None:
    images = [
        *_given(train=10, validation=4, test=4),
        an_image("train/cat/leak.png", "cat", "test cat 0", part="train"),
        an_image("validation/cat/leak.png", "cat", "test cat 1", part="validation"),
    ]

    parts = assign_parts(images, SPLIT, seed=1)

    assert {image.path for image in images} - parts.keys() == {
        "train/cat/leak.png",
        "validation/cat/leak.png",
    }
    texts = {finding.kind: finding.text for finding in find_in_split(images, parts)}
    assert "1 image(s) lie both in train and in test" in texts["same images in train and test"]
    assert "copies in train are left out, the test set stays as given" in texts["same images in train and test"]
    assert "same images in validation and test" in texts


def test_images_that_train_and_validation_share_stay_in_both_and_never_reach_a_cut_test_part() -> None:
    images = _given(train=8, validation=4)
    leaks = [an_image(f"train/cat/leak{n}.png", "cat", f"validation cat {n}", part="train") for n in range(4)]

    for seed in range(1, 20):
        parts = assign_parts(images + leaks, SPLIT, seed)
        assert {parts[image.path] for image in leaks} == {"train"}

    (finding,) = find_in_split(images + leaks, parts)
    assert finding.severity == "warn"
    assert "4 image(s) lie both in train and in validation" in finding.text
    assert "train/cat/leak0.png" in finding.paths


def test_a_class_with_three_different_images_is_refused_by_name() -> None:
    images = [an_image(f"cat/{n}.png", "cat", f"cat {n}") for n in range(9)]
    images += [an_image(f"dog/{n}.png", "dog", f"dog {n % 3}") for n in range(9)]

    with pytest.raises(DataError, match=r"class 'dog' has 3 different image.* at least 4 .*check\.drop_classes"):
        assign_parts(images, SPLIT, seed=1)


def test_a_class_that_only_the_given_test_part_has_is_refused() -> None:
    images = [*_given(train=5, validation=2, test=2), an_image("test/cow/0.png", "cow", "cow", part="test")]

    with pytest.raises(DataError, match="class 'cow' has 0 different"):
        assign_parts(images, SPLIT, seed=1)


def test_a_class_that_a_given_part_lacks_is_warned_of() -> None:
    images = [image for image in _given(train=9, test=3) if image.path[:8] != "test/dog"]

    (finding,) = find_in_split(images, assign_parts(images, SPLIT, seed=1))

    assert finding.text.startswith("test has no image of 'dog'")
