"""Hypothesis strategies that rooms share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hypothesis import strategies as st

from automl.types import Image, Part


def seeds() -> st.SearchStrategy[int]:
    """A recipe's seeds."""
    return st.integers(1, 2**31 - 1)


def an_image(path: str, label: str, content: str, *, part: Part | None = None, row: int = 0) -> Image:
    """An image whose bytes are told apart by `content` alone."""
    return Image(
        path=path,
        label=label,
        part=part,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        width_px=32,
        height_px=24,
        mode="RGB",
        format="PNG",
        size_bytes=100,
        row=row,
    )


@st.composite
def image_lists(
    draw: st.DrawFn,
    *,
    min_classes: int = 2,
    max_classes: int = 4,
    min_distinct: int = 4,
    max_distinct: int = 40,
    part: Part | None = None,
) -> list[Image]:
    """Classes of enough different images, some of them several times, and a few contents in two classes; shuffled."""
    images: list[Image] = []
    labels = [f"class {number}" for number in range(draw(st.integers(min_classes, max_classes)))]
    for label in labels:
        for number in range(draw(st.integers(min_distinct, max_distinct))):
            copies = draw(st.sampled_from((1, 1, 1, 1, 2, 3)))
            images += [
                an_image(f"{label}/{number}-{copy}.png", label, f"{label} {number}", part=part)
                for copy in range(copies)
            ]
    for number in range(draw(st.integers(0, 3))):
        images += [an_image(f"{label}/both-{number}.png", label, f"both {number}", part=part) for label in labels[:2]]
    return draw(st.permutations(images))


def by_sha256(images: Sequence[Image]) -> dict[str, list[Image]]:
    """The images of each content."""
    groups: dict[str, list[Image]] = {}
    for image in images:
        groups.setdefault(image.sha256, []).append(image)
    return groups
