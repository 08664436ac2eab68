"""What is left of a dataset once the faults that need no judgement are taken out, as a manifest. Pure but for the file.

Images are never touched: the manifest lists those that stay.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from automl.data.duplicates import Copies, by_content, is_conflicting
from automl.data.labels import spellings
from automl.data.layouts import list_dataset
from automl.data.paths import inside
from automl.data.split import without_copies
from automl.errors import DataError
from automl.recipe.model import Data
from automl.runs.atomic import TEMPORARY, write_text
from automl.types import PARTS, Image, Part, Rejected

CONFLICTING: Final = "conflicting labels"
SAME_ELSEWHERE: Final = "same image in another part"
NEAR_ELSEWHERE: Final = "near copy in another part"
DUPLICATE: Final = "exact duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What stays, and why the rest does not."""

    images: tuple[Image, ...]  # sorted by path, with their merged labels
    left_out: Mapping[str, str]  # path -> why, in a few words, sorted by path
    merged: Mapping[str, str]  # label -> the spelling it has now, where that is another

    @property
    def reasons(self) -> dict[str, tuple[str, ...]]:
        """Why -> the paths, the most frequent first."""
        paths: dict[str, list[str]] = {}
        for path, why in self.left_out.items():
            paths.setdefault(why, []).append(path)
        return {why: tuple(paths[why]) for why in sorted(paths, key=lambda why: (-len(paths[why]), why))}


def clean(images: Sequence[Image], rejected: Sequence[Rejected], copies: Copies) -> Cleaned:
    """Leave out what cannot be read, contradicts itself, or is there twice.

    Spellings of one label are merged first, as check proposes it, so that such copies contradict nothing. Of copies
    across given parts the one stays that judges: test before validation before train; of others the first by path.
    Near copies are left out only where they lie in two given parts.
    """
    targets = spellings(Counter([*(image.label for image in images), *(file.label for file in rejected)]))
    merged = {label: target for label, target in targets.items() if label != target}
    out = {file.path: f"cannot be used: {file.reason}" for file in rejected}
    groups = by_content([replace(image, label=merged.get(image.label, image.label)) for image in images], copies)
    usable = []
    for group in groups.values():
        if is_conflicting(group):
            out |= {image.path: CONFLICTING for image in group}
        else:
            usable.append(group)
    kept = [image for group in usable for image in group]
    if any(image.part for image in kept):
        out |= _leaks(kept, copies)
    for group in usable:
        staying = sorted((image for image in group if image.path not in out), key=_first_to_stay)
        out |= {image.path: DUPLICATE for image in staying[1:]}
    return Cleaned(
        images=tuple(sorted((image for image in kept if image.path not in out), key=lambda image: image.path)),
        left_out=dict(sorted(out.items())),
        merged=merged,
    )


def _leaks(images: Sequence[Image], copies: Copies) -> dict[str, str]:
    """Images that a part which judges has as well -> why they go."""
    given: dict[str, Part] = {image.path: image.part or "train" for image in images}
    stay = without_copies(given, images, copies)
    parts_of = {image.path: {given[other.path] for other in group} for group in by_content(images, copies).values()
                for image in group}  # fmt: skip
    return {path: SAME_ELSEWHERE if len(parts_of[path]) > 1 else NEAR_ELSEWHERE for path in given if path not in stay}


def _first_to_stay(image: Image) -> tuple[int, str]:
    return -PARTS.index(image.part or "train"), image.path


def write_manifest(path: Path, images: Sequence[Image], root: Path, data: Data) -> None:
    """Write the manifest, once it was seen to be read back as it is meant.

    Args:
        path: in the folder of the images or one above it.
        root: the folder that the images' paths begin at.
        data: a column has the name that the recipe wishes, if it does.
    Raises: DataError: a manifest cannot say this, as when fewer than two classes are left; nothing is written then.
    """
    if len(labels := {image.label for image in images}) < 2:
        raise DataError(
            f"{path} was not written: what stays is {len(images)} image(s) of {len(labels)} class(es). Wanted: two "
            "classes at least. See to what was found first."
        )
    below = PurePosixPath(root.resolve().relative_to(path.parent.resolve()).as_posix())
    placed = [replace(image, path=(below / image.path).as_posix()) for image in images]
    trial = path.with_name(f"{TEMPORARY}{path.stem}.csv")
    try:
        write_text(trial, manifest_text(placed, data))
        try:
            found = list_dataset(trial, data=data.model_copy(update={"merge_labels": False})).files
        except DataError as error:
            raise DataError(
                f"{path} was not written, for it could not be trained on: {str(error).replace(trial.name, path.name)}"
            ) from error
        meant = sorted((row.path, row.label, row.part, row.group, row.weight) for row in placed)
        if meant != sorted((row.path, row.label, row.part, row.group, row.weight) for row in found):
            raise DataError(
                f"{path} was not written: read back, it would say something else than it is meant to. Wanted: names "
                "and labels that a manifest can hold. Rename what is odd, or clean the dataset by hand."
            )
        trial.rename(path)
    finally:
        trial.unlink(missing_ok=True)


def manifest_text(images: Iterable[Image], data: Data) -> str:
    """CSV with path and label, and part, group and weight where some image has one."""
    rows = [
        {
            "path": image.path if inside(image.path, "") else f"./{image.path}",
            "label": image.label,
            "part": image.part or "",
            "group": image.group,
            "weight": repr(image.weight),
        }
        for image in images
    ]
    names = {"path": "path", "label": "label"}
    names |= {role: role for role in ("part", "group") if any(row[role] for row in rows)}
    names |= {"weight": "weight"} if any(row["weight"] != "1.0" for row in rows) else {}
    wished = {role: getattr(data, role) for role in names}
    names |= {role: name for role, name in wished.items() if name not in ("", "none")}
    text = io.StringIO(newline="")
    odd = any("\r" in cell for row in rows for cell in row.values())  # which csv does not quote by itself
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL)
    writer.writerow(names.values())
    writer.writerows([row[role] for role in names] for row in rows)
    return text.getvalue()
