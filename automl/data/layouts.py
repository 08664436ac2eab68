"""How image datasets lie on disk: one row a layout. Light: the command lists a dataset before anything heavy starts."""

from __future__ import annotations

import hashlib
import json
import stat
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from automl.data.choose import the_reading
from automl.data.columns import NO_COLUMN
from automl.data.files import SUFFIXES, images_below, tables_in
from automl.data.folders import read_flat, read_nested, read_parts
from automl.data.labels import spelling_finding, spellings
from automl.data.manifest import folders_listed, read_manifest, read_metadata
from automl.data.members import TARS, ZIPS
from automl.data.passed import OUTSIDE, PassedOver, told, why_no_image, why_skipped
from automl.data.reading import Facts, Folder, NoReading, Reading
from automl.data.rows import MISSING
from automl.data.tables import SUFFIXES as TABLES
from automl.data.unfilled import find_unfilled
from automl.data.wording import first_of
from automl.errors import DataError, RecipeError
from automl.recipe.model import Data
from automl.types import Finding, ListedFile, Listing, gravest_first

AUTO: Final = Data()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One way to lay a dataset out."""

    name: str  # what data.layout calls it
    title: str
    read: Callable[[Folder, Data], Sequence[Reading | NoReading]]  # none: the dataset does not lie so
    looks_like: str  # for messages


LAYOUTS: Final = (
    Layout(
        name="flat",
        title="folder per class",
        read=read_flat,
        looks_like="CLASS/ for each class, its images inside",
    ),
    Layout(
        name="nested",
        title="nested folders below a class",
        read=read_nested,
        looks_like="CLASS/more/ for each class, its images in folders inside",
    ),
    Layout(
        name="parts",
        title="train/val/test folders of classes",
        read=read_parts,
        looks_like="train/CLASS/ and, if you like, val/CLASS/ and test/CLASS/",
    ),
    Layout(
        name="manifest",
        title="manifest",
        read=read_manifest,
        looks_like="labels.csv (.tsv, .jsonl, .parquet) with a path and a label for each image",
    ),
    Layout(
        name="metadata",
        title="Hugging Face metadata",
        read=read_metadata,
        looks_like="metadata.csv with file_name and label beside the images, or in each of train/, val/, test/",
    ),
)


def list_dataset(
    dataset: Path,
    drop_classes: Sequence[str] = (),
    *,
    own: Sequence[Path] = (),
    least: int = 1,
    data: Data = AUTO,
    max_missing: float = 1.0,
    passed_over: PassedOver | None = None,
) -> Listing:
    """Find the layout, the classes and the candidate images of a folder; no image is opened, files without suffix
    for their first bytes alone.

    Args:
        dataset: a folder, or a manifest, of whose folder only what it lists is looked into.
        own: the folders of runs and bundles; where they lie inside the dataset they are no classes, nor are runs
            and bundles elsewhere in it.
        least: how many images a class needs; what the names alone tell is told before anything is opened.
        data: the recipe's wishes; what they leave open is found out.
        max_missing: share of a manifest's rows without an image from which on that is a reason to stop.
        passed_over: what an archive held besides; more is added to it.
    Returns: its layout is the row's title and what it was read from: "folder per class: cat/, dog/".
    Raises:
        DataError: there is no such folder, or not at least two classes of images in it, or a class is too small, or
            nothing of ours can train on it, or it can be read in two ways.
        RecipeError: drop_classes names a class that is not there.
    """
    given = _refuse_no_dataset(dataset)
    passed_over = passed_over or PassedOver()
    root = dataset.resolve().parent if given else dataset.resolve()
    starts = folders_listed(root, given, data) if given else ("",)
    images = {
        path: Facts(size_bytes=facts.st_size, mtime_ns=facts.st_mtime_ns)
        for path, facts in images_below(root, {path.resolve() for path in own}, passed_over, starts)
    }
    if not images:
        raise DataError(
            f"{root if given else dataset} holds no image{_passed_over(passed_over.counts)}. {_wanted()} "
            f"Images are files with one of the suffixes {', '.join(sorted(SUFFIXES))}. Check the path."
        )
    folder = Folder(
        root=root,
        images=dict(sorted(images.items())),
        passed_over=passed_over.counts,
        tables=tables_in(root, TABLES),
        given=given,
    )
    readings = {row.name: row.read(folder, data) for row in LAYOUTS if _is_asked(row.name, data, given)}
    reading, notes = the_reading(str(dataset), folder, readings, data, _wanted())
    files, spelled = merge_spellings(reading.files, merge=data.merge_labels)
    unfilled = find_unfilled(reading.row, data.level, passed_over.folders, images)
    for table in reading.tables if "" in starts else ():
        passed_over.take_out(table, why_skipped(table) or why_no_image(table, frozenset()))
    outside = images.keys() - {file.path for file in reading.files} if reading.outside else set()
    for path in sorted(outside):
        passed_over.add(path, OUTSIDE)
    ignored = +passed_over.counts
    classes = _kept_classes(dataset, {file.label for file in files}, drop_classes, _passed_over(ignored))
    dropped = set(drop_classes)
    kept = tuple(file for file in files if file.label not in dropped)
    _refuse_small(Counter(file.label for file in kept), least)
    title = next(row.title for row in LAYOUTS if row.name == reading.row)
    found = [
        replace(finding, severity="stop")
        if finding.kind == MISSING and finding.count > max_missing * reading.rows
        else finding
        for finding in reading.findings
    ]
    return Listing(
        layout=f"{title}: {reading.source}",
        root=str(root),
        classes=classes,
        files=kept,
        ignored=dict(sorted(ignored.items())),
        ignored_paths=passed_over.examples(),
        outside=tuple(sorted({path.split("/")[0] if "/" in path else "" for path in outside})),
        findings=gravest_first((*found, *([unfilled] if unfilled else []), *spelled, *notes)),
    )


def _is_asked(row: str, data: Data, given: str) -> bool:
    """Whether a row may read the dataset at all: by the wishes, which name it or speak of what it alone has."""
    of_tables = row in ("manifest", "metadata")
    if given:
        return row == "manifest"
    if data.layout != "auto":
        return data.layout == row
    columns = {data.path, data.label, data.part, data.group, data.weight} - {"", NO_COLUMN}
    return of_tables if data.manifest or columns else not of_tables or data.level == 1


def listing_fingerprint(listing: Listing) -> str:
    """sha256 over all that is known of the listed files, wherever they lie: changes when the dataset is touched."""
    digest = hashlib.sha256(json.dumps([listing.layout, listing.classes]).encode())
    for file in listing.files:
        row = [file.path, file.label, file.part, file.size_bytes, file.mtime_ns, file.group, file.weight]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def merge_spellings(files: Sequence[ListedFile], *, merge: bool) -> tuple[tuple[ListedFile, ...], tuple[Finding, ...]]:
    """The files, their labels merged where that is wished, and what is said of spellings."""
    counts = Counter(file.label for file in files)
    targets: Mapping[str, str] = spellings(counts)
    if not targets:
        return tuple(files), ()
    examples = {file.label: file.path for file in reversed(files)}
    finding = spelling_finding(counts, examples, merged=merge)
    merged = (replace(file, label=targets[file.label]) if merge and file.label in targets else file for file in files)
    return tuple(merged), (finding,) if finding else ()


def _kept_classes(dataset: Path, found: set[str], drop_classes: Sequence[str], passed_over: str) -> tuple[str, ...]:
    """The classes in order. Raises: RecipeError: an unknown name is to be dropped; DataError: fewer than two stay."""
    for name in drop_classes:
        if name not in found:
            nearest = get_close_matches(name, sorted(found), n=1, cutoff=0.0)[0]
            raise RecipeError(
                f"check.drop_classes names {name!r}, and {dataset} has no such class; "
                f"the nearest of its {len(found)} is {nearest!r}. Correct the name, or take it out."
            )
    kept = tuple(sorted(found - set(drop_classes)))
    if len(kept) < 2:
        left = f"one class with images, {kept[0]!r}" if kept else "no class"
        after = f" after check.drop_classes took out {', '.join(drop_classes)}" if drop_classes else ""
        raise DataError(
            f"{dataset} has {left}{after}{passed_over}. Wanted: at least two classes. {_wanted()} "
            f"If the classes lie further down, give that folder's path{_deeper(dataset, kept)}."
        )
    return kept


def _refuse_small(files: Counter[str], least: int) -> None:
    small = sorted(label for label, count in files.items() if count < least)
    if small:
        counts = first_of([f"{label!r} with {files[label]}" for label in small])
        raise DataError(
            f"{len(small)} of {len(files)} classes have too few images: {counts}. "
            f"Wanted: at least {least} a class. Add images, or list the class under check.drop_classes."
        )


def _deeper(dataset: Path, kept: Sequence[str]) -> str:
    """A folder to try instead: the only one, where it holds several folders itself."""
    if len(kept) != 1:
        return ""
    only = dataset / kept[0]
    below = [entry for entry in only.iterdir() if entry.is_dir()] if only.is_dir() else []
    return f", for example {only}" if len(below) > 1 else ""


def _refuse_no_dataset(dataset: Path) -> str:
    """The manifest's file name, where it is given itself; "" for a folder.

    Raises: DataError: nothing is there, or the path itself is refused: too long, a loop of links, a NUL byte.
    """
    shown = dataset if str(dataset).isprintable() else repr(str(dataset))
    wanted = f"Wanted: the dataset's folder. {_wanted()}"
    try:
        mode = dataset.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"there is no folder {shown}. {wanted} Check the path.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(
            f"{shown} cannot be looked at: {why}. {wanted} Correct the path, or the rights on it."
        ) from error
    if stat.S_ISREG(mode) and dataset.suffix.lower() in TABLES:
        return dataset.resolve().name
    if not stat.S_ISDIR(mode):
        raise DataError(
            f"{shown} is {_what(mode)}. Wanted: the dataset's folder, its archive ({', '.join((*ZIPS, *TARS))}) or its "
            f"manifest ({', '.join(sorted(TABLES))}). {_wanted()} Unpack an archive of another kind first."
        )
    return ""


def _what(mode: int) -> str:
    return "a file" if stat.S_ISREG(mode) else "no folder, but a pipe, a device or a socket"


def _wanted() -> str:
    return "A dataset looks like one of: " + "; or ".join(row.looks_like for row in LAYOUTS) + "."


def _passed_over(ignored: Counter[str]) -> str:
    return f" (passed over: {told(ignored)})" if ignored else ""
