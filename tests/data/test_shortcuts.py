"""What facts outside the picture give away, against probes that know much or little."""

from __future__ import annotations

import numpy as np
import pytest

from automl.data.shortcuts import ALL, FEWEST, Shortcut, facts_of, judge_shortcuts, loud
from automl.types import Image


def image(row: int, **facts: object) -> Image:
    plain: dict[str, object] = {"width_px": 300, "height_px": 200, "mode": "RGB", "format": "JPEG", "size_bytes": 9_000}
    return Image(path=f"{row}.jpg", label="", part=None, sha256=str(row), row=row, **(plain | facts))


def colours(n: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(80, 160, (n, 3))


def knows(labels: np.ndarray, n_classes: int, own: float) -> np.ndarray:
    """A probe that gives the label's class so much, and the others the rest."""
    return np.where(labels[:, None] == np.arange(n_classes), own, (1 - own) / (n_classes - 1))


def judged(images: list[Image], labels: np.ndarray, n_classes: int, own: float = 0.8) -> dict[str, Shortcut]:
    found = judge_shortcuts(images, colours(len(images)), labels, knows(labels, n_classes, own))
    return {one.facts: one for one in found}


@pytest.mark.parametrize(
    ("facts", "of_class"),
    [
        ("colour mode", [{"mode": "RGB"}, {"mode": "L"}]),
        ("file format", [{"format": "PNG"}, {"format": "JPEG"}]),
        ("size and aspect", [{"width_px": 640, "height_px": 480}, {"width_px": 224, "height_px": 224}]),
    ],
)
def test_a_fact_that_tells_the_classes_apart_is_loud_and_the_others_are_not(facts, of_class) -> None:
    labels = np.arange(120) % 2
    found = judged([image(row, **of_class[label]) for row, label in enumerate(labels)], labels, 2)
    assert found[facts].accuracy == 1
    assert {one.facts for one in loud(tuple(found.values()))} == {facts, ALL}


def test_a_mean_colour_that_tells_the_classes_apart_is_loud() -> None:
    labels = np.arange(120) % 3
    tones = colours(120) + 100 * labels[:, None]
    found = judge_shortcuts([image(row) for row in range(120)], tones, labels, knows(labels, 3, 0.8))
    assert found[0].facts in {"mean colour", ALL}
    assert loud(found)


def test_sources_that_hold_several_classes_each_are_loud_though_few_labels_are_named() -> None:
    """As in facial_csv: the colour mode tells the source, and nothing within it."""
    labels = np.arange(400) % 8
    found = judged([image(row, mode="RGB" if label < 4 else "L") for row, label in enumerate(labels)], labels, 8, 0.4)
    mode = found["colour mode"]
    chance, probe = 1 / 8, 1.0
    assert mode.accuracy - chance < (probe - chance) / 2
    assert mode in loud(tuple(found.values()))


def test_facts_that_know_nothing_are_not_loud_even_beside_a_probe_that_knows_nothing() -> None:
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 4, 300)
    images = [image(row, width_px=int(rng.integers(90, 500)), size_bytes=int(rng.integers(900, 9000)))
              for row in range(300)]  # fmt: skip
    for own in (0.9, 0.25):
        assert loud(tuple(judged(images, labels, 4, own).values())) == ()


def test_facts_that_help_a_little_are_named_and_not_loud() -> None:
    labels = np.arange(600) % 2
    other = np.random.default_rng(2).random(600) < 0.35
    found = judged([image(row, mode="L" if label ^ odd else "RGB") for row, (label, odd)
                    in enumerate(zip(labels, other, strict=True))], labels, 2)  # fmt: skip
    assert found["colour mode"].sure
    assert loud(tuple(found.values())) == ()


def test_facts_that_are_the_same_for_all_have_no_column_and_no_row() -> None:
    images = [image(row) for row in range(40)]
    tables = facts_of(images, colours(40))
    assert [name for name, table in tables.items() if table.size] == ["mean colour"]
    assert set(judged(images, np.arange(40) % 2, 2)) == {"mean colour", ALL}


def test_how_well_a_file_compresses_is_no_shortcut() -> None:
    labels = np.arange(120) % 2
    images = [image(row, size_bytes=9_000 * (1 + row % 2)) for row in range(120)]
    assert loud(tuple(judged(images, labels, 2).values())) == ()


def test_tiny_classes_few_images_and_one_class_are_endured() -> None:
    labels = np.zeros(40, np.int64)
    images = [image(row, mode="L" if row % 2 else "RGB") for row in range(40)]
    assert judged(images, labels, 2) == {}
    labels[7] = 1  # one image: the fold that holds it out has one class to learn from
    assert set(judged(images, labels, 3)) == {"colour mode", "mean colour", ALL}
    assert judged(images[: FEWEST - 1], labels[: FEWEST - 1], 3) == {}
