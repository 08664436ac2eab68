"""Labels that a table beside the images gives: a CSV, TSV, JSONL or Parquet file, or one for each part."""

from __future__ import annotations

import math
import os
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from automl.data.choose import LISTS_ENOUGH
from automl.data.columns import Columns, Unfit, choose_columns, filled, labels_of, likely_paths, unread_parts
from automl.data.files import SUFFIXES
from automl.data.labels import as_numbers, as_several
from automl.data.paths import N_SAMPLE, Found, Images, Way, inside
from automl.data.reading import Folder, NoReading, Reading, listed, part_of
from automl.data.rows import Rows
from automl.data.tables import Table, read_table
from automl.data.wording import shown, some
from automl.errors import DataError
from automl.recipe.model import Data
from automl.types import ListedFile, Part

MAX_LABEL: Final = 255  # characters; a folder's name, the other place that labels come from, has no more
PART_WORDS: Final = "train, val or test in a usual spelling, or nothing"
METADATA: Final = "metadata"
"""The stem of Hugging Face's manifests, which lie beside the images and name them by `file_name`."""

Tables = Mapping[str, Part | None]  # files that are one manifest -> the part that a file's name gives to its images


def read_manifest(folder: Folder, wish: Data) -> list[Reading | NoReading]:
    """Every table at the top of the folder that lists its images; train.csv, val.csv and test.csv are one together."""
    if folder.given:
        return list(_read(folder, wish, "manifest", {folder.given: None}))
    names = [name for name in folder.tables if "/" not in name or name == wish.manifest]
    if wish.layout != "manifest":
        names = [name for name in names if _stem(name) != METADATA]
    parts: Tables = {name: part for name in names if (part := part_of(_stem(name)))}
    together = parts if wish.manifest in ("", *parts) else {}
    alone = [name for name in names if name not in parts and wish.manifest in ("", name)]
    return [reading for tables in (together, *({name: None} for name in alone))
            for reading in _read(folder, wish, "manifest", tables)]  # fmt: skip


def folders_listed(root: Path, name: str, wish: Data) -> tuple[str, ...]:
    """The folders below the root that hold what a manifest lists, one at most for each folder of the root.

    ("",), the root itself, where images lie in it, where no path leads to a file as it is written, where a folder may
    be spelled in another Unicode form, or where one is hidden or a link; a manifest that cannot be read is told later.
    """
    try:
        table = read_table(root / name, name)
        columns = likely_paths(table, wish)
    except (Unfit, DataError):
        return ("",)
    folders: set[str] = set()
    try:
        for at in columns:
            cells = [tidy for cell in table.column(at) if (tidy := cell.replace("\\", "/").strip())]
            paths = [path for cell in cells[:N_SAMPLE] if (path := inside(cell, ""))]
            if any(path.lower().endswith(tuple(SUFFIXES)) and (root / path).is_file() for path in paths):
                above = {cell.rpartition("/")[0] for cell in cells}
                folders |= {folder for cell in above if (folder := inside(cell, ""))}
        there = {folder for folder in folders if (root / folder).is_dir()}
    except OSError:  # a name that is too long, say
        return ("",)
    if not there or "." in there or not all(map(str.isascii, folders - there)):
        return ("",)
    tops: defaultdict[str, list[str]] = defaultdict(list)
    for folder in sorted(there):
        tops[folder.split("/")[0]].append(folder)
    starts = tuple(posixpath.commonpath(inner) for inner in tops.values())
    odd = any("/." in f"/{start}" or os.path.realpath(root / start) != str(root / start) for start in starts)
    return ("",) if odd else starts


def read_metadata(folder: Folder, wish: Data) -> list[Reading | NoReading]:
    """Hugging Face's metadata.csv, .jsonl or .parquet beside the images, or one in the folder of each part."""
    if folder.given:
        return []
    names = [name for name in folder.tables if _stem(name) == METADATA and wish.manifest in ("", name)]
    below: Tables = {name: part for name in names if "/" in name and (part := part_of(name.split("/")[0]))}
    return [reading for tables in (below, *({name: None} for name in names if "/" not in name))
            for reading in _read(folder, wish, METADATA, tables)]  # fmt: skip


def _stem(name: str) -> str:
    return PurePosixPath(name).stem.casefold()


def _read(folder: Folder, wish: Data, row: str, tables: Tables) -> Iterator[Reading | NoReading]:
    """The one reading of files that belong together, and those that are none of it.

    Raises: DataError: in a file that lists the images, a word of a part or a weight makes no sense.
    """
    rows = Rows(merge=wish.merge_labels)
    told: dict[str, list[str]] = {}  # columns in words -> the files that have them
    several: list[str] = []
    conventional = True
    for name, part in sorted(tables.items()):
        try:
            table = _Manifest.of(read_table(folder.root / name, name), folder, wish, part)
        except (Unfit, DataError) as error:
            # A file about something else must not end the run; where nothing else can be read, this is the reason.
            why = str(error).removesuffix(".")
            unfit = error if isinstance(error, Unfit) else Unfit(why)
            yield NoReading(table=name, why=why, aside=unfit.aside, question=unfit.question)
            continue
        several += table.read_into(rows)
        told.setdefault(table.columns.told(table.table), []).append(name)
        conventional = conventional and table.columns.conventional and not table.elsewhere
    used = [name for names in told.values() for name in names]
    if not used:
        return
    files, by_folders = _parts_of_folders(rows.settle(iter(folder.images)))
    source = "; ".join(f"{some(names)} ({columns})" for columns, names in told.items())
    yield Reading(
        row=row,
        source=f"{source}, parts by their folders" if by_folders else source,
        files=files,
        findings=rows.findings(),
        refusal=_refusal(files, several, some(used)),
        tables=tuple(used),
        guessed=not conventional,
        rows=rows.n,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    """A table that lists images of the folder."""

    table: Table
    folder: Folder
    columns: Columns
    part: Part | None  # that the file's name gives
    found: Found
    elsewhere: str  # where the images were looked for, in words; "": where the paths say

    @classmethod
    def of(cls, table: Table, folder: Folder, wish: Data, part: Part | None) -> _Manifest:
        """Raises: Unfit: it does not list images of the folder with labels."""
        images = Images(folder.images)
        base = table.name.rpartition("/")[0]

        @cache
        def cells(at: int) -> list[str]:
            return [inside(cell, base) or "" for cell in table.column(at)]

        def ways_of(at: int) -> list[Way]:
            return images.ways(cells(at), [part] * len(table.rows))

        def first_found(at: int) -> Found:
            return next((way.all_of(cells(at), [part] * len(table.rows)) for way in ways_of(at)), ())

        def lists_most(at: int) -> bool:
            return len({path for path in first_found(at) if path}) >= LISTS_ENOUGH * len(folder.images)

        def lead_apart(at: int, other: int) -> bool:
            pairs = list(zip(first_found(at), first_found(other), strict=True))
            enough = LISTS_ENOUGH * sum(bool(path) for path, _ in pairs)
            return sum(bool(its) for _, its in pairs) >= enough and any(a and b and a != b for a, b in pairs)

        columns = choose_columns(
            table,
            wish,
            names_images=lambda at: bool(ways_of(at)),
            lists_most=lists_most,
            lead_apart=lead_apart,
            refusal=lambda at: images.refusal(table.column(at), base),
            is_part=lambda word: part_of(word) is not None,
        )
        words = [""] * len(table.rows) if columns.part is None else table.column(columns.part)
        parts = [part_of(word) or part for word in words]
        ways = images.ways(cells(columns.path), parts)
        if not ways:
            why = images.refusal(table.column(columns.path), base)
            name = shown(table.columns[columns.path])
            raise Unfit(
                f"no path in its column {name!r} is an image of the folder" + (f": it holds {why}" if why else "")
            )
        if len(ways) > 1:
            raise Unfit(_two_ways(cells(columns.path), parts, ways), question=True)
        found = ways[0].all_of(cells(columns.path), parts)
        return cls(table=table, folder=folder, columns=columns, part=part, found=found, elsewhere=ways[0].words)

    def read_into(self, rows: Rows) -> list[str]:
        """Add all rows. Returns: why rows have several labels, in words, if some do.

        Raises: DataError: a word of a part or a weight makes no sense, or the wished part has no word of one.
        """
        self._refuse_no_part()
        labels, several = labels_of(self.table, self.columns)
        rows.n += len(self.table.rows) + len(self.table.malformed)
        rows.malformed += [f"line {line} of {self.table.name}" for line in self.table.malformed]
        surely, perhaps = unread_parts(self.table, self.columns)
        rows.no_parts += surely
        rows.perhaps_parts += perhaps
        if self.columns.group is not None and self.columns.other_groups:
            left = some(self.table.columns[at] for at in self.columns.other_groups)
            rows.groups_left.append(f"{shown(self.table.columns[self.columns.group])} of {self.table.name}, not {left}")
        if self.elsewhere:
            rows.elsewhere.append(f"those of {self.table.name} {self.elsewhere}")
        base = self.table.name.rpartition("/")[0]
        for at, (cells, path, label) in enumerate(zip(self.table.rows, self.found, labels, strict=True)):
            part, weight = self._part(at), self._weight(at)  # first: nonsense is told wherever it stands
            written = cells[self.columns.path]
            if inside(written, base) is None:
                rows.refused.append(self._shown(at))
            elif path is None:
                rows.missing.append(self._shown(at))
            elif not label.strip():
                rows.empty.append(self._shown(at))
            else:
                group = "" if self.columns.group is None else cells[self.columns.group].strip()
                file = listed(path, self.folder.images[path], label, part)
                rows.add(replace(file, group=group, weight=weight))
                if part is None and self.columns.part is not None:
                    rows.no_part.append(self._shown(at))
        return [several] if several else []

    def _shown(self, at: int) -> str:
        """A row for a finding: its path, which may be long or hold control characters, and its line."""
        path = self.table.rows[at][self.columns.path]
        text = repr(path if len(path) <= 200 else f"{path[:197]}...")
        return f"{text} (line {self.table.lines[at]} of {self.table.name})"

    def _refuse_no_part(self) -> None:
        """Raises: DataError: not one word of the column is a part's; only the recipe can have named such a one."""
        if self.columns.part is None or self.part:
            return
        words = self.table.column(self.columns.part)
        if not any(map(part_of, words)):
            raise DataError(
                f"{self.table.name}: the column {shown(self.table.columns[self.columns.part])!r} (data.part) holds no "
                f"part's word, but {some(filled(words)) or 'empty cells alone'}. Wanted: {PART_WORDS}. "
                "Correct it, name another column, or do without one by --set data.part=none."
            )

    def _part(self, at: int) -> Part | None:
        word = "" if self.columns.part is None else self.table.rows[at][self.columns.part].strip()
        part = part_of(word) if word else self.part
        if word and part is None:
            raise DataError(self._nonsense(at, "part", word, PART_WORDS))
        return part

    def _weight(self, at: int) -> float:
        word = "" if self.columns.weight is None else self.table.rows[at][self.columns.weight].strip()
        try:
            weight = float(word) if word else 1.0
        except ValueError:
            weight = math.nan
        if not (math.isfinite(weight) and weight >= 0):
            raise DataError(self._nonsense(at, "weight", word, "a finite number from 0 on, or nothing, which is 1"))
        return weight

    def _nonsense(self, at: int, role: str, word: str, wanted: str) -> str:
        column = shown(self.table.columns[getattr(self.columns, role)])
        return (
            f"{self.table.name}: line {self.table.lines[at]} has {word[:60]!r} in the column {column!r}. "
            f"Wanted: {wanted}. Correct it, or do without the column by --set data.{role}=none."
        )


def _two_ways(cells: Sequence[str], parts: Sequence[Part | None], ways: Sequence[Way]) -> str:
    """What is asked where paths lead to several images alike."""
    where = [way.all_of(cells, parts) for way in ways[:2]]
    at = next(at for at, (one, other) in enumerate(zip(*where, strict=True)) if one and other and one != other)
    told = [f"{sum(map(bool, found))} {way.words}" for way, found in zip(ways, where, strict=False)]
    more = f" (and {len(ways) - 2} more)" if len(ways) > 2 else ""
    return (
        f"its paths do not say in which folder they lie, and images of these names lie in several: "
        f"{' and '.join(told)}{more}; {shown(cells[at])!r} could be {where[0][at]!r} or {where[1][at]!r}. Wanted: one. "
        "Write the folder into the paths, or move the folder that is not meant away"
    )


def _parts_of_folders(files: tuple[ListedFile, ...]) -> tuple[tuple[ListedFile, ...], bool]:
    """Where no row gives a part and all images lie in folders of parts, train among them: those are the parts."""
    tops = {file.path.split("/")[0] if "/" in file.path else "" for file in files}
    parts = {part_of(top) for top in tops}
    if any(file.part for file in files) or None in parts or len(parts) < 2 or "train" not in parts:
        return files, False
    return tuple(replace(file, part=part_of(file.path.split("/")[0])) for file in files), True


def _refusal(files: Sequence[ListedFile], several: Sequence[str], source: str) -> str:
    """Why nothing can be trained on the rows, in words; "" where it can."""
    counts = Counter(file.label for file in files)
    parts = sorted({file.part or "" for file in files})
    longest = max(map(len, counts), default=0)
    if numbers := as_numbers(counts):
        return f"task not supported yet: regression ({source} has {numbers} as labels)"
    if why := "; ".join(several) or as_several(counts):
        return f"task not supported yet: multi-label classification ({source} has {why})"
    if longest > MAX_LABEL:
        return f"task not supported yet: captions ({source} has labels of up to {longest:,} characters)"
    if parts and set(parts) <= {"validation", "test"}:
        return (
            f"{source} puts every image into {' or '.join(parts)}: nothing could be learned from. Wanted: rows of "
            "train, or without a part. Correct it, or do without the column by --set data.part=none"
        )
    return ""
