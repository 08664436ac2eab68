"""How image datasets lie on disk: one row a layout. Light: the command lists a dataset before anything heavy starts."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from automl.data.files import SUFFIXES, images_below, told
from automl.errors import DataError, RecipeError
from automl.types import ListedFile, Listing, Part

PART_NAMES: Final[dict[str, Part]] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_PART_ENDINGS: Final = re.compile(r"[\s_-]*(set|data|images?)$")

OUTSIDE: Final = "image outside the class folders"

Place = tuple[str, Part | None]  # a class, and the part that the folders give


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One way to lay a dataset out in folders."""

    name: str
    fits: Callable[[Sequence[tuple[str, ...]]], bool]  # by the folders of every image, the dataset's own left out
    place: Callable[[tuple[str, ...]], Place | None]  # of an image in these folders; None: outside every class
    looks_like: str  # for messages


def part_of(folder: str) -> Part | None:
    """The part that a folder's name means, in any usual spelling: "Train", "val", "test_set"."""
    return PART_NAMES.get(_PART_ENDINGS.sub("", folder.strip().casefold()))


def _are_parts(places: Sequence[tuple[str, ...]]) -> bool:
    """Only part folders hold images; train has class folders, and is not alone."""
    tops = {folders[0] for folders in places if folders}
    parts = {part_of(top) for top in tops}
    has_classes = any(len(folders) > 1 and part_of(folders[0]) == "train" for folders in places)
    return None not in parts and len(parts) > 1 and has_classes


def _place_in_parts(folders: tuple[str, ...]) -> Place | None:
    return (folders[1], part_of(folders[0])) if len(folders) > 1 else None


def _place_in_classes(folders: tuple[str, ...]) -> Place | None:
    return (folders[0], None) if folders else None


# The first row that fits is taken; folders below a class folder belong to the class.
LAYOUTS: Final = (
    Layout(
        name="train/val/test folders of classes",
        fits=_are_parts,
        place=_place_in_parts,
        looks_like="train/CLASS/, test/CLASS/ and, if you like, val/CLASS/",
    ),
    Layout(
        name="folder per class",
        fits=any,
        place=_place_in_classes,
        looks_like="CLASS/ for each class, its images inside",
    ),
)


def list_dataset(
    dataset: Path, drop_classes: Sequence[str] = (), *, own: Sequence[Path] = (), least: int = 1
) -> Listing:
    """Find the layout, the classes and the candidate images of a folder; no file is opened.

    Args:
        own: the folders of runs and bundles; where they lie inside the dataset they are no classes, nor are runs
            and bundles elsewhere in it.
        least: how many images a class needs; what the names alone tell is told before anything is opened.
    Raises:
        DataError: there is no such folder, or not at least two classes of images in it, or a class is too small.
        RecipeError: drop_classes names a class that is not there.
    """
    _refuse_no_folder(dataset)
    ignored: Counter[str] = Counter()
    root = dataset.resolve()
    found = sorted(images_below(root, {path.resolve() for path in own}, ignored), key=lambda file: file[0])
    if not found:
        raise DataError(
            f"{dataset} holds no image{_passed_over(ignored)}. {_wanted()} "
            f"Images are files with one of the suffixes {', '.join(sorted(SUFFIXES))}. Check the path."
        )
    places = [tuple(path.split("/")[:-1]) for path, _ in found]
    layout = next((row for row in LAYOUTS if row.fits(places)), None)
    if layout is None:
        raise DataError(
            f"{dataset} holds {len(found)} image(s), but no folder of a class with images. {_wanted()} "
            "Sort the images into one folder a class."
        )
    listed = []
    for (path, facts), folders in zip(found, places, strict=True):
        if place := layout.place(folders):
            listed.append(_listed(path, place, facts))
        else:
            ignored[OUTSIDE] += 1
    classes = _kept_classes(dataset, {file.label for file in listed}, drop_classes, _passed_over(ignored))
    dropped = set(drop_classes)
    _refuse_small(Counter(file.label for file in listed if file.label not in dropped), least)
    return Listing(
        layout=layout.name,
        root=str(root),
        classes=classes,
        files=tuple(file for file in listed if file.label not in dropped),
        ignored=dict(sorted(ignored.items())),
    )


def listing_fingerprint(listing: Listing) -> str:
    """sha256 over all that is known of the listed files, wherever they lie: changes when the dataset is touched."""
    digest = hashlib.sha256(json.dumps([listing.layout, listing.classes]).encode())
    for file in listing.files:
        row = [file.path, file.label, file.part, file.size_bytes, file.mtime_ns, file.group, file.weight]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _listed(path: str, place: Place, facts: os.stat_result) -> ListedFile:
    label, part = place
    return ListedFile(path=path, label=label, part=part, size_bytes=facts.st_size, mtime_ns=facts.st_mtime_ns)


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
        counts = ", ".join(f"{label!r} with {files[label]}" for label in small[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        raise DataError(
            f"{len(small)} of {len(files)} classes have too few images: {counts}{more}. "
            f"Wanted: at least {least} a class. Add images, or list the class under check.drop_classes."
        )


def _deeper(dataset: Path, kept: Sequence[str]) -> str:
    """A folder to try instead: the only one, where it holds several folders itself."""
    if len(kept) != 1:
        return ""
    only = dataset / kept[0]
    below = [entry for entry in only.iterdir() if entry.is_dir()] if only.is_dir() else []
    return f", for example {only}" if len(below) > 1 else ""


def _refuse_no_folder(dataset: Path) -> None:
    """Raises: DataError: no folder is there, or the path itself is refused: too long, a loop of links, a NUL byte."""
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
    if not stat.S_ISDIR(mode):
        raise DataError(f"{shown} is {_what(mode)}. {wanted} If it is an archive, unpack it first.")


def _what(mode: int) -> str:
    return "a file" if stat.S_ISREG(mode) else "no folder, but a pipe, a device or a socket"


def _wanted() -> str:
    return "A dataset looks like one of: " + "; or ".join(row.looks_like for row in LAYOUTS) + "."


def _passed_over(ignored: Counter[str]) -> str:
    return f" (passed over: {told(ignored)})" if ignored else ""
