"""What labels tell of themselves: spellings of one class, and that two folders are pictures and their masks. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from automl.types import Finding

N_SHOWN: Final = 5  # spellings, classes or columns that a sentence names at most
PICTURES: Final = frozenset(("image", "images", "img", "imgs", "input", "inputs", "photos"))
MASKS: Final = frozenset(
    ("mask", "masks", "seg", "segmentation", "segmentations", "gt", "ground_truth", "groundtruth", "annotations",
     "label", "labels", "target", "targets")
)  # fmt: skip

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
    told = [
        f"{_counted(sorted(set(family) - {target}), files)} into {_counted([target], files)}"
        for target, family in sorted(families.items())
    ]
    more = f"; and {len(told) - N_SHOWN} more" if len(told) > N_SHOWN else ""
    plan = "; ".join(told[:N_SHOWN]) + more
    what = f"{len(families)} class(es) are spelled in {len(targets)} ways that differ only by case, white space or "
    what += "Unicode form"
    paths = tuple(examples[label] for label in sorted(targets))[:20]
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


def _counted(labels: Iterable[str], files: Mapping[str, int]) -> str:
    return ", ".join(f"{label!r} ({files[label]})" for label in labels)
