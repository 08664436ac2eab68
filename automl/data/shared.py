"""What the owner of a dataset should know of copies, and of parts that share images. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from automl.data.duplicates import Copies, Group, NearCopy, by_content, is_conflicting
from automl.data.split import Cut
from automl.data.wording import examples
from automl.finding_table import NOT_SPLIT
from automl.types import PARTS, Finding, Image, Part


def conflicting_labels(groups: Sequence[Group], what: str = "bytes") -> Finding | None:
    """Of contents that lie in more than one class."""
    if not groups:
        return None
    first = groups[0]
    labels = " and ".join(repr(label) for label in sorted({image.label for image in first}))
    return Finding(
        kind="conflicting labels",
        severity="warn",
        text=f"{len(groups)} image(s) lie in more than one class with the same {what}, {first[0].path!r} for one in "
        f"{labels}; all {sum(map(len, groups))} files are left out of every part.",
        count=len(groups),
        advice="Keep each picture in the one class that is right, and remove the other copies.",
        paths=examples(image.path for group in groups for image in group),
    )


def exact_duplicates(groups: Sequence[Group], what: str = "") -> Finding | None:
    """Of contents that several files of one class have."""
    if not groups:
        return None
    return Finding(
        kind="exact duplicates",
        severity="note",
        text=f"{len(groups)} image(s) are there more than once{what}, {sum(map(len, groups))} files in all; "
        "where the parts are cut here, copies stay in one part.",
        count=len(groups),
        advice="Remove the copies: an image that counts twice teaches nothing new.",
        paths=examples(image.path for group in groups for image in group),
    )


def find_in_split(images: Sequence[Image], copies: Copies, cut: Cut) -> tuple[Finding, ...]:
    """What only the pixels tell, what given parts share and lack, and what the cut could not do.

    Args: cut: of a dataset that cannot be cut, what the dataset gives alone.

    Copies with the same bytes are check's to tell, unless they lie in two given parts.
    """
    label_of = {image.path: image.label for image in images}
    contents = by_content(images, copies).values()
    usable = [group for group in contents if not is_conflicting(group)]
    beyond_bytes = [group for group in contents if len({image.sha256 for image in group}) > 1]
    unlike = [pair for pair in copies.near if label_of[pair.first] != label_of[pair.second]]
    candidates = (
        conflicting_labels([group for group in beyond_bytes if is_conflicting(group)], "pixels"),
        *(_leak(usable, first, second) for first, second in _PAIRS),
        *(_near_leak(images, copies, first, second) for first, second in _PAIRS),
        _shared_groups(images, cut),
        _near_conflicts(unlike, label_of),
        _lacking(images, cut.parts, "validation"),
        _lacking(images, cut.parts, "test"),
        exact_duplicates(
            [group for group in beyond_bytes if not is_conflicting(group)], " with other bytes and the same pixels"
        ),
        _near_duplicates([pair for pair in copies.near if label_of[pair.first] == label_of[pair.second]]),
        _broken_chains(usable, copies, cut),
        _mirrored(copies.mirrored),
        _tiny_classes(cut, label_of),
    )
    return tuple(finding for finding in candidates if finding)


def not_split(why: str) -> Finding:
    """Args: why: what could not be done, what was wanted, and what to do."""
    return Finding(kind=NOT_SPLIT, severity="stop", text=why, count=1)


def leakage(images: Sequence[Image], copies: Copies, parts: Mapping[str, Part]) -> dict[str, int]:
    """What lies on two sides after the cut, counted anew from the copies themselves.

    Returns: "same pixels": contents; "near copies": pairs; "groups": groups.
    """
    contents = by_content(images, copies).values()
    places = {group[0].path: {parts[image.path] for image in group if image.path in parts} for group in contents}
    return {
        "same pixels": sum(len(found) > 1 for found in places.values()),
        "near copies": sum(
            len(places[pair.first] | places[pair.second]) > 1
            for pair in copies.near
            if places[pair.first] and places[pair.second]
        ),
        "groups": len(_divided_groups(images, parts)),
    }


_PAIRS: Final[tuple[tuple[Part, Part], ...]] = (("train", "validation"), ("train", "test"), ("validation", "test"))


def _leak(groups: Sequence[Group], first: Part, second: Part) -> Finding | None:
    shared = [group for group in groups if {first, second} <= {image.part for image in group}]
    if not shared:
        return None
    return Finding(
        kind=f"same images in {first} and {second}",
        severity="warn",
        text=f"{len(shared)} image(s) lie both in {first} and in {second}; the copies in {first} are left out, the "
        f"{second} set stays as given.",
        count=len(shared),
        advice=f"Remove them from {first}.",
        paths=examples(image.path for group in shared for image in group if image.part in {first, second}),
    )


def _near_leak(images: Sequence[Image], copies: Copies, first: Part, second: Part) -> Finding | None:
    given = {image.path: image.part for image in images}
    shared = [pair for pair in copies.near if {given[pair.first], given[pair.second]} == {first, second}]
    if not shared:
        return None
    return Finding(
        kind=f"near copies in {first} and {second}",
        severity="warn",
        text=f"{len(shared)} image(s) of {second} have a near copy in {first}, {_told(shared[0])} for one; those in "
        f"{first} are left out, the {second} set stays as given.",
        count=len(shared),
        advice=f"Remove them from {first}; if they are no copies, set split.near to false.",
        paths=_both(shared),
    )


def _shared_groups(images: Sequence[Image], cut: Cut) -> Finding | None:
    divided = _divided_groups(images, cut.parts)
    if not divided:
        return None
    name, members = next(iter(divided.items()))
    places = {cut.parts[image.path] for image in members}
    return Finding(
        kind="groups in two parts",
        severity="warn",
        text=f"{len(divided)} group(s) have images in more than one given part, {name!r} for one in "
        f"{' and '.join(part for part in PARTS if part in places)}; all are kept as given, so what is measured there "
        "is too good.",
        count=len(divided),
        advice="Give each group to one part, or leave the parts to automl: it keeps groups together.",
        paths=examples(group[0].path for group in divided.values()),
    )


def _divided_groups(images: Sequence[Image], parts: Mapping[str, Part]) -> dict[str, list[Image]]:
    """The groups with images in more than one part, by name."""
    members: defaultdict[str, list[Image]] = defaultdict(list)
    for image in sorted(images, key=lambda image: image.path):
        if image.group and image.path in parts:
            members[image.group].append(image)
    return {name: members[name] for name in sorted(members) if len({parts[i.path] for i in members[name]}) > 1}


def _near_conflicts(pairs: Sequence[NearCopy], label_of: Mapping[str, str]) -> Finding | None:
    if not pairs:
        return None
    first = pairs[0]
    return Finding(
        kind="conflicting labels of near copies",
        severity="warn",
        text=f"{len(pairs)} pair(s) of nearly the same images are in two classes: {_told(first)}, for one, "
        f"{label_of[first.first]!r} and {label_of[first.second]!r}; they are kept, in one part.",
        count=len(pairs),
        advice="Look at each pair: one of the two labels may be wrong.",
        paths=_both(pairs),
    )


def _near_duplicates(pairs: Sequence[NearCopy]) -> Finding | None:
    if not pairs:
        return None
    return Finding(
        kind="near duplicates",
        severity="note",
        text=f"{len(pairs)} pair(s) of images are nearly the same, {_told(pairs[0])} for one; where the parts are cut "
        "here, they stay in one part, or one of them is left out.",
        count=len(pairs),
        advice="Remove those that are copies; split.near: false lets them part.",
        paths=_both(pairs),
    )


def _broken_chains(groups: Sequence[Group], copies: Copies, cut: Cut) -> Finding | None:
    """Of images that are left out though no given part holds a copy of them: a near copy was cut to another part.

    Clusters are stars, so the ends of a long chain of near copies are free to part.
    """
    by_first = {group[0].path: group for group in groups}
    placed = {first: path for first, group in by_first.items()
              if (path := next((image.path for image in group if image.path in cut.parts), ""))}  # fmt: skip
    out: dict[str, str] = {}  # path -> a near copy that judges
    judged_as_given: set[str] = set()  # paths that another finding tells of
    for pair in copies.near:
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if one in placed or other not in placed or cut.parts[placed[other]] == "train":
                continue
            judges = {PARTS.index(image.part) for image in by_first[other] if image.part}
            for image in by_first.get(one, ()):
                if cut.parts[placed[other]] == "test" or image.path not in out:  # test judges the other parts' images
                    out[image.path] = placed[other]
                if image.part and any(judge > PARTS.index(image.part) for judge in judges):
                    judged_as_given.add(image.path)
    told = {path: out[path] for path in sorted(out.keys() - judged_as_given)}
    if not told:
        return None
    first, twin = next(iter(told.items()))
    return Finding(
        kind="near copies left out",
        severity="note",
        text=f"{len(told)} image(s) are in no part: each is nearly the same as an image of a part that judges, "
        f"{first!r} as {twin!r} for one, at the end of a chain of near copies too long to be kept together.",
        count=len(told),
        advice="Remove those that are copies, or give the images of a chain one group, which keeps them together.",
        paths=examples(path for pair in told.items() for path in pair),
    )


def _mirrored(pairs: Sequence[NearCopy]) -> Finding | None:
    if not pairs:
        return None
    return Finding(
        kind="mirrored copies",
        severity="note",
        text=f"{len(pairs)} pair(s) of images are nearly each other's mirror image, {_told(pairs[0])} for one; "
        "they are cut as different images.",
        count=len(pairs),
        advice="Remove those that are copies, or give both the same group.",
        paths=_both(pairs),
    )


def _tiny_classes(cut: Cut, label_of: Mapping[str, str]) -> Finding | None:
    if not cut.moved:
        return None
    labels = sorted({label_of[path] for path in cut.moved})
    return Finding(
        kind="tiny classes",
        severity="note",
        text=f"{len(cut.moved)} image(s) of {len(labels)} class(es) ({', '.join(map(repr, labels[:3]))}"
        f"{', ...' if len(labels) > 3 else ''}) were put where chance had left a part without the class; with more "
        "images they may go elsewhere.",
        count=len(cut.moved),
        advice="Add images of these classes.",
        paths=examples(sorted(cut.moved)),
    )


def _lacking(images: Sequence[Image], parts: Mapping[str, Part], part: Part) -> Finding | None:
    present = {image.label for image in images if parts.get(image.path) == part}
    missing = sorted({image.label for image in images} - present)
    if not (missing and present):
        return None
    return Finding(
        kind=f"classes missing in {part}",
        severity="warn",
        text=f"{part} has no image of {', '.join(map(repr, missing))}: nothing is measured on these classes there.",
        count=len(missing),
        advice=f"Add images of these classes to {part}.",
    )


def _told(pair: NearCopy) -> str:
    return f"{pair.first!r} and {pair.second!r}"


def _both(pairs: Sequence[NearCopy]) -> tuple[str, ...]:
    return examples(path for pair in pairs for path in (pair.first, pair.second))
