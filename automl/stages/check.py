"""check: open and decode every file once."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median_low

from automl.data.archives import opened
from automl.data.findings import find_in_check, refuse_unusable
from automl.data.flags import rejected_flags, write_flags
from automl.data.images import write_images, write_rejected
from automl.data.layouts import list_dataset
from automl.data.looks import read_looks
from automl.data.marks import Pictures
from automl.data.rules import apply_rules, findings_of, flags_of
from automl.data.scan import choose_size_px, scan, shorter_sides_px
from automl.records import Checked
from automl.runtime.context import StageContext
from automl.types import Image

MAX_THREADS = 16  # each may hold one decoded picture of check.max_megapixels


def run(ctx: StageContext) -> Checked:
    """Decode the dataset, quarantine what cannot be read, and say what is in it.

    Writes: images.csv, rejected.csv, flags.csv, pixels-SIZE/, looks.npy; scan.jsonl and looks.raw, by which a killed
        scan goes on.
    Raises: DataError: the dataset is of no use; RecipeError: an unknown class is to be dropped;
        ResourceMissing: the disk has too little room.
    """
    config, wish = ctx.recipe.check, ctx.recipe.pack
    listing = list_dataset(
        opened(ctx.dataset, ctx.folder.dataset),
        config.drop_classes,
        own=(ctx.folder.root.parent, ctx.exports),
        data=ctx.recipe.data,
        max_missing=config.max_rejected,
    )
    threads = min(len(os.sched_getaffinity(0)), MAX_THREADS)
    sides = shorter_sides_px(Path(listing.root), listing.files, config.max_megapixels, threads)
    sizes = (choose_size_px(sides, wish.size_px, wish.max_size_px),)
    found = scan(
        listing,
        ctx.output("scan.jsonl").parent,
        sizes_px=sizes,
        max_megapixels=config.max_megapixels,
        threads=threads,
        progress=lambda done, total: ctx.progress(done, total, "images decoded"),
    )
    refuse_unusable(listing.classes, found, config)
    pictures = Pictures(
        images=found.images,
        looks=read_looks(ctx.output("looks.npy").parent, len(found.images)),
        turned=frozenset(found.turned),
        transparent=frozenset(found.transparent),
        animated=frozenset(found.animated),
    )
    marked = apply_rules(pictures)
    findings = find_in_check(listing, found, findings_of(pictures, marked))
    for finding in findings:
        if finding.severity == "warn":
            ctx.warn(finding.text)
    images = found.images
    write_images(ctx.output("images.csv"), images)
    write_rejected(ctx.output("rejected.csv"), found.rejected)
    write_flags(ctx.output("flags.csv"), (*flags_of(pictures, marked), *rejected_flags(found.rejected)))
    return Checked(
        layout=listing.layout,
        root=listing.root,
        classes=listing.classes,
        n_images=len(images),
        n_rejected=len(found.rejected),
        per_class=_counts([image.label for image in images]),
        sizes_px=sizes,
        shorter_side_px=_smallest_median_largest([min(image.width_px, image.height_px) for image in images]),
        modes=_counts([image.mode for image in images]),
        formats=_counts([image.format for image in images]),
        findings=findings,
        dataset_fingerprint=content_fingerprint(images),
        images_s=found.n_files / found.seconds,
    )


def content_fingerprint(images: Sequence[Image]) -> str:
    """sha256 over path, label and content of all readable files, in the order of their paths."""
    rows = sorted((image.path, image.label, image.sha256) for image in images)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _counts(values: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _smallest_median_largest(sides: Sequence[int]) -> tuple[int, int, int]:
    return min(sides), median_low(sides), max(sides)
