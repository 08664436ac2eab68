"""The search for suspects that pick ends with: what the chosen backbone's features say of single images and labels.

Train and validation alone are looked at. The test images' features lie in the same file, for they are computed in one
pass, but no row of theirs is read here: what is found may change what the owner does, and so what is measured on them.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.data.images import read_images, read_near, write_suspects
from automl.data.shortcuts import MOST_IMAGES, judge_shortcuts
from automl.data.suspect_findings import (
    finding_of_shortcuts,
    findings_of_suspects,
    labels_not_judged,
    not_judged,
    not_yet_told,
    suspects_of,
)
from automl.data.suspects import (
    LEAST_ACCURACY,
    MOST_COMPARED,
    evenly,
    find_label_errors,
    find_outliers,
    find_twins,
    seconds_needed,
)
from automl.nets.probe import Probe
from automl.runtime.context import StageContext
from automl.stages.chosen import FEATURES, HELD_OUT
from automl.types import PARTS, Finding, PixelRows

FILE: Final = "suspects.csv"
TIME_SHARE: Final = 0.05  # of the time left to the deadline that outliers and near duplicates may take
CHUNK: Final = 64  # images whose pixels are averaged together

Rows = tuple[NDArray[np.int64], NDArray[np.int64]]  # map rows, labels


def find_suspects(
    ctx: StageContext,
    backbone: str,
    probe: Probe,
    pixels: PixelRows,
    train: Rows,
    validation: Rows,
    classes: tuple[str, ...],
    *,
    pretrained: bool,
) -> tuple[Finding, ...]:
    """Look for label errors, near duplicates, outliers and shortcuts in train and validation; warn of the grave ones.

    Reads: check/images.csv, split/near.csv, chosen/features.npy and held_out.npy. Writes: suspects.csv.
    Args:
        pixels: uint8 (n, size, size, 3), by map row.
        pretrained: the features are those of trained weights; random ones tell too little of two pictures.
    """
    ctx.progress(0, 3, f"{backbone}: label errors")
    rows, labels = (np.concatenate(pair) for pair in zip(train, validation, strict=True))
    parts = [PARTS[0]] * len(train[0]) + [PARTS[1]] * len(validation[0])
    by_row = {image.row: image for image in read_images(ctx.input("check", "images.csv"))}
    images = [by_row[int(row)] for row in rows]
    features = np.load(ctx.output(FEATURES), mmap_mode="r")[rows]
    held_out = np.load(ctx.output(HELD_OUT), allow_pickle=False)
    probabilities = np.concatenate([held_out, probe.predict(features[len(train[0]) :])])
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())

    notes: list[Finding] = []
    if accuracy < LEAST_ACCURACY:
        notes.append(labels_not_judged(accuracy))
    errors = find_label_errors(probabilities, labels) if accuracy >= LEAST_ACCURACY else ()
    ctx.progress(1, 3, f"{backbone}: outliers and near duplicates")
    why = why_not(len(rows), features.shape[1], ctx.seconds_left(), pretrained=pretrained)
    if why:
        notes.append(not_judged("outliers and near duplicates", why))
    outliers = () if why else find_outliers(features)

    @cache
    def content(at: int) -> bytes:
        return hashlib.blake2b(pixels[rows[at : at + 1]].tobytes(), digest_size=16).digest()

    near = read_near(ctx.input("split", "near.csv"))
    twins = () if why else not_yet_told(images, find_twins(features), near, content)
    ctx.progress(2, 3, f"{backbone}: shortcuts")
    some = evenly(len(rows), MOST_IMAGES)
    shortcuts = judge_shortcuts(
        [images[at] for at in some], _mean_colours(pixels, rows[some]), labels[some], probabilities[some]
    )
    write_suspects(ctx.output(FILE), suspects_of(images, classes, errors, twins, outliers))
    findings = (
        *finding_of_shortcuts(
            shortcuts, chance=float(np.bincount(labels).max() / len(labels)), probe_accuracy=accuracy
        ),
        *findings_of_suspects(images, parts, classes, errors, twins, outliers),
        *notes,
    )
    for finding in findings:
        if finding.severity == "warn":
            ctx.warn(finding.text)
    return findings


def why_not(n: int, d: int, seconds_left: float, *, pretrained: bool) -> str:
    """Why outliers and near duplicates of features (n, d) are not looked for; "": they are."""
    if not pretrained:
        return "The features come from random weights, which tell too little of two pictures"
    if n > MOST_COMPARED:
        return f"{n} images are more than the {MOST_COMPARED} whose pairs are compared"
    if seconds_needed(n, d) > TIME_SHARE * seconds_left:
        return f"The deadline leaves no time: it may take {seconds_needed(n, d):.0f} s"
    return ""


def _mean_colours(pixels: PixelRows, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean red, green and blue of each image, float64 (n, 3), 0..255."""
    starts = range(0, len(rows), CHUNK)
    return np.concatenate([pixels[rows[start : start + CHUNK]].mean(axis=(1, 2)) for start in starts])
