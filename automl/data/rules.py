"""Which pictures are odd, and what is said of it: an ordered table. The tests and their thresholds are in marks.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from automl.data.marks import (
    Mark,
    Marks,
    Pictures,
    blurry,
    bright,
    brightness_outlier,
    constant,
    converted,
    dark,
    listed,
    low_information,
    misnamed,
    narrow_16,
    odd_aspect,
    size_outlier,
)
from automl.types import N_EXAMPLES, Finding, Image, Severity

KINDS_TOLD: Final = 6  # values that a text names at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way to be odd."""

    kind: str
    of: Literal["file", "look", "shape"]  # of looks, and of shapes, the first rule that marks a picture names it
    severity: Severity
    test: Callable[[Pictures], Marks]
    text: str  # with {n}, and {kinds}: the values and how often each is there
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One line of flags.csv: a picture, and a rule that marked it."""

    path: str
    label: str
    rule: str
    value: str


def apply_rules(pictures: Pictures) -> dict[str, dict[int, Mark]]:
    """What each rule of RULES marked, by its kind, in the table's order."""
    named: dict[str, set[int]] = {"look": set(), "shape": set()}
    found = {}
    for rule in RULES:
        taken = named.get(rule.of, set())
        marks = {at: mark for at, mark in rule.test(pictures).items() if at not in taken} if pictures.images else {}
        taken.update(marks)
        found[rule.kind] = marks
    return found


def findings_of(pictures: Pictures, found: Mapping[str, Marks]) -> tuple[Finding, ...]:
    """A finding for each rule that marked something; paths worst first, then by name."""
    return tuple(_finding(rule, pictures, found[rule.kind]) for rule in RULES if found[rule.kind])


def flags_of(pictures: Pictures, found: Mapping[str, Marks]) -> tuple[Flag, ...]:
    """One line for each picture and rule that marked it, by path, then in the order of the rules."""
    flags = [
        Flag(path=pictures.images[at].path, label=pictures.images[at].label, rule=kind, value=mark.value)
        for kind, marks in found.items()
        for at, mark in marks.items()
    ]
    return tuple(sorted(flags, key=lambda flag: flag.path))


def _finding(rule: Rule, pictures: Pictures, marks: Marks) -> Finding:
    kinds = Counter(mark.value for mark in marks.values())
    most = sorted(kinds.items(), key=lambda row: (-row[1], row[0]))
    told = ", ".join(f"{count} x {value}" for value, count in most[:KINDS_TOLD])
    told += ", ..." if len(most) > KINDS_TOLD else ""
    text = rule.text.format(n=len(marks), kinds=told)
    label = "" if rule.of == "file" else only_class(pictures.images, marks)
    order = sorted(marks, key=lambda at: (-marks[at].worse, pictures.images[at].path))
    return Finding(
        kind=rule.kind,
        severity="warn" if label else rule.severity,
        text=f"{text[:-1]}; all of them are in class {label!r}, which they give away." if label else text,
        count=len(marks),
        advice=rule.advice,
        paths=tuple(pictures.images[at].path for at in order[:N_EXAMPLES]),
    )


def only_class(images: Sequence[Image], places: Sequence[int] | Marks) -> str:
    """The class that these pictures are all of, where that is hardly chance (1 in 20); "" else."""
    labels = {images[at].label for at in places}
    if len(labels) != 1:
        return ""
    (label,) = labels
    share = sum(image.label == label for image in images) / len(images)
    return label if share ** (len(places) - 1) <= 0.05 else ""


RULES: Final = (
    Rule(
        kind="16 bits of narrow range",
        of="look",
        severity="warn",
        test=narrow_16,
        text="{n} image(s) have 16 bits a pixel and use a small part of their range; the upper 8 bits alone are kept, "
        "so little or nothing of them is seen.",
        advice="Rescale them to 8 bits before, all by the same factor, so that their range fills 0 to 255.",
    ),
    Rule(
        kind="constant images",
        of="look",
        severity="warn",
        test=constant,
        text="{n} image(s) are one even colour.",
        advice="Remove them: there is nothing to learn from but their label.",
    ),
    Rule(
        kind="dark images",
        of="look",
        severity="note",
        test=dark,
        text="{n} image(s) are nearly black: 99 of 100 pixels in the darkest quarter of the range.",
        advice="Look at them; take them anew with more light, or remove them.",
    ),
    Rule(
        kind="bright images",
        of="look",
        severity="note",
        test=bright,
        text="{n} image(s) are nearly white: 95 of 100 pixels in the brightest eighth of the range.",
        advice="Look at them; take them anew with less light, or remove them.",
    ),
    Rule(
        kind="low information",
        of="look",
        severity="note",
        test=low_information,
        text="{n} image(s) show next to nothing: hardly any contrast, or nearly all pixels of one grey.",
        advice="Look at them; remove those that show nothing of their class.",
    ),
    Rule(
        kind="blurry images",
        of="look",
        severity="note",
        test=blurry,
        text="{n} image(s) are blurred, compared with the rest of the set.",
        advice="Look at them, the worst first; remove those in which you cannot tell the class yourself.",
    ),
    Rule(
        kind="brightness outliers",
        of="look",
        severity="note",
        test=brightness_outlier,
        text="{n} image(s) are far darker or brighter than the set usually is.",
        advice="Look at them: another camera, or a picture of something else.",
    ),
    Rule(
        kind="odd aspect",
        of="shape",
        severity="note",
        test=odd_aspect,
        text="{n} image(s) are strips, far longer than the set's usual shape; squashed to a square they are distorted.",
        advice="Crop them to what they are to show.",
    ),
    Rule(
        kind="size outliers",
        of="shape",
        severity="note",
        test=size_outlier,
        text="{n} image(s) are of quite another size than the set usually is: {kinds}.",
        advice="See where they come from; a different source often looks different too. Resize or remove them.",
    ),
    Rule(
        kind="misleading suffix",
        of="file",
        severity="note",
        test=misnamed,
        text="{n} file(s) are of another format than their suffix says ({kinds}); they were read by their content.",
        advice="Rename them: other programs go by the suffix.",
    ),
    Rule(
        kind="animated images",
        of="file",
        severity="note",
        test=listed(lambda pictures: pictures.animated, "several frames"),
        text="{n} file(s) hold several frames or pages; the first one is used.",
        advice="See that the first one shows the class; save the right one as a file of its own where it does not.",
    ),
    Rule(
        kind="EXIF orientation",
        of="file",
        severity="note",
        test=listed(lambda pictures: pictures.turned, "turned"),
        text="{n} image(s) are stored turned or mirrored by EXIF orientation; they were turned upright.",
    ),
    Rule(
        kind="transparency",
        of="file",
        severity="note",
        test=listed(lambda pictures: pictures.transparent, "transparent"),
        text="{n} image(s) have transparency; it was laid on white.",
    ),
    Rule(
        kind="converted modes",
        of="file",
        severity="note",
        test=converted,
        text="{n} image(s) were converted to RGB: {kinds}.",
    ),
)
