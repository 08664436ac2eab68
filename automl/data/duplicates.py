"""Files with the same bytes: which lie together, and which contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from automl.types import Image

Group = tuple[Image, ...]  # the same bytes; sorted by path


def by_content(images: Iterable[Image]) -> dict[str, Group]:
    """The images of each content, by sha256; keys and groups are in an order that the input's does not change."""
    groups: defaultdict[str, list[Image]] = defaultdict(list)
    for image in images:
        groups[image.sha256].append(image)
    return {sha256: tuple(sorted(groups[sha256], key=lambda image: image.path)) for sha256 in sorted(groups)}


def is_conflicting(group: Group) -> bool:
    """Whether the same bytes carry more than one label, so that at least one is wrong."""
    return len({image.label for image in group}) > 1


def distinct_per_class(images: Iterable[Image]) -> dict[str, int]:
    """How many different contents each class has, those with conflicting labels left out."""
    counts: defaultdict[str, int] = defaultdict(int)
    for group in by_content(images).values():
        if not is_conflicting(group):
            counts[group[0].label] += 1
    return dict(counts)
