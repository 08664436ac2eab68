"""Of the ways in which a dataset can be read, the one that holds; two that fit equally are a question. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from automl.data.labels import label_key
from automl.data.reading import Folder, NoReading, Reading, part_of
from automl.data.wording import some
from automl.errors import DataError
from automl.recipe.model import Data
from automl.types import N_EXAMPLES, Finding, Severity

STORAGE: Final = re.compile(
    r"(images?|imgs?|data|photos?|pictures?|pics?|files?|frames?|jpe?gs?|pngs?|batch|part|chunk|shard|folder)?[\W_]*\d*"
)
"""Names of folders that hold images of any class, once a manifest says which; case-folded."""
LISTS_ENOUGH: Final = 0.5  # of the images of the folders; a manifest of fewer speaks of something else


def the_reading(
    dataset: str, folder: Folder, found: Mapping[str, Sequence[Reading | NoReading]], data: Data, wanted: str
) -> tuple[Reading, tuple[Finding, ...]]:
    """The one reading of a dataset, and what is said of the others.

    A reading that nothing can be trained on steps aside for one that can, folders for a manifest that says the same,
    and a manifest with guessed columns for one without.

    Args: found: by the row's name; wanted: a sentence on what a dataset looks like.
    Raises:
        DataError: there is none, or nothing can be trained on it, or two do not agree, or a manifest needs a choice.
    """
    every = [reading for readings in found.values() for reading in readings]
    unread = [reading for reading in every if isinstance(reading, NoReading)]
    tables = [reading for reading in every if isinstance(reading, Reading) and reading.tables]
    # Parts lie deeper than classes: where they fit, the rows for classes only misread them.
    by_row = {reading.row: reading for reading in every if isinstance(reading, Reading) and not reading.tables}
    folders = by_row.get("parts") or next(iter(by_row.values()), None)
    if folders and (tables or unread) and not _has_classes(folders, with_manifest=bool(tables)):
        folders = None
    for table in unread:
        if table.question and not any(not reading.refusal for reading in tables):
            raise DataError(_undecided(dataset, table, folders))
    candidates = [*tables, *([folders] if folders else [])]
    if not candidates:
        raise DataError(_nothing(dataset, folder, unread, data, wanted))
    trainable = [reading for reading in candidates if not reading.refusal]
    if not trainable:
        raise DataError(" ".join([f"{dataset}: {candidates[0].refusal}.", *map(_why, unread)]))
    usable = [reading for reading in trainable if _classes(reading) > 1] or trainable
    aside = [reading for reading in candidates if reading not in usable]
    best = min(
        usable,
        key=lambda r: (not r.tables, not any(file.part for file in r.files), r.guessed, r.tables),
    )
    agreeing = [reading for reading in usable if reading is not best]
    for other in agreeing:
        if why := _disagree(best, other):
            raise DataError(_question(dataset, best, other, why))
    return best, tuple(_notes(best, agreeing, aside, unread))


def _has_classes(reading: Reading, *, with_manifest: bool) -> bool:
    """Whether folders could mean classes, and do not only store the images that a manifest lists."""
    labels = {file.label for file in reading.files}
    if with_manifest and all(STORAGE.fullmatch(label.casefold()) or part_of(label) for label in labels):
        return False
    return len(labels) > 1


def _classes(reading: Reading) -> int:
    return len({file.label for file in reading.files})


def _disagree(best: Reading, other: Reading) -> str:
    """How two readings differ, in words; "" where they say the same, be it in other words for the same classes."""
    ours, theirs = ({file.path: file for file in reading.files} for reading in (best, other))
    shared = ours.keys() & theirs.keys()
    if other.tables and ours.keys() != theirs.keys():
        return f"they list other images: {len(ours)} and {len(theirs)}, {len(shared)} of them the same"
    if len(shared) < LISTS_ENOUGH * len(theirs):
        return f"the manifest lists {len(shared)} of the {len(theirs)} images that the folders label"
    differing = sorted(path for path in shared if label_key(ours[path].label) != label_key(theirs[path].label))
    pairs = {(ours[path].label, theirs[path].label) for path in shared}
    renamed = len(pairs) == len({mine for mine, _ in pairs}) == len({its for _, its in pairs})
    if differing and not renamed:
        first = differing[0]
        return f"{first!r} is {ours[first].label!r} by one and {theirs[first].label!r} by the other"
    parted = sorted(path for path in shared if theirs[path].part and ours[path].part != theirs[path].part)
    if parted:
        first = parted[0]
        return f"{first!r} is in {ours[first].part or 'no part'} by one and in {theirs[first].part} by the other"
    return ""


def _question(dataset: str, best: Reading, other: Reading, why: str) -> str:
    return (
        f"{dataset} can be read in two ways that do not agree: by {_named(best)}, and by {_named(other)}; {why}. "
        f"Wanted: one. Choose it with --set {_chosen_by(best)} or --set {_chosen_by(other)}."
    )


def _undecided(dataset: str, table: NoReading, folders: Reading | None) -> str:
    or_folders = f", or go by the folders alone: --set {_chosen_by(folders)}" if folders and not folders.refusal else ""
    return f"{dataset}: {table.table} lists images, but {table.why}{or_folders}."


def _named(reading: Reading) -> str:
    what = "the manifest" if reading.tables else "the folders"
    return f"{what} {reading.source} ({_classes(reading)} classes, {len(reading.files)} images)"


def _chosen_by(reading: Reading) -> str:
    return f"data.manifest={reading.tables[0]}" if reading.tables else f"data.layout={reading.row}"


def _notes(
    best: Reading, agreeing: Iterable[Reading], aside: Iterable[Reading], unread: Sequence[NoReading]
) -> Iterable[Finding]:
    same = [_agrees(best, reading) for reading in agreeing]
    unusable = [f"{_named(reading)} is not used: {reading.refusal or 'it has no two classes'}." for reading in aside]
    broken = [table for table in unread if not table.aside]
    others = [table for table in unread if table.aside]
    yield from _one("readings that agree", "note", same)
    yield from _one("readings that cannot be used", "warn", unusable)
    yield from _one("tables that cannot be used", "warn", map(_why, broken), [table.table for table in broken])
    yield from _one("other tables", "note", map(_why, others), [table.table for table in others])


def _why(table: NoReading) -> str:
    return f"{table.table} is not read as a manifest: {table.why}."


def _agrees(best: Reading, other: Reading) -> str:
    ours, theirs = ({file.path for file in reading.files} for reading in (best, other))
    if ours == theirs:
        return f"{_named(other)} says the same, and is not used."
    apart = [
        f"{len(paths)} image(s) only {where}"
        for paths, where in ((theirs - ours, "there"), (ours - theirs, f"by {_named(best)}"))
        if paths
    ]
    return f"{_named(other)} says the same of {len(ours & theirs)} images, has {' and '.join(apart)}, and is not used."


def _one(kind: str, severity: Severity, sentences: Iterable[str], paths: Sequence[str] = ()) -> Iterable[Finding]:
    if told := list(sentences):
        yield Finding(
            kind=kind, severity=severity, text=" ".join(told), count=len(told), paths=tuple(paths[:N_EXAMPLES])
        )


def _nothing(dataset: str, folder: Folder, unread: Sequence[NoReading], data: Data, wanted: str) -> str:
    asked = [f"data.{key} = {value}" for key, value in data.model_dump(exclude_defaults=True).items()]
    with_these = f" by {', '.join(asked)}" if asked else ""
    tables = "".join(f" {table.table} is no manifest of them: {table.why}." for table in unread)
    if data.manifest and data.manifest not in folder.tables:
        tables = f" There is no table {data.manifest!r} in the folder (there: {some(folder.tables) or 'none'})."
    what_to_do = "; or take these settings out" if asked else ""
    return (
        f"{dataset} holds {len(folder.images)} image(s), but no folders of classes{with_these}.{tables} {wanted} "
        f"Sort the images into one folder a class, or list them in a manifest{what_to_do}."
    )
