"""Labels that folders' names give: the layouts without a manifest. Pure: paths in, labels and parts out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from automl.data.labels import as_segmentation
from automl.data.reading import Facts, Folder, Reading, listed, part_of
from automl.data.wording import some
from automl.recipe.model import Data
from automl.types import N_EXAMPLES, Finding, ListedFile, Part

NESTED_SHARE: Final = 0.9  # of the images must lie deeper than the label's folder, for a further level to be meant

Placed = tuple[str, Facts, tuple[str, ...]]  # an image's path, its facts, and the folders it lies in


def read_flat(folder: Folder, wish: Data) -> list[Reading]:
    """CLASS/x.png; no image lies deeper. Where every class has the name of a part it is not guessed but refused."""
    placed = list(_placed(folder))
    tops = {folders[0] for _, _, folders in placed if folders}
    asked = wish.layout == "flat"
    if not tops or (not asked and (wish.level > 1 or any(len(folders) > 1 for _, _, folders in placed))):
        return []
    files, outside = _label(((p, f, d) for p, f, d in placed if len(d) == 1), len(placed), level=1, part=False)
    refusal = ""
    if not asked and len({part_of(top) for top in tops} - {None}) > 1 and all(map(part_of, tops)):
        refusal = (
            f"{some(tops, '/')} hold images, and no folders of classes: they could be parts without labels, or classes "
            "of these names. Wanted: train/CLASS/ and so on, or a manifest with the labels. "
            "If these are the classes, say so: --set data.layout=flat"
        )
    return [_reading("flat", tops, files, outside, refusal=refusal)]


def read_nested(folder: Folder, wish: Data) -> list[Reading]:
    """CLASS/more/x.png: the first data.level folders are the label, those below belong to it."""
    placed = list(_placed(folder))
    deeper = any(len(folders) > 1 for _, _, folders in placed)
    if not deeper and wish.layout != "nested":
        return []
    files, outside = _label(placed, len(placed), level=wish.level, part=False)
    tops = {file.label for file in files}
    return [_reading("nested", tops, files, outside, finding=_levels(files, wish.level))] if files else []


def read_parts(folder: Folder, wish: Data) -> list[Reading]:
    """train/CLASS/x.png and val/, test/ likewise, in any usual spelling; train may be alone, but not absent.

    Other folders beside them are outside, where two parts share at least two classes; else they are no parts but
    classes that happen to have such names; where one holds the classes of a part, that is not guessed but refused.
    """
    placed = list(_placed(folder))
    classes: defaultdict[str, set[str]] = defaultdict(set)  # top folder -> what lies in it as classes would
    tops = {folders[0] for _, _, folders in placed if folders}
    for _, _, folders in placed:
        if len(folders) > wish.level:
            classes[folders[0]].add("/".join(folders[1 : 1 + wish.level]))
    parts: dict[Part, set[str]] = defaultdict(set)
    for top in classes:
        if part := part_of(top):
            parts[part] |= classes[top]
    others = [top for top in tops if part_of(top) is None]
    refusal = ""
    if not parts or (others and wish.layout != "parts" and not _share_classes(parts)):
        refusal = _same_classes(classes)
        if not refusal:
            return []
    inside = [(p, f, d) for p, f, d in placed if d and part_of(d[0])]
    files, outside = _label(inside, len(placed), level=wish.level, part=True)
    if "train" not in parts and not refusal:
        given = some((top for top in tops if part_of(top)), "/")
        refusal = (
            f"{given} are there and no train/ of classes: nothing could be learned from. Wanted: train/CLASS/. "
            "Rename the folder to train on, or give its own path as the dataset"
        )
    used = {file.path.split("/")[0] for file in files}
    return [_reading("parts", used, files, outside, finding=_levels(files, wish.level, skip=1), refusal=refusal)]


def _placed(folder: Folder) -> Iterator[Placed]:
    for path, facts in folder.images.items():
        yield path, facts, tuple(path.split("/")[:-1])


def _label(placed: Iterable[Placed], n_images: int, *, level: int, part: bool) -> tuple[tuple[ListedFile, ...], int]:
    """Images with the label that `level` folders make, behind a part's folder where there is one; and those outside."""
    skip = int(part)
    files = tuple(
        listed(path, facts, "/".join(folders[skip : skip + level]), part_of(folders[0]) if part else None)
        for path, facts, folders in placed
        if len(folders) >= skip + level
    )
    return files, n_images - len(files)


def _share_classes(parts: dict[Part, set[str]]) -> bool:
    sets = list(parts.values())
    return any(len(a & b) > 1 for at, a in enumerate(sets) for b in sets[:at])


def _same_classes(classes: Mapping[str, set[str]]) -> str:
    """Why a folder beside one of a part could be a part as well, in words; "" where none could.

    Args: classes: top folder -> the folders in it.
    """
    parts = sorted(top for top in classes if part_of(top))
    known = {name for top in parts for name in classes[top]}
    alike = sorted(top for top in classes if top not in parts and _mostly(classes[top], known))
    if not alike:
        return ""
    shared = some({name for top in alike for name in classes[top]} & known)
    beside = some(alike, "/")
    leave_out = "--set data.layout=parts leaves it out, " if "train" in map(part_of, parts) else ""
    return (
        f"{some(parts, '/')} and {beside} hold the same folders ({shared}): by its name {beside} is no part, and it "
        "could be one. Wanted: train/, val/ and test/ of classes. Rename it to one of these (val or test beside "
        "train), merge it into the part that it belongs to, or move it away; "
        f"{leave_out}--set data.layout=nested makes the top folders the classes"
    )


def _mostly(names: set[str], known: set[str]) -> bool:
    """Whether a folder holds the classes of parts: two of them at least, and half of what it holds."""
    shared = len(names & known)
    return shared > 1 and 2 * shared >= len(names)


def _levels(files: tuple[ListedFile, ...], level: int, *, skip: int = 0) -> Finding | None:
    """What is said of images that lie deeper than the label's folder. Args: skip: levels before it, of parts."""
    below: defaultdict[str, set[str]] = defaultdict(set)
    deeper = 0
    for file in files:
        folders = file.path.split("/")[skip:-1]
        if len(folders) > level:
            below[file.label].add(folders[level])
            deeper += 1
    if not deeper:
        return None
    names = sorted(f"{label}/{name}" for label, inner in below.items() for name in inner)
    examples = tuple(names[:N_EXAMPLES])
    several = [label for label, inner in below.items() if len(inner) > 1]
    what = f"{deeper} of {len(files)} image(s) lie in folders below their class's, {names[0]!r} for one"
    if all(part_of(name) for inner in below.values() for name in inner):
        what += "; these have the names of parts, and are not read as such: parts stand above the classes"
    if len(several) < 2 or deeper < NESTED_SHARE * len(files):
        text = f"{what}; they belong to the class."
        return Finding(kind="nested folders", severity="note", text=text, count=len(names), paths=examples)
    return Finding(
        kind="two folder levels",
        severity="warn",
        text=f"{what}; the label is the folder level {level} ({len(below)} classes), and level {level + 1} could be "
        f"meant as well ({len(names)} classes).",
        count=len(names),
        advice=f"If so, --set data.level={level + 1} makes labels such as {names[0]!r}.",
        paths=examples,
    )


def _reading(
    row: str,
    source: Iterable[str],
    files: tuple[ListedFile, ...],
    outside: int,
    *,
    finding: Finding | None = None,
    refusal: str = "",
) -> Reading:
    labels = {file.label for file in files}
    masks = as_segmentation(((file.label, file.path.rpartition("/")[2]) for file in files), labels)
    return Reading(
        row=row,
        source=some(source, "/"),
        files=files,
        outside=outside,
        findings=(finding,) if finding else (),
        refusal=refusal or masks,
    )
