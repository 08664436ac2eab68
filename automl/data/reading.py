"""A dataset's folder as it lies on disk, and as one layout reads it: what the rows of layouts.py take and give."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.types import Finding, ListedFile, Part

PART_NAMES: Final[dict[str, Part]] = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
    "publictest": "validation",  # of Kaggle's challenges, FER2013 among them: whose scores were shown while it ran
    "privatetest": "test",
}
_PART_ENDINGS: Final = re.compile(r"[\s_-]*(set|data|split|images?|imgs?)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the system says of a file without opening it."""

    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A dataset's folder, listed once for all layouts."""

    root: Path  # resolved
    images: Mapping[str, Facts]  # candidate images by their path below the root, in the paths' order
    passed_over: Counter[str]  # why other entries are none -> how many
    tables: tuple[str, ...] = ()  # files that could be manifests, by their path below the root
    given: str = ""  # the one of them that was given itself as the dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A dataset as one layout reads it; nothing is decided yet."""

    row: str  # a name of layouts.py's table
    source: str  # what it was read from, in words: the end of Listing.layout
    files: tuple[ListedFile, ...]
    outside: int = 0  # images that this layout has no place for
    findings: tuple[Finding, ...] = ()
    refusal: str = ""  # why nothing can be trained on it, where it is this layout's
    tables: tuple[str, ...] = ()  # the manifest's files
    guessed: bool = False  # the label's column, or where the paths lie, is by no convention
    rows: int = 0  # of the manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReading:
    """A file that could have been a manifest and is none of this dataset."""

    table: str
    why: str
    aside: bool = False  # nobody expects it to be one
    question: bool = False  # it is one, but for a choice that its owner has to make: nothing else is read in its place


def part_of(word: str) -> Part | None:
    """The part that a folder's name or a manifest's cell means, in any usual spelling: "Train", "val", "test_set"."""
    return PART_NAMES.get(_PART_ENDINGS.sub("", word.strip().casefold()))


def listed(path: str, facts: Facts, label: str, part: Part | None) -> ListedFile:
    return ListedFile(path=path, label=label, part=part, size_bytes=facts.size_bytes, mtime_ns=facts.mtime_ns)
