"""What the owner of a dataset should know of it, and when it is refused. Pure: facts in, sentences out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from automl.data.duplicates import by_content, distinct_per_class, is_conflicting
from automl.data.files import is_odd, told
from automl.data.rules import N_EXAMPLES
from automl.data.scan_journal import Scan
from automl.data.shared import conflicting_labels, exact_duplicates
from automl.errors import DataError
from automl.recipe.model import Check
from automl.types import Finding, Image, Listing, Rejected, gravest_first

ADVICE: Final = {  # why a file was rejected -> what its owner can do
    "empty file": "Get empty files anew from where they come from.",
    "truncated": "Get truncated files anew; a copy broke off.",
    "damaged": "Get damaged files anew, or open them and save them again.",
    "not an image": "See what the files are that are no images; failed downloads are often web pages.",
    "unsupported format": "Convert unsupported formats to PNG or JPEG.",
    "unsupported pixel mode": "Save pictures of unsupported pixel modes with 8 bits a channel.",
    "too many pixels": "Shrink what is too large, or raise check.max_megapixels.",
    "too many bytes": "Shrink what is too large, or raise check.max_megapixels.",
    "cannot be read": "See to the disk, and to the rights on the files that cannot be read.",
}


def refuse_unusable(classes: Sequence[str], scan: Scan, config: Check) -> None:
    """Stop where nothing good can come of the data.

    Raises: DataError: nothing is readable, too many files are rejected, or a class has too few different images.
    """
    n_rejected = len(scan.rejected)
    if not scan.images:
        raise DataError(
            f"none of the {n_rejected} image file(s) can be read ({_reasons(scan.rejected)}). "
            f"Wanted: images that can be decoded. See what {scan.rejected[0].path!r} is."
        )
    if n_rejected > config.max_rejected * scan.n_files:
        raise DataError(
            f"{n_rejected} of {scan.n_files} files are rejected ({_reasons(scan.rejected)}), which is more than "
            f"check.max_rejected = {config.max_rejected:g} of them. For example {_some(scan.rejected)}. "
            "Repair or remove these files, or raise check.max_rejected."
        )
    distinct = distinct_per_class(scan.images)
    files = Counter(image.label for image in scan.images)
    for label in classes:
        if distinct.get(label, 0) < config.min_images_per_class:
            raise DataError(
                f"class {label!r} has {distinct.get(label, 0)} usable image(s): {files[label]} readable file(s), "
                f"copies and conflicting labels not counted. Wanted: at least {config.min_images_per_class}. "
                f"Add images, or list {label!r} under check.drop_classes."
            )


def find_in_check(listing: Listing, scan: Scan, odd: Sequence[Finding] = ()) -> tuple[Finding, ...]:
    """Everything worth saying: the gravest first, each kind at most once.

    Args:
        odd: what the rules of rules.py found in single pictures.
    """
    images = scan.images
    groups = [group for group in by_content(images).values() if len(group) > 1]
    conflicting = [group for group in groups if is_conflicting(group)]
    copies = [group for group in groups if not is_conflicting(group)]
    candidates = (
        *listing.findings,
        conflicting_labels(conflicting),
        _rejected(scan.rejected),
        exact_duplicates(copies),
        *odd,
        _mixed_sizes(images),
        _ignored(listing),
    )
    return gravest_first(finding for finding in candidates if finding)


def _rejected(rejected: Sequence[Rejected]) -> Finding | None:
    if not rejected:
        return None
    return Finding(
        kind="rejected files",
        severity="warn",
        text=f"{len(rejected)} file(s) cannot be used and are left out: {_reasons(rejected)}.",
        count=len(rejected),
        advice=" ".join(dict.fromkeys(ADVICE[reason] for reason in sorted({file.reason for file in rejected}))),
        paths=_paths(file.path for file in rejected),
    )


def _mixed_sizes(images: Sequence[Image]) -> Finding | None:
    sizes = Counter((image.width_px, image.height_px) for image in images)
    if len(sizes) < 2:
        return None
    (width, height), count = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    sides = [min(size) for size in sizes]
    return Finding(
        kind="mixed sizes",
        severity="note",
        text=f"the images have {len(sizes)} different sizes, shorter sides from {min(sides)} to {max(sides)} px, "
        f"most often {width} x {height} ({count} images); all were squashed to one square.",
        count=len(sizes),
    )


def _ignored(listing: Listing) -> Finding | None:
    if not listing.ignored:
        return None
    return Finding(
        kind="ignored files",
        severity="warn" if any(map(is_odd, listing.ignored)) else "note",
        text=f"entries of the folder were passed over: {told(listing.ignored)}.",
        count=sum(listing.ignored.values()),
    )


def _reasons(rejected: Sequence[Rejected]) -> str:
    counts = Counter(file.reason for file in rejected)
    return ", ".join(f"{count} x {reason}" for reason, count in sorted(counts.items()))


def _some(rejected: Sequence[Rejected]) -> str:
    return ", ".join(f"{file.path!r} ({file.reason})" for file in rejected[:3])


def _paths(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(paths)[:N_EXAMPLES]
