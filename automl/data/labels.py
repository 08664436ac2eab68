"""What labels tell of themselves: spellings of one class, and that two folders are pictures and their masks. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from automl.types import N_EXAMPLES, Finding

N_SHOWN: Final = 5  # spellings, classes or columns that a sentence names at most
PICTURES: Final = frozenset(("image", "images", "img", "imgs", "input", "inputs", "photos"))
MASKS: Final = frozenset(
    ("mask", "masks", "seg", "segmentation", "segmentations", "gt", "ground_truth", "groundtruth", "annotations",
     "label", "labels", "target", "targets")
)  # fmt: skip

LEAST_OF_A_CLASS: Final = 4  # files; the least that check.min_images_per_class can be
MANY_FRACTIONS: Final = 10
MANY_NUMBERS: Final = 20
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_MASK_ENDING: Final = re.compile(r"[\s_-]*(mask|seg|segmentation|gt|label)s?$", re.IGNORECASE)


def label_key(label: str) -> str:
    """What all spellings of a label share: compatible characters, case and white space made one.

    Source: Unicode's toNFKC_Casefold, of which this is the common part: NFKC, case folding, NFKC again.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    return " ".join(folded.split())


def spellings(files: Mapping[str, int]) -> dict[str, str]:
    """How labels would be merged: each label that has another spelling -> the one spelling.

    That is the case-folded one where it occurs (so that the classes of a set end up alike), else the most frequent.

    Args: files: label -> how many files have it.
    """
    families: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(files):
        families[label_key(label)].append(label)
    merged: dict[str, str] = {}
    for key, family in families.items():
        if len(family) > 1:
            target = key if key in family else min(family, key=lambda label: (-files[label], label))
            merged.update(dict.fromkeys(family, target))
    return merged


def spelling_finding(files: Mapping[str, int], examples: Mapping[str, str], *, merged: bool) -> Finding | None:
    """What is said of labels that differ by spelling alone; None: there are none.

    Args:
        files: label -> how many files have it, as the dataset spells them.
        examples: label -> the path of a file that has it.
        merged: the recipe has them merged.
    """
    targets = spellings(files)
    if not targets:
        return None
    families: defaultdict[str, list[str]] = defaultdict(list)
    for label, target in targets.items():
        families[target].append(label)
    alike = _alike(targets)
    told = [
        f"{_counted(sorted(set(family) - {target}), files, alike)} into {_counted([target], files, alike)}"
        for target, family in sorted(families.items())
    ]
    more = f"; and {len(told) - N_SHOWN} more" if len(told) > N_SHOWN else ""
    plan = "; ".join(told[:N_SHOWN]) + more
    what = f"{len(families)} class(es) are spelled in {len(targets)} ways that differ only by case, white space or "
    what += "Unicode form"
    paths = tuple(examples[label] for label in sorted(targets))[:N_EXAMPLES]
    if merged:
        text = f"{what}; data.merge_labels merged {plan}."
        return Finding(kind="merged labels", severity="note", text=text, count=len(families), paths=paths)
    return Finding(
        kind="labels that differ by spelling",
        severity="warn",
        text=f"{what}; each spelling is a class of its own. Proposed: {plan}.",
        count=len(families),
        advice="Merge them so with --set data.merge_labels=true, or correct the labels.",
        paths=paths,
    )


def as_segmentation(paths: Iterable[tuple[str, str]], classes: Collection[str]) -> str:
    """Why two "classes" are pictures and their masks, in words; "" where they are not.

    Args: paths: (label, file name) of every file.
    """
    pictures = [label for label in classes if label_key(label) in PICTURES]
    masks = [label for label in classes if label_key(label) in MASKS]
    if len(classes) != 2 or len(pictures) != 1 or len(masks) != 1:
        return ""
    stems: defaultdict[str, set[str]] = defaultdict(set)
    for label, name in paths:
        stems[label].add(_MASK_ENDING.sub("", name.rpartition(".")[0]))
    shared = len(stems[pictures[0]] & stems[masks[0]])
    if 2 * shared < len(stems[pictures[0]]):  # a mask has its picture's name; a few may lack one
        return ""
    return f"task not supported yet: segmentation ({pictures[0]}/ and {masks[0]}/ share {shared} file names)"


def _alike(labels: Collection[str]) -> set[str]:
    """The labels that look like another one on a screen: they differ by their Unicode form alone."""
    looks = Counter(unicodedata.normalize("NFC", label) for label in labels)
    return {label for label in labels if looks[unicodedata.normalize("NFC", label)] > 1}


def _counted(labels: Iterable[str], files: Mapping[str, int], alike: Collection[str]) -> str:
    """Labels with their files; those that look like another one as their code points: 'cafe\\u0301'."""
    return ", ".join(f"{ascii(label) if label in alike else repr(label)} ({files[label]})" for label in labels)


def as_numbers(files: Mapping[str, int]) -> str:
    """Why labels are numbers to be predicted and no classes, in words; "" where they are classes.

    Fractions are, where they have more than MANY_FRACTIONS different values. Whole numbers are classes, unless there
    are more than MANY_NUMBERS of them and most have fewer files than a class needs.

    Args: files: label -> how many files have it.
    """
    if not files or not all(_NUMBER.fullmatch(label.strip()) for label in files):
        return ""
    values = sorted(float(label) for label in files)
    fractions = any(value % 1 for value in values)
    rare = sum(count < LEAST_OF_A_CLASS for count in files.values())
    if (fractions and len(values) > MANY_FRACTIONS) or (len(values) > MANY_NUMBERS and 2 * rare > len(values)):
        return f"{len(values)} different numbers from {values[0]:g} to {values[-1]:g}"
    return ""


def as_several(files: Mapping[str, int]) -> str:
    """Why a label's text holds several labels, in words; "" where each is one.

    Texts with a separator do, where in at least half of them every piece also occurs in another text: "sea,sunset"
    beside "sea" and "desert,sunset". So "bear, polar" beside "bear, brown" is one name.

    Args: files: label -> how many files have it.
    """
    for separator in ",;|":
        pieces = {label: _pieces(label, separator) for label in files}
        joined = [label for label, found in pieces.items() if len(found) > 1]
        in_labels = Counter(piece for found in pieces.values() for piece in set(found))
        several = [label for label in joined if all(in_labels[piece] > 1 for piece in pieces[label])]
        if several and 2 * len(several) >= len(joined):
            rows = sum(files[label] for label in several)
            return f"{rows} row(s) with several labels, {several[0]!r} for one"
    return ""


def _pieces(label: str, separator: str) -> list[str]:
    return [piece for part in label.strip("[](){} ").split(separator) if (piece := part.strip().strip("'\"").strip())]
