"""Every kind of finding: which stage tells it, how grave it is by itself, and whether a run may go on with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from automl.types import SEVERITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingKind:
    """One kind, as `check.stop_on` and `check.allow` name it."""

    name: str
    stage: Literal["check", "split", "pick"]
    severity: str  # by itself: "stop", "warn", "note", or in words when it is which
    of_run: bool = False  # it speaks of a run's own disk and time, not of the data: a check without a run tells it not
    final: bool = False  # nothing could be trained with it: check.allow does not hold for it


TOO_FEW: Final = "too few images"
EMPTY_CLASSES: Final = "classes without images"
UNFILLED: Final = "folders without images"
NOT_SPLIT: Final = "cannot be split"
NO_WEIGHT: Final = "classes without weight"

_CLASS: Final = "note; warn where all are of one class"
_REJECTED: Final = "warn; stop above check.max_rejected"

KINDS: Final = (
    FindingKind(name=EMPTY_CLASSES, stage="check", severity="stop", final=True),
    FindingKind(name=TOO_FEW, stage="check", severity="stop"),
    FindingKind(
        name=UNFILLED, stage="check", severity="warn; stop where they hold pictures of formats that are not read"
    ),
    FindingKind(name="rejected files", stage="check", severity=_REJECTED),
    FindingKind(name="missing files", stage="check", severity=_REJECTED),
    FindingKind(name="conflicting labels", stage="check", severity="warn"),
    FindingKind(name="labels that differ by spelling", stage="check", severity="warn"),
    FindingKind(name="merged labels", stage="check", severity="note"),
    FindingKind(name="imbalanced classes", stage="check", severity="note; warn from 10 : 1"),
    FindingKind(name="rare classes", stage="check", severity="note"),
    FindingKind(name="paths with two labels", stage="check", severity="warn"),
    FindingKind(name="paths in two parts", stage="check", severity="warn"),
    FindingKind(name="part columns not read", stage="check", severity="warn"),
    FindingKind(name="columns that may be parts", stage="check", severity="note"),
    FindingKind(name="several group columns", stage="check", severity="note"),
    FindingKind(name="rows without a part", stage="check", severity="note"),
    FindingKind(name="refused paths", stage="check", severity="warn"),
    FindingKind(name="empty labels", stage="check", severity="warn"),
    FindingKind(name="malformed rows", stage="check", severity="warn"),
    FindingKind(name="paths listed twice", stage="check", severity="note"),
    FindingKind(name="paths looked for elsewhere", stage="check", severity="note"),
    FindingKind(name="unlisted images", stage="check", severity="note"),
    FindingKind(name="two folder levels", stage="check", severity="warn"),
    FindingKind(name="nested folders", stage="check", severity="note"),
    FindingKind(name="readings that cannot be used", stage="check", severity="warn"),
    FindingKind(name="readings that agree", stage="check", severity="note"),
    FindingKind(name="tables that cannot be used", stage="check", severity="warn"),
    FindingKind(name="other tables", stage="check", severity="note"),
    FindingKind(name="ignored files", stage="check", severity="note; warn where they may surprise"),
    FindingKind(name="exact duplicates", stage="check", severity="note"),
    FindingKind(name="16 bits of narrow range", stage="check", severity="warn"),
    FindingKind(name="constant images", stage="check", severity="warn"),
    FindingKind(name="dark images", stage="check", severity=_CLASS),
    FindingKind(name="bright images", stage="check", severity=_CLASS),
    FindingKind(name="low information", stage="check", severity=_CLASS),
    FindingKind(name="blurry images", stage="check", severity=_CLASS),
    FindingKind(name="brightness outliers", stage="check", severity=_CLASS),
    FindingKind(name="odd aspect", stage="check", severity=_CLASS),
    FindingKind(name="size outliers", stage="check", severity=_CLASS),
    FindingKind(name="misleading suffix", stage="check", severity="note"),
    FindingKind(name="animated images", stage="check", severity="note"),
    FindingKind(name="EXIF orientation", stage="check", severity="note"),
    FindingKind(name="transparency", stage="check", severity="note"),
    FindingKind(name="converted modes", stage="check", severity="note"),
    FindingKind(name="mixed sizes", stage="check", severity="note"),
    FindingKind(name="pixels not packed", stage="check", severity="warn", of_run=True),
    FindingKind(name="images taken over", stage="check", severity="note", of_run=True),
    FindingKind(name=NOT_SPLIT, stage="split", severity="stop", final=True),
    FindingKind(name=NO_WEIGHT, stage="split", severity="stop", final=True),
    FindingKind(name="same images in train and validation", stage="split", severity="warn"),
    FindingKind(name="same images in train and test", stage="split", severity="warn"),
    FindingKind(name="same images in validation and test", stage="split", severity="warn"),
    FindingKind(name="near copies in train and validation", stage="split", severity="warn"),
    FindingKind(name="near copies in train and test", stage="split", severity="warn"),
    FindingKind(name="near copies in validation and test", stage="split", severity="warn"),
    FindingKind(name="groups in two parts", stage="split", severity="warn"),
    FindingKind(name="conflicting labels of near copies", stage="split", severity="warn"),
    FindingKind(name="classes missing in validation", stage="split", severity="warn"),
    FindingKind(name="classes missing in test", stage="split", severity="warn"),
    FindingKind(name="near duplicates", stage="split", severity="note"),
    FindingKind(name="mirrored copies", stage="split", severity="note"),
    FindingKind(name="tiny classes", stage="split", severity="note"),
    FindingKind(name="near copies left out", stage="split", severity="note"),
    FindingKind(name="weight 0 in validation or test", stage="split", severity="warn"),
    FindingKind(name="weights on few images", stage="split", severity="warn"),
    FindingKind(name="weights", stage="split", severity="note"),
    FindingKind(name="shortcuts", stage="pick", severity="warn"),
    FindingKind(name="likely label errors", stage="pick", severity="note; warn where there are many"),
    FindingKind(name="near duplicates by features", stage="pick", severity="note"),
    FindingKind(name="outliers", stage="pick", severity="note"),
    FindingKind(name="label errors not looked for", stage="pick", severity="note"),
    FindingKind(name="outliers and near duplicates not looked for", stage="pick", severity="note"),
)

KIND_NAMES: Final = tuple(kind.name for kind in KINDS)
FINAL: Final = frozenset(kind.name for kind in KINDS if kind.final)
OF_RUN: Final = frozenset(kind.name for kind in KINDS if kind.of_run)
STOP_WORDS: Final = (*SEVERITIES, *KIND_NAMES)
"""What check.stop_on may list: severities, each with all graver ones, and kinds."""
