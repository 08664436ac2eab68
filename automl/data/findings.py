"""What the owner of a dataset should know of it, and what stops a run. Pure: facts in, sentences out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from automl.data.duplicates import by_content, distinct_per_class, is_conflicting
from automl.data.passed import advice_on, is_odd, told
from automl.data.scan_journal import Scan
from automl.data.shared import conflicting_labels, exact_duplicates
from automl.data.wording import examples, first_of, shown
from automl.errors import DataError
from automl.finding_table import EMPTY_CLASSES, TOO_FEW
from automl.recipe.command_line import set_option
from automl.recipe.model import Check
from automl.types import Finding, Image, Listing, Rejected, gravest_first

UNEVEN: Final = 2  # the largest class has so many times the images of the smallest: it is said
VERY_UNEVEN: Final = 10  # then a network that never names the smallest one may look good
RARE: Final = 20  # images of a class; its share of the test set is three at split.test = 0.15

MOST_MEGAPIXELS: Final = Check.model_json_schema()["properties"]["max_megapixels"]["maximum"]
TOO_LARGE: Final = f"Shrink what is too large, or raise check.max_megapixels, to {MOST_MEGAPIXELS:g} at most."
ADVICE: Final = {  # why a file was rejected -> what its owner can do
    "empty file": "Get empty files anew from where they come from.",
    "truncated": "Get truncated files anew; a copy broke off.",
    "damaged": "Get damaged files anew, or open them and save them again.",
    "not an image": "See what the files are that are no images; failed downloads are often web pages.",
    "unsupported format": "Convert unsupported formats to PNG or JPEG.",
    "unsupported pixel mode": "Save pictures of unsupported pixel modes with 8 bits a channel.",
    "too many pixels": TOO_LARGE,
    "too many bytes": TOO_LARGE,
    "too much metadata": "Save pictures with too much metadata again without it: their text or colour profile is "
    "longer than the decoder reads, 1 MB of one and 64 MB in all.",
    "cannot be read": "See to the disk, and to the rights on the files that cannot be read.",
}


def refuse_unreadable(scan: Scan) -> None:
    """Raises: DataError: nothing can be read, so that there is nothing to tell of but the files."""
    if not scan.images:
        raise DataError(
            f"none of the {len(scan.rejected)} image file(s) can be read ({_reasons(scan.rejected)}). "
            f"Wanted: images that can be decoded. See what {scan.rejected[0].path!r} is."
        )


def find_in_check(listing: Listing, scan: Scan, config: Check, odd: Sequence[Finding] = ()) -> tuple[Finding, ...]:
    """Everything worth saying: the gravest first, each kind at most once.

    Args:
        config: from where on rejected files and small classes are a reason to stop.
        odd: what the rules of rules.py found in single pictures.
    """
    images = scan.images
    groups = [group for group in by_content(images).values() if len(group) > 1]
    conflicting = [group for group in groups if is_conflicting(group)]
    copies = [group for group in groups if not is_conflicting(group)]
    candidates = (
        *_small_classes(listing.classes, images, config),
        *listing.findings,
        conflicting_labels(conflicting),
        _rejected(scan.rejected, scan.n_files, config.max_rejected),
        exact_duplicates(copies),
        *odd,
        *_uneven_classes(images),
        _mixed_sizes(images),
        _ignored(listing),
    )
    return gravest_first(finding for finding in candidates if finding)


def _small_classes(classes: Sequence[str], images: Sequence[Image], config: Check) -> Iterator[Finding]:
    """Classes with nothing to learn from, and those with less than the recipe wants. Both stop."""
    least = config.min_images_per_class
    distinct = distinct_per_class(images)
    files = Counter(image.label for image in images)
    told = {
        label: f"{label!r} has {distinct.get(label, 0)} ({files[label]} readable file(s))"
        for label in classes
        if distinct.get(label, 0) < least
    }
    empty = [label for label in told if not distinct.get(label, 0)]
    few = [label for label in told if label not in empty]
    counted = "copies and conflicting labels not counted"
    if empty:
        yield Finding(
            kind=EMPTY_CLASSES,
            severity="stop",
            text=f"{len(empty)} class(es) have not one usable image, {counted}: "
            f"{first_of([told[label] for label in empty])}.",
            count=len(empty),
            advice=_add_or_drop(empty, config.drop_classes),
            paths=_examples(images, empty),
        )
    if few:
        yield Finding(
            kind=TOO_FEW,
            severity="stop",
            text=f"{len(few)} class(es) have fewer usable images than check.min_images_per_class = {least}, {counted}: "
            f"{first_of([told[label] for label in few])}.",
            count=len(few),
            advice=_add_or_drop(few, config.drop_classes),
            paths=_examples(images, few),
        )


def _add_or_drop(labels: Sequence[str], dropped: Sequence[str]) -> str:
    option = set_option("check.drop_classes", [*dropped, labels[0]])  # it replaces an earlier one
    return f"Add images, or give {option} to leave such a class out."


def _examples(images: Sequence[Image], labels: Sequence[str]) -> tuple[str, ...]:
    return examples(image.path for image in images if image.label in labels)


def _uneven_classes(images: Sequence[Image]) -> Iterator[Finding]:
    """How uneven the classes are, and which are so small that nothing sure can be said of them."""
    files = Counter(image.label for image in images)
    order = sorted(files, key=lambda label: (files[label], label))
    if not order:
        return
    least, most = order[0], order[-1]
    ratio = files[most] / files[least]
    if ratio >= UNEVEN:
        small = [label for label in order if files[most] >= UNEVEN * files[label]]
        yield Finding(
            kind="imbalanced classes",
            severity="warn" if ratio >= VERY_UNEVEN else "note",
            text=f"the largest class has {ratio:.{2 if ratio < 10 else 0}f} times as many images as the smallest: "
            f"{most!r} {files[most]}, {_counts_of(small, files)}.",
            count=len(small),
            advice="Look at each class's own result, not at the accuracy alone; more images of the small classes help "
            "most.",
        )
    rare = [label for label in order if files[label] < RARE]
    if rare:
        yield Finding(
            kind="rare classes",
            severity="note",
            text=f"{len(rare)} class(es) have fewer than {RARE} images: {_counts_of(rare, files)}. Of so few, the test "
            "set holds a handful at most, and their results say little.",
            count=len(rare),
            advice="Add images of these classes, or put classes together.",
        )


def _counts_of(labels: Sequence[str], files: Mapping[str, int]) -> str:
    return first_of([f"{label!r} {files[label]}" for label in labels])


def _rejected(rejected: Sequence[Rejected], n_files: int, most: float) -> Finding | None:
    if not rejected:
        return None
    too_many = len(rejected) > most * n_files
    share = f", {len(rejected) / n_files:.0%} of all, more than check.max_rejected = {most:g}" if too_many else ""
    advice = " ".join(dict.fromkeys(ADVICE[reason] for reason in sorted({file.reason for file in rejected})))
    return Finding(
        kind="rejected files",
        severity="stop" if too_many else "warn",
        text=f"{len(rejected)} file(s) cannot be used and are left out: {_reasons(rejected)}{share}.",
        count=len(rejected),
        advice=f"{advice} Or raise check.max_rejected." if too_many else advice,
        paths=examples(file.path for file in rejected),
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
    outside = first_of([f"{shown(top)}/" if top else "the dataset's own folder" for top in listing.outside])
    where = f" The images outside lie in {outside}." if outside else ""
    return Finding(
        kind="ignored files",
        severity="warn" if any(map(is_odd, listing.ignored)) else "note",
        text=f"entries of the dataset were passed over: {told(listing.ignored)}.{where}",
        count=sum(listing.ignored.values()),
        advice=advice_on(listing.ignored),
        paths=listing.ignored_paths,
    )


def _reasons(rejected: Sequence[Rejected]) -> str:
    counts = Counter(file.reason for file in rejected)
    return ", ".join(f"{count} x {reason}" for reason, count in sorted(counts.items()))
