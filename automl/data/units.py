"""What stays together: images of one content, near copies and images of one group make a unit; no cut divides it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from automl.data.duplicates import Copies
from automl.types import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Images that go to one part."""

    key: str  # the same for the same images, whatever else is in the dataset
    images: tuple[Image, ...]  # sorted by path

    @property
    def labels(self) -> frozenset[str]:
        """More than one, where near copies contradict each other or a group has several classes."""
        return frozenset(image.label for image in self.images)

    def draw(self, seed: int) -> float:
        """A number in [0, 1) that this unit alone decides: uniform over units, independent for another seed."""
        digest = hashlib.sha256(f"{seed}\0{self.key}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48


def units_of(images: Iterable[Image], copies: Copies) -> tuple[Unit, ...]:
    """The units, sorted by key; neither keys nor units depend on the order of the images.

    A unit's key is the smallest of its groups' names, or of its files' sha256 where it has no group. So more images of
    a group, or more files of the same bytes, change no key; a near copy does where its own sha256 is smaller.
    """
    table = sorted(images, key=lambda image: image.path)
    ties = _Ties(len(table))
    first: dict[str, int] = {}
    at = {image.path: place for place, image in enumerate(table)}
    for place, image in enumerate(table):
        ties.tie(place, first.setdefault(f"content {copies.key(image)}", place))
        if image.group:
            ties.tie(place, first.setdefault(f"group {image.group}", place))
    for cluster in copies.clusters:
        present = [at[path] for path in cluster if path in at]
        for place in present[1:]:
            ties.tie(place, present[0])
    members: defaultdict[int, list[Image]] = defaultdict(list)
    for place, image in enumerate(table):
        members[ties.root(place)].append(image)
    units = (Unit(key=_key(group), images=tuple(group)) for group in members.values())
    return tuple(sorted(units, key=lambda unit: unit.key))


def _key(images: Sequence[Image]) -> str:
    groups = [f"group {image.group}" for image in images if image.group]
    return min(groups or [image.sha256 for image in images])


class _Ties:
    """Union-find over places, with path halving (R. E. Tarjan and J. van Leeuwen, 1984)."""

    def __init__(self, n: int) -> None:
        self._above = list(range(n))

    def root(self, place: int) -> int:
        above = self._above
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    def tie(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        self._above[max(one, other)] = min(one, other)
