"""split: cut train, validation and test."""

from __future__ import annotations

from collections import Counter

from automl.data.duplicates import find_copies
from automl.data.images import Assigned, read_images, write_near, write_split
from automl.data.shared import find_in_split, leakage, not_split
from automl.data.split import as_given, assign_parts, given_parts
from automl.data.store import open_pixels, store_name
from automl.data.weights import findings_of_weights, no_weight, weighting_of
from automl.errors import DataError
from automl.records import Checked, Parted
from automl.runtime.context import StageContext
from automl.types import PARTS, Finding, gravest_first


def run(ctx: StageContext) -> Parted:
    """Compare all images with each other, and give every usable one its part.

    Reads: check/images.csv, the largest check/pixels-SIZE/. Writes: split.csv,
        near.csv (pairs of near copies, mirrored ones too).
    What cannot be cut, for a class has too few different images, or be weighted is a finding that stops the run.

    Raises:
        RecipeError: folds are asked of a dataset that gives its validation part.
        StageFailed: what check packed is missing or damaged.
    """
    checked = ctx.record(Checked)
    images = read_images(ctx.input("check", "images.csv"))
    size = max(checked.sizes_px)
    pixels = open_pixels(ctx.input("check", store_name(size)))
    copies = find_copies(images, pixels, near=ctx.recipe.split.near)
    refused: list[Finding] = []
    try:
        cut = assign_parts(images, copies, ctx.recipe.split, ctx.recipe.seed)
    except DataError as error:  # what else was found is told as well
        refused = [not_split(str(error))]
        cut = as_given(images)
    assigned = [
        Assigned(
            path=image.path,
            label=image.label,
            part=cut.parts[image.path],
            row=image.row,
            fold=cut.folds.get(image.path, 0),
            group=cut.units[image.path],
            weight=image.weight,
        )
        for image in images
        if image.path in cut.parts
    ]
    weighting = None
    if not refused:
        try:
            weighting = weighting_of(assigned)
        except DataError as error:
            refused = [no_weight(str(error))]
    write_split(ctx.output("split.csv"), assigned)
    write_near(ctx.output("near.csv"), (*copies.near, *copies.mirrored))
    findings = gravest_first((*refused, *find_in_split(images, copies, cut), *findings_of_weights(assigned, weighting)))
    for finding in findings:
        if finding.severity == "warn":
            ctx.warn(finding.text)
    counts = Counter((image.label, image.part) for image in assigned)
    classes = sorted({image.label for image in images})
    return Parted(
        per_part={part: sum(counts[label, part] for label in classes) for part in PARTS},
        per_class={label: {part: counts[label, part] for part in PARTS} for label in classes},
        given=given_parts(images),
        left_out=len(images) - len(assigned),
        findings=findings,
        leakage=leakage(images, copies, cut.parts),
        weighting=weighting,
    )
