from __future__ import annotations

import tracemalloc
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from automl.data.duplicates import Copies, NearCopy
from automl.data.shared import find_in_split, leakage
from automl.data.split import assign_parts, given_parts
from automl.errors import DataError, RecipeError
from automl.recipe.model import Split
from automl.types import PARTS, Image, Part
from tests.strategies import an_image, by_sha256, image_lists, seeds

SPLIT = Split()
BYTES = Copies()  # nothing but the bytes is known
LAW = settings(deadline=None, max_examples=40)


def _conflicting(images: list[Image]) -> set[str]:
    return {sha for sha, group in by_sha256(images).items() if len({image.label for image in group}) > 1}


def _near(*paths: str) -> NearCopy:
    return NearCopy(first=paths[0], second=paths[1], bits=2, detail=0.9)


@LAW
@given(images=image_lists(), seed=seeds())
def test_split_is_a_partition_keeps_copies_together_and_ignores_file_order(images: list[Image], seed: int) -> None:
    cut = assign_parts(images, BYTES, SPLIT, seed)

    conflicting = _conflicting(images)
    assert cut.parts.keys() == {image.path for image in images if image.sha256 not in conflicting}
    for sha, group in by_sha256(images).items():
        assert sha in conflicting or len({cut.parts[image.path] for image in group}) == 1
    assert cut == assign_parts(images[::-1], BYTES, SPLIT, seed)


@LAW
@given(images=image_lists(), seed=seeds(), validation=st.floats(0.02, 0.49), test=st.floats(0.02, 0.49))
def test_every_class_has_an_image_in_every_part(images: list[Image], seed: int, validation: float, test: float) -> None:
    cut = assign_parts(images, BYTES, Split(validation=validation, test=test), seed)

    found = {(image.label, cut.parts[image.path]) for image in images if image.path in cut.parts}
    assert found == {(image.label, part) for image in images for part in PARTS}


@LAW
@given(images=image_lists(min_distinct=20), seed=seeds())
def test_another_seed_cuts_otherwise(images: list[Image], seed: int) -> None:
    assert assign_parts(images, BYTES, SPLIT, seed).parts != assign_parts(images, BYTES, SPLIT, seed + 1).parts


@LAW
@given(images=image_lists(), more=st.integers(1, 60), seed=seeds(), folds=st.sampled_from((0, 0, 3)))
def test_new_images_move_no_old_one_but_those_of_tiny_classes(
    images: list[Image], more: int, seed: int, folds: int
) -> None:
    config = Split(folds=folds)
    new = [an_image(f"class {n % 2}/new-{n}.png", f"class {n % 2}", f"new {n}") for n in range(more)]
    new += [an_image("class 1/copy.png", "class 1", "class 1 0")]

    before = assign_parts(images, BYTES, config, seed)
    after = assign_parts([*images, *new], BYTES, config, seed)

    filled = {image.label for image in images if image.path in before.moved}
    for image in images:
        if image.path in before.parts and image.label not in filled:
            assert after.parts[image.path] == before.parts[image.path]
            assert after.folds[image.path] == before.folds[image.path]
        elif image.path in before.parts and image.path not in before.moved | after.moved:
            assert after.parts[image.path] == before.parts[image.path]


def test_parts_differ_from_their_shares_by_chance_alone() -> None:
    images = [an_image(f"{n}", f"{n % 20}", f"{n}") for n in range(20_000)]

    cut = assign_parts(images, BYTES, SPLIT, seed=1)

    counts = Counter(cut.parts.values())  # binomial: 3,000 +- 50.5
    assert cut.moved == frozenset()
    assert all(abs(counts[part] - 3000) < 4 * 50.5 for part in ("validation", "test"))
    per_class = Counter((image.label, cut.parts[image.path]) for image in images)  # 150 +- 11.3
    deviations = [(per_class[f"{label}", "test"] - 150) / 11.3 for label in range(20)]
    assert max(map(abs, deviations)) < 4
    assert 0.5 < sum(d * d for d in deviations) / 20 < 2  # no smaller, either: each is drawn for itself


@st.composite
def grouped(draw: st.DrawFn) -> tuple[list[Image], Copies]:
    """Images with groups across classes, and near copies."""
    images = draw(image_lists(min_distinct=12, max_distinct=30))
    names = draw(st.lists(st.sampled_from(("", "", "", "anna", "ben", "cleo", "dan")), min_size=5, max_size=5))
    images = [replace(image, group=names[sum(map(ord, image.path)) % 5]) for image in images]
    firsts = sorted({min(i.path for i in group) for group in by_sha256(images).values()})
    pairs = draw(st.lists(st.tuples(st.sampled_from(firsts), st.sampled_from(firsts)), max_size=6))
    chosen = {tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]}
    return images, Copies(near=tuple(_near(*pair) for pair in sorted(chosen)), clusters=tuple(sorted(chosen))[:3])


@LAW
@given(data=grouped(), seed=seeds(), folds=st.sampled_from((0, 2)))
def test_nothing_lies_on_two_sides_of_a_cut(data: tuple[list[Image], Copies], seed: int, folds: int) -> None:
    images, copies = data
    try:
        cut = assign_parts(images, copies, Split(folds=folds), seed)
    except DataError:
        assume(False)

    assert leakage(images, copies, cut.parts) == {"same pixels": 0, "near copies": 0, "groups": 0}
    places = defaultdict(set)
    for path, part in cut.parts.items():
        places[cut.units[path] or path].add(part)
    assert all(len(found) == 1 for found in places.values())
    assert cut == assign_parts(images[::-1], copies, Split(folds=folds), seed)


@LAW
@given(data=grouped(), seed=seeds())
def test_every_image_in_no_part_is_told_of(data: tuple[list[Image], Copies], seed: int) -> None:
    images, copies = data
    try:
        cut = assign_parts(images, copies, SPLIT, seed)
    except DataError:
        assume(False)

    conflicting = _conflicting(images)
    absent = {image.path for image in images if image.sha256 not in conflicting} - cut.parts.keys()
    told = {finding.kind: finding for finding in find_in_split(images, copies, cut)}.get("near copies left out")
    assert (told.count if told else 0) == len(absent)
    assert told is None or set(told.paths[:1]) <= absent


def test_the_ends_of_a_chain_of_near_copies_that_part_are_told_with_what_judges_them() -> None:
    images = [an_image(f"{label}/{n}", label, f"{label}{n}") for label in ("cat", "dog") for n in range(30)]
    chain = tuple(_near(f"cat/{n}", f"cat/{n + 1}") for n in range(3))  # 0 is like 1, 1 like 2, 2 like 3
    copies = Copies(near=chain, clusters=(("cat/0", "cat/1", "cat/2"),))
    cuts = {seed: assign_parts(images, copies, SPLIT, seed) for seed in range(40)}

    texts = set()
    for cut in cuts.values():
        found = {finding.kind: finding for finding in find_in_split(images, copies, cut)}.get("near copies left out")
        absent = {image.path for image in images} - cut.parts.keys()
        assert bool(found) == bool(absent)
        if found:
            texts.add(found.text.split(":")[0])
            assert found.paths[:2] == (min(absent), "cat/3" if "cat/2" in absent else "cat/2")
    assert texts == {"1 image(s) are in no part"}  # the centre's star is kept together: its three share one place


def test_ten_thousand_files_of_one_picture_in_two_given_parts_are_cut_in_a_moment() -> None:
    images = _given(train=8, test=4)
    for n in range(5000):
        part: Part = "train" if n % 2 else "test"
        images.append(an_image(f"{part}/cat/same-{n}.png", "cat", "same", part=part))
    tracemalloc.start()

    cut = assign_parts(images, BYTES, SPLIT, seed=1)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not [path for path in cut.parts if path.startswith("train/cat/same")]
    assert peak < 20e6  # 2 kB a file hold what is known of it; a set of twins for each file took 1.3 GB


def test_leakage_counts_what_lies_on_two_sides() -> None:
    images = [an_image("a", "x", "1"), an_image("b", "x", "1"), an_image("c", "x", "2"), an_image("d", "x", "3")]
    images = [replace(image, group="g") if image.path in "cd" else image for image in images]

    found = leakage(images, Copies(near=(_near("a", "c"),)), {"a": "train", "b": "test", "c": "test", "d": "train"})

    assert found == {"same pixels": 1, "near copies": 1, "groups": 1}
    assert set(leakage(images, Copies(near=(_near("a", "c"),)), dict.fromkeys("abcd", "test")).values()) == {0}


@LAW
@given(images=image_lists(min_distinct=12), seed=seeds(), folds=st.integers(2, 5))
def test_each_fold_is_validation_once_and_the_test_set_stays_apart(images: list[Image], seed: int, folds: int) -> None:
    cuts = [assign_parts(images, BYTES, Split(folds=folds, fold=fold), seed) for fold in range(1, folds + 1)]

    for path in cuts[0].parts:
        places = [cut.parts[path] for cut in cuts]
        fold = cuts[0].folds[path]
        expected: list[Part] = ["validation" if number == fold else "train" for number in range(1, folds + 1)]
        assert places == (expected if fold else ["test"] * folds)
    held = {(image.label, cuts[0].folds[image.path]) for image in images if image.path in cuts[0].parts}
    assert held == {(image.label, fold) for image in images for fold in range(folds + 1)}
    plain = assign_parts(images, BYTES, SPLIT, seed)
    if not plain.moved and not cuts[0].moved:
        assert [p for p, part in plain.parts.items() if part == "test"] == [
            p for p, part in cuts[0].parts.items() if part == "test"
        ]


def test_folds_of_a_dataset_that_gives_its_validation_part_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"split\.folds is 3, and the dataset gives its own validation part"):
        assign_parts(_given(train=20, validation=4), BYTES, Split(folds=3), seed=1)


def test_a_class_with_an_image_for_each_fold_and_the_test_set_can_be_cut_and_one_with_fewer_is_refused() -> None:
    images = [an_image(f"{label}/{n}", label, f"{label}{n}") for label in ("cat", "dog") for n in range(6)]

    cut = assign_parts(images, BYTES, Split(folds=5), seed=1)

    assert sorted(cut.folds.values()) == sorted([*range(6), *range(6)])
    with pytest.raises(DataError, match=r"class 'dog' has 5 different image\(s\).* at least 6 are wanted"):
        assign_parts(images[:-1], BYTES, Split(folds=5), seed=1)


def test_a_class_of_too_few_groups_is_refused_by_name() -> None:
    images = [an_image(f"{label}/{n}", label, f"{label}{n}") for label in ("cat", "dog") for n in range(12)]
    images = [replace(image, group=f"{n % 2}" if image.label == "dog" else "") for n, image in enumerate(images)]

    with pytest.raises(DataError, match=r"class 'dog' has 2 set\(s\) of images that must stay together.*3 parts"):
        assign_parts(images, BYTES, SPLIT, seed=1)


def test_a_group_whose_one_image_is_given_for_test_is_never_cut() -> None:
    images = _given(train=20, test=4)
    images = [replace(i, group="anna") if i.path in {"test/cat/0.png", "train/cat/3.png"} else i for i in images]

    cut = assign_parts(images, BYTES, SPLIT, seed=1)

    assert (cut.parts["train/cat/3.png"], cut.parts["test/cat/0.png"]) == ("train", "test")
    finding = find_in_split(images, BYTES, cut)[0]
    assert finding.text.startswith(
        "1 group(s) have images in more than one given part, 'anna' for one in train and test"
    )
    assert leakage(images, BYTES, cut.parts)["groups"] == 1


def test_near_copies_of_given_test_images_are_left_out_and_told_with_both_paths() -> None:
    images = _given(train=20, test=4)
    near = _near("test/cat/0.png", "train/cat/3.png")
    copies = Copies(near=(near,), clusters=((near.first, near.second),))

    cut = assign_parts(images, copies, SPLIT, seed=1)

    assert "train/cat/3.png" not in cut.parts
    found = {finding.kind: finding for finding in find_in_split(images, copies, cut)}
    assert found["near copies in train and test"].paths == (near.first, near.second)
    assert found["near copies in train and test"].severity == "warn"
    assert leakage(images, copies, cut.parts)["near copies"] == 0


def test_near_copies_in_two_classes_stay_together_and_are_warned_of() -> None:
    images = [an_image(f"{label}/{n}", label, f"{label}{n}") for label in ("cat", "dog") for n in range(30)]
    copies = Copies(near=(_near("cat/0", "dog/0"),), clusters=(("cat/0", "dog/0"),))

    for seed in range(1, 9):
        cut = assign_parts(images, copies, SPLIT, seed)
        assert cut.parts["cat/0"] == cut.parts["dog/0"]
    (finding,) = [f for f in find_in_split(images, copies, cut) if f.severity == "warn"]
    assert (finding.kind, finding.paths) == ("conflicting labels of near copies", ("cat/0", "dog/0"))


def test_the_same_pixels_in_two_classes_are_left_out() -> None:
    images = [an_image(f"{label}/{n}", label, f"{label}{n}") for label in ("cat", "dog") for n in range(30)]
    copies = Copies(content={"cat/0": "k", "dog/0": "k"})

    cut = assign_parts(images, copies, SPLIT, seed=1)

    assert not {"cat/0", "dog/0"} & cut.parts.keys()
    assert "with the same pixels, 'cat/0' for one" in find_in_split(images, copies, cut)[0].text


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
        ({"train": 200, "test": 5}, {"validation"}),
        ({"train": 200, "validation": 5}, {"test"}),
        ({"train": 200, "validation": 5, "test": 5}, set()),
        ({"train": 200}, {"validation", "test"}),
    ],
)
def test_given_parts_stay_and_what_is_not_given_is_cut_from_train(present: dict[str, int], cut: set[str]) -> None:
    images = _given(**present)

    parts = assign_parts(images, BYTES, SPLIT, seed=3).parts

    counts = Counter(parts[image.path] for image in images if image.part == "train")
    assert all(parts[image.path] == image.part for image in images if image.part != "train")
    assert counts.keys() == cut | {"train"}
    assert all(35 <= counts[part] <= 85 for part in cut if part != "train")  # 400 x 0.15 +- 3.5 x 7.1
    assert given_parts(images) == tuple(present)


def test_a_copy_of_a_given_test_image_is_left_out_of_the_other_parts() -> None:
    images = [
        *_given(train=10, validation=4, test=4),
        an_image("train/cat/leak.png", "cat", "test cat 0", part="train"),
        an_image("validation/cat/leak.png", "cat", "test cat 1", part="validation"),
    ]

    cut = assign_parts(images, BYTES, SPLIT, seed=1)
    parts = cut.parts

    assert {image.path for image in images} - parts.keys() == {
        "train/cat/leak.png",
        "validation/cat/leak.png",
    }
    texts = {finding.kind: finding.text for finding in find_in_split(images, BYTES, cut)}
    assert "1 image(s) lie both in train and in test" in texts["same images in train and test"]
    assert "copies in train are left out, the test set stays as given" in texts["same images in train and test"]
    assert "same images in validation and test" in texts


def test_copies_of_given_validation_images_are_left_out_of_train_and_never_reach_a_cut_test_part() -> None:
    images = _given(train=8, validation=4)
    leaks = [an_image(f"train/cat/leak{n}.png", "cat", f"validation cat {n}", part="train") for n in range(4)]

    for seed in range(1, 20):
        cut = assign_parts(images + leaks, BYTES, SPLIT, seed)
        assert not cut.parts.keys() & {image.path for image in leaks}

    finding = find_in_split(images + leaks, BYTES, cut)[0]
    assert finding.severity == "warn"
    assert "4 image(s) lie both in train and in validation" in finding.text
    assert "train/cat/leak0.png" in finding.paths


def test_a_class_with_three_different_images_is_refused_by_name() -> None:
    images = [an_image(f"cat/{n}.png", "cat", f"cat {n}") for n in range(9)]
    images += [an_image(f"dog/{n}.png", "dog", f"dog {n % 3}") for n in range(9)]

    with pytest.raises(DataError, match=r"class 'dog' has 3 different image.* at least 4 .*check\.drop_classes"):
        assign_parts(images, BYTES, SPLIT, seed=1)


@pytest.mark.parametrize(
    ("given", "parts", "said"),
    [
        ({"train": 5, "validation": 2, "test": 2}, ["test"], r"1 class\(es\).*: 'cow' \(1 in test alone\)\. "),
        ({"train": 5, "test": 2}, ["test", "test"], r"'cow' \(2 in test alone\)\. "),  # validation is yet to be cut
        ({"train": 5, "validation": 2}, ["validation"], r"'cow' \(1 in validation alone\)\. "),
        ({"train": 5, "validation": 2, "test": 2}, ["validation", "test"],
         r"'cow' \(1 in validation and 1 in test alone\)\. "),
    ],
)  # fmt: skip
def test_a_class_that_only_judging_given_parts_have_is_refused_with_where_it_lies(
    given: dict[str, int], parts: list[Part], said: str
) -> None:
    cows = [an_image(f"{n}.png", "cow", f"cow {n}", part=part) for n, part in enumerate(parts)]

    with pytest.raises(
        DataError, match=said + r"Wanted: images of each class in train\..*check\.drop_classes, as 'cow'"
    ):
        assign_parts([*_given(**given), *cows], BYTES, SPLIT, seed=1)


def test_all_classes_that_only_the_given_test_part_has_are_named_at_once() -> None:
    images = [an_image(f"{n}.png", f"new {n}", f"{n}", part="test") for n in range(7)]

    with pytest.raises(DataError, match=r"7 class\(es\) .*'new 0' \(1 in test alone\), 'new 1' .* and 2 more\."):
        assign_parts([*_given(train=5, test=2), *images], BYTES, SPLIT, seed=1)


def test_a_class_whose_training_images_are_all_copies_of_test_images_is_refused_as_such() -> None:
    images = [
        *_given(train=5, validation=2, test=2),
        an_image("test/cow/0.png", "cow", "cow", part="test"),
        an_image("train/cow/0.png", "cow", "cow", part="train"),
    ]

    with pytest.raises(DataError, match=r"class 'cow' has 0 different .*: none in train that is no copy"):
        assign_parts(images, BYTES, SPLIT, seed=1)


def test_a_class_that_a_given_part_lacks_is_warned_of() -> None:
    images = [image for image in _given(train=9, test=3) if image.path[:8] != "test/dog"]

    finding = find_in_split(images, BYTES, assign_parts(images, BYTES, SPLIT, seed=1))[0]

    assert finding.text.startswith("test has no image of 'dog'")
