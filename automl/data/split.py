"""Who learns from what: every image goes to train, validation or test."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from automl.data.duplicates import Group, by_content, is_conflicting
from automl.errors import DataError
from automl.recipe.model import Split
from automl.types import PARTS, Image, Part


def assign_parts(images: Iterable[Image], config: Split, seed: int) -> dict[str, Part]:
    """Give every image that is kept its part: stratified by class, copies together, the same in any file order.

    Parts that the dataset's own folders give are kept as given; the others are cut from what is train or not given,
    each class by its share of different contents. Left out, and so absent from the result, are contents with
    conflicting labels, and copies of a given test image that lie in other parts: the test set stays as it is.

    Args:
        images: all with a given part, or none.
        config: the shares of the parts that are not given.
        seed: another seed cuts otherwise.
    Returns: path -> part, sorted by path.
    Raises: DataError: a class has too few different images to fill the parts.
    """
    groups = [group for group in by_content(images).values() if not is_conflicting(group)]
    given = given_parts(image for group in groups for image in group)
    wished: dict[Part, float] = {"validation": config.validation, "test": config.test}
    shares = {part: share for part, share in wished.items() if part not in given}
    parts: dict[str, Part] = {}
    pools: defaultdict[str, list[str]] = defaultdict(list)  # class -> contents that may go to any part
    members: dict[str, Group] = {}
    for group in groups:
        places = {image.part for image in group}
        if places <= {None, "train"}:
            pools[group[0].label].append(group[0].sha256)
            members[group[0].sha256] = group
            continue
        for image in group:
            if image.part and ("test" not in places or image.part == "test"):
                parts[image.path] = image.part
    for label in sorted({image.label for group in groups for image in group}):
        for sha256, part in _cut(label, pools[label], shares, seed).items():
            parts.update({image.path: part for image in members[sha256]})
    return dict(sorted(parts.items()))


def given_parts(images: Iterable[Image]) -> tuple[Part, ...]:
    """The parts that the dataset's own folders fixed, in their order."""
    found = {image.part for image in images}
    return tuple(part for part in PARTS if part in found)


def _cut(label: str, contents: Sequence[str], shares: Mapping[Part, float], seed: int) -> dict[str, Part]:
    """Deal one class's contents out. Raises: DataError: too few of them."""
    wanted = max(1, 2 * len(shares))
    if len(contents) < wanted:
        names = " and ".join(shares) or "nothing"
        raise DataError(
            f"class {label!r} has {len(contents)} different image(s) that can be trained on, and at least {wanted} "
            f"are wanted ({names} to be cut from them). Add images, or list {label!r} under check.drop_classes."
        )
    # A hash orders the contents: the same on every machine, whatever the file order, and little changed by new files.
    order = sorted(contents, key=lambda sha256: _hash(seed, label, sha256))
    parts: dict[str, Part] = dict.fromkeys(contents, "train")
    start = 0
    for part, count in _counts(len(contents), shares, _hash(seed, label)).items():
        parts.update(dict.fromkeys(order[start : start + count], part))
        start += count
    return parts


def _counts(n: int, shares: Mapping[Part, float], tie: str) -> dict[Part, int]:
    """How many of n contents each cut part gets: within 1 of its share, but at least 1; n is 2 a cut part or more.

    Halves are rounded by the tie string, so that over many classes no part is favoured.
    """
    counts: dict[Part, int] = {}
    for at, (part, share) in enumerate(shares.items()):
        whole, rest = divmod(n * share, 1)
        up = rest > 0.5 or (rest == 0.5 and int(tie[at], 16) % 2 == 1)
        counts[part] = max(1, int(whole) + up)
    while n - sum(counts.values()) < 1:
        largest = max(counts, key=lambda part: counts[part])
        counts[largest] -= 1
    return counts


def _hash(*words: object) -> str:
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()
