"""split: cut train, validation and test."""

from __future__ import annotations

from collections import Counter

from automl.data.findings import find_in_split
from automl.data.images import Assigned, read_images, write_split
from automl.data.split import assign_parts, given_parts
from automl.records import Parted
from automl.runtime.context import StageContext
from automl.types import PARTS


def run(ctx: StageContext) -> Parted:
    """Give every usable image its part.

    Reads: check/images.csv. Writes: split.csv.
    Raises: DataError: a class has too few different images to fill the parts.
    """
    images = read_images(ctx.input("check", "images.csv"))
    parts = assign_parts(images, ctx.recipe.split, ctx.recipe.seed)
    assigned = [
        Assigned(path=image.path, label=image.label, part=parts[image.path], row=image.row)
        for image in images
        if image.path in parts
    ]
    write_split(ctx.output("split.csv"), assigned)
    findings = find_in_split(images, parts)
    for finding in findings:
        ctx.warn(finding.text)
    counts = Counter((image.label, image.part) for image in assigned)
    classes = sorted({image.label for image in images})
    return Parted(
        per_part={part: sum(counts[label, part] for label in classes) for part in PARTS},
        per_class={label: {part: counts[label, part] for part in PARTS} for label in classes},
        given=given_parts(images),
        left_out=len(images) - len(assigned),
        findings=findings,
    )
