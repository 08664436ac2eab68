from __future__ import annotations

from hypothesis import given, settings

from automl.data.duplicates import by_content, distinct_per_class, is_conflicting
from automl.types import Image
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
