"""The search for suspects on made-up features: what it reads, says aloud, writes, and leaves for want of time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.data.duplicates import NearCopy
from automl.data.images import read_suspects, write_images, write_near
from automl.nets.probe import fit_probe
from automl.runtime.context import StageContext
from automl.stages.suspects import find_suspects, why_not
from automl.types import Image
from tests.conftest import MakeContext, QuietFront

CLASSES = ("rose", "tulip")
N, D, TRAIN = 200, 40, 120  # rows 0..119 train, 120..149 validation, 150..199 test
ROWS = np.arange(N)


@pytest.fixture
def before(make_context: MakeContext, tmp_path: Path) -> StageContext:
    return make_context("pick", tmp_path / "flowers")


def look(ctx: StageContext, *, flipped: tuple[int, ...] = (), change=None, modes=lambda label: "RGB", near=(), **more):
    """Two clouds of features; labels flipped, features changed, as asked. Returns: the findings by their kind."""
    rng = np.random.default_rng(1)
    truth = ROWS % 2
    features = (rng.normal(0, 1, (N, D)) + np.where(truth[:, None] == 1, 1.5, 0)).astype(np.float32) + 5
    if change:
        change(features)
    labels = truth.copy()
    labels[list(flipped)] = 1 - labels[list(flipped)]
    write_images(
        ctx.input("check", "images.csv"),
        [
            Image(path=f"{CLASSES[label]}/{row}.jpg", label=CLASSES[label], part=None, sha256=f"{row}", width_px=30,
                  height_px=30, mode=modes(label), format="JPEG", size_bytes=900, row=row)
            for row, label in zip(ROWS.tolist(), labels.tolist(), strict=True)
        ],
    )  # fmt: skip
    write_near(ctx.input("split", "near.csv"), near)
    train, validation = ROWS[:TRAIN], ROWS[TRAIN:150]
    fitted = fit_probe(features[train], labels[train], 2, folds=5, neighbours=5, seed=1)
    for name, array in (("features", features), ("held_out", fitted.held_out)):
        np.save(ctx.output(f"chosen/{name}.npy"), array)
    findings = find_suspects(
        ctx,
        "net",
        fitted.probe,
        np.broadcast_to(ROWS.astype(np.uint8)[:, None, None, None], (N, 4, 4, 3)),
        (train, labels[train]),
        (validation, labels[validation]),
        CLASSES,
        **({"pretrained": True} | more),
    )
    return {finding.kind: finding for finding in findings}


def listed(ctx: StageContext, kind: str) -> list[str]:
    return [suspect.path for suspect in read_suspects(ctx.output("suspects.csv")) if suspect.kind == kind]


def said(ctx: StageContext) -> list[str]:
    assert isinstance(ctx.front, QuietFront)
    return ctx.front.warnings


def test_flips_in_train_and_validation_are_listed_and_those_in_test_are_not_looked_at(before) -> None:
    found = look(before, flipped=(10, 130, 160))
    assert {"tulip/10.jpg", "tulip/130.jpg"} <= set(listed(before, "label error"))
    assert not any("160" in path for path in listed(before, "label error"))
    assert found["likely label errors"].severity == "note"
    assert said(before) == []


def test_many_flips_are_warned_of_aloud(before) -> None:
    found = look(before, flipped=tuple(range(0, 24, 2)))
    assert found["likely label errors"].severity == "warn"
    assert said(before) == [found["likely label errors"].text]


def test_a_twin_across_train_and_validation_is_found_and_one_in_test_is_not(before) -> None:
    def copy(features: np.ndarray) -> None:
        features[140] = features[20] + 0.01
        features[170] = features[30] + 0.01

    found = look(before, change=copy)
    assert listed(before, "near duplicate") == ["rose/20.jpg"]
    assert "1 across train and validation" in found["near duplicates by features"].text


def test_a_twin_that_split_has_told_of_is_not_told_again(before) -> None:
    def copy(features: np.ndarray) -> None:
        features[140] = features[20] + 0.01

    near = (NearCopy(first="rose/140.jpg", second="rose/20.jpg", bits=3, detail=0.9),)
    assert "near duplicates by features" not in look(before, change=copy, near=near)
    assert listed(before, "near duplicate") == []


def test_a_colour_mode_that_gives_the_label_away_is_warned_of_aloud(before) -> None:
    found = look(before, modes=lambda label: "L" if label else "RGB")
    assert found["shortcuts"].severity == "warn"
    assert found["shortcuts"].text in said(before)
    assert "shortcuts" not in look(before)


def test_a_probe_that_knows_too_little_doubts_no_label(before) -> None:
    def blur(features: np.ndarray) -> None:
        features[:] = np.random.default_rng(3).normal(5, 1, features.shape)

    assert "label errors not looked for" in look(before, change=blur)
    assert listed(before, "label error") == []


def test_what_the_deadline_leaves_no_time_for_is_said_and_labels_are_judged_all_the_same(before) -> None:
    late = replace(before, deadline_at=before.now() + 1e-6)
    found = look(late, flipped=(10,))
    assert "The deadline leaves no time" in found["outliers and near duplicates not looked for"].text
    assert "tulip/10.jpg" in listed(late, "label error")


@pytest.mark.parametrize(
    ("n", "seconds_left", "pretrained", "words"),
    [
        (2_000, float("inf"), True, ""),
        (2_000, 3_600, True, ""),
        (50_000, 60, True, "deadline leaves no time"),
        (200_000, float("inf"), True, "200000 images are more than the 100000"),
        (2_000, float("inf"), False, "random weights"),
    ],
)
def test_why_pairs_are_not_compared(n, seconds_left, pretrained, words) -> None:
    why = why_not(n, 1_000, seconds_left, pretrained=pretrained)
    assert words in why
    assert bool(why) == bool(words)
