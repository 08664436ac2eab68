"""What the rows of a manifest come to, and what its owner should know of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from automl.data.labels import label_key
from automl.types import N_EXAMPLES, PARTS, Finding, ListedFile

MISSING: Final = "missing files"


@dataclass(slots=True, kw_only=True)
class Rows:
    """The images that the rows list, and the rows that list none; examples say file, table and line, or the column."""

    merge: bool  # labels that differ by spelling alone are one
    n: int = 0
    files: dict[str, ListedFile] = field(default_factory=dict)
    two_labels: list[str] = field(default_factory=list)
    two_parts: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    no_parts: list[str] = field(default_factory=list)
    perhaps_parts: list[str] = field(default_factory=list)
    groups_left: list[str] = field(default_factory=list)
    no_part: list[str] = field(default_factory=list)

    def add(self, file: ListedFile) -> None:
        """Take a row; of those of one path the first counts, unless they differ: see SAID."""
        before = self.files.setdefault(file.path, file)
        if before is file:
            return
        same = label_key(before.label) == label_key(file.label) if self.merge else before.label == file.label
        if not same:
            self.two_labels.append(file.path)
        elif before.part != file.part:
            self.two_parts.append(file.path)
            self.files[file.path] = max(before, file, key=lambda row: PARTS.index(row.part) if row.part else -1)
        else:
            self.again.append(file.path)

    def settle(self, images: Iterator[str]) -> tuple[ListedFile, ...]:
        """The images that count, in the order of their paths, once all rows are in. Args: images: all of the folder."""
        self.unlisted = sorted(path for path in images if path not in self.files)
        self.two_labels = sorted(set(self.two_labels))
        for path in self.two_labels:
            del self.files[path]
        return tuple(self.files[path] for path in sorted(self.files))

    def findings(self) -> tuple[Finding, ...]:
        """The rows of SAID that hold."""
        return tuple(
            Finding(
                kind=said.kind,
                severity=said.severity,
                text=said.text.format(n=len(found), first=found[0]),
                count=len(found),
                advice=said.advice,
                paths=tuple(found[:N_EXAMPLES]),
            )
            for said in SAID
            if (found := getattr(self, said.of))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing that is said of rows, where there are such."""

    kind: str
    severity: Literal["warn", "note"]
    of: str  # the list of Rows
    text: str  # {n}: how many, {first}: an example
    advice: str


PARTS_WANTED: Final = (
    "If it gives the parts, write train, val or test in a usual spelling (training, dev, testing), or nothing; if not, "
    "rename it, or say so by --set data.part=none."
)
SAID: Final = (
    Said(
        kind="paths with two labels",
        severity="warn",
        of="two_labels",
        text="{n} image(s) are listed more than once with different labels, {first!r} for one; all their rows are left "
        "out.",
        advice="Keep the row that is right.",
    ),
    Said(
        kind="paths in two parts",
        severity="warn",
        of="two_parts",
        text="{n} row(s) list an image in another part than before, {first!r} for one; each image is in the later part "
        "alone: test before validation before train.",
        advice="Keep each image in one part.",
    ),
    Said(
        kind="part columns not read",
        severity="warn",
        of="no_parts",
        text="{n} column(s) are named as parts are and hold no part's word, {first} for one; they are not read, and "
        "the parts are as without them: those of folders or tables' names, else cut here.",
        advice=PARTS_WANTED,
    ),
    Said(
        kind=MISSING,
        severity="warn",
        of="missing",
        text="{n} row(s) name no image of the folder (the file is missing, or its suffix is no image's), {first} for "
        "one; they are left out.",
        advice="Add the files, or take the rows out.",
    ),
    Said(
        kind="refused paths",
        severity="warn",
        of="refused",
        text="{n} row(s) name a path that is absolute or leaves the dataset's folder, {first} for one; they are left "
        "out.",
        advice="Write paths relative to the manifest, of files in its folder.",
    ),
    Said(
        kind="empty labels",
        severity="warn",
        of="empty",
        text="{n} row(s) have no label, {first} for one; they are left out.",
        advice="Give each its label, or take the rows out.",
    ),
    Said(
        kind="malformed rows",
        severity="warn",
        of="malformed",
        text="{n} row(s) have more or fewer cells than columns, are no JSON object, or hold text that is none, {first} "
        "for one; they are left out.",
        advice="Put quotes around cells that hold the delimiter, and one object on a line of JSON.",
    ),
    Said(
        kind="rows without a part",
        severity="note",
        of="no_part",
        text="{n} row(s) have an empty cell in the column of the parts, {first} for one; they count as train, from "
        "which parts that are not given are cut.",
        advice="Write train, val or test into it.",
    ),
    Said(
        kind="paths listed twice",
        severity="note",
        of="again",
        text="{n} row(s) list an image once more with the same label, {first!r} for one; each image counts once.",
        advice="Take the second rows out.",
    ),
    Said(
        kind="paths looked for elsewhere",
        severity="note",
        of="elsewhere",
        text="no path lies where the manifest says, relative to it; the images were found elsewhere: {first}.",
        advice="Write the paths so that they lead there.",
    ),
    Said(
        kind="columns that may be parts",
        severity="note",
        of="perhaps_parts",
        text="{n} column(s) may be named for parts and hold no part's word, {first} for one; they are not read.",
        advice=PARTS_WANTED,
    ),
    Said(
        kind="several group columns",
        severity="note",
        of="groups_left",
        text="{n} table(s) have several columns named as groups are, which sort the rows otherwise; taken is {first}.",
        advice="Choose another with --set data.group=NAME, or none with data.group=none.",
    ),
    Said(
        kind="unlisted images",
        severity="note",
        of="unlisted",
        text="{n} image(s) of the folder are in no row, {first!r} for one; they are not used.",
        advice="Add rows for them, if they belong to the dataset.",
    ),
)
