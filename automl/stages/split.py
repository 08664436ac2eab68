"""split: cut train, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from automl.data.duplicates import Copies, find_copies
from automl.data.images import Assigned, read_images, write_near, write_split
from automl.data.shared import find_in_split, leakage, not_split
from automl.data.split import Cut, as_given, assign_parts, given_parts
from automl.data.store import open_pixels, store_name
from automl.data.weights import findings_of_weights, no_weight, weighting_of
from automl.errors import DataError
from automl.recipe.model import Recipe
from automl.records import Checked, Parted
from automl.runtime.context import StageContext
from automl.types import PARTS, Finding, Image, Weighting, gravest_first


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Who learns from what, and what is said of it."""

    cut: Cut
    assigned: tuple[Assigned, ...]  # the images that have a part
    weighting: Weighting | None
    findings: tuple[Finding, ...]


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
    parting = part_images(images, copies, ctx.recipe)
    assigned = parting.assigned
    write_split(ctx.output("split.csv"), assigned)
    write_near(ctx.output("near.csv"), (*copies.near, *copies.mirrored))
    for finding in parting.findings:
        if finding.severity == "warn":
            ctx.warn(finding.text)
    counts = Counter((image.label, image.part) for image in assigned)
    classes = sorted({image.label for image in images})
    return Parted(
        per_part={part: sum(counts[label, part] for label in classes) for part in PARTS},
        per_class={label: {part: counts[label, part] for part in PARTS} for label in classes},
        given=given_parts(images),
        left_out=len(images) - len(assigned),
        findings=parting.findings,
        leakage=leakage(images, copies, parting.cut.parts),
        weighting=parting.weighting,
    )


def part_images(images: Sequence[Image], copies: Copies, recipe: Recipe) -> Parting:
    """Cut the images as a run does.

    Raises: RecipeError: folds are asked of a dataset that gives its validation part.
    """
    refused: list[Finding] = []
    try:
        cut = assign_parts(images, copies, recipe.split, recipe.seed)
    except DataError as error:  # what else was found is told as well
        refused = [not_split(str(error))]
        cut = as_given(images)
    assigned = tuple(
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
    )
    weighting = None
    if not refused:
        try:
            weighting = weighting_of(assigned)
        except DataError as error:
            refused = [no_weight(str(error))]
    findings = gravest_first((*refused, *find_in_split(images, copies, cut), *findings_of_weights(assigned, weighting)))
    return Parting(cut=cut, assigned=assigned, weighting=weighting, findings=findings)
