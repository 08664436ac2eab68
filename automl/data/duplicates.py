"""Which files show the same: the same bytes, the same packed pixels, or nearly the same picture."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from automl.types import Image, PixelRows

if TYPE_CHECKING:  # check and findings need by_content alone
    pass

Group = tuple[Image, ...]  # the same content; sorted by path

CHUNK_BYTES: Final = 8 * 2**20  # of pixels, read together
MIN_SIDE_PX: Final = 32
"""Smaller pictures are compared exactly alone: what a packed square shows of their details is the resize's own. Of
1,797 digits of 8 px, packed at 32 px, 930 pairs passed for near duplicates (10 bits, details .8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearCopy:
    """Two images of different contents that show nearly the same, each named by its content's first path."""

    first: str  # path, before second
    second: str
    bits: int  # of the 64 of the hash that differ
    detail: float  # correlation of the details, at most 1
    mirrored: bool = False  # the one is like the other's mirror image


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What is known of a dataset's copies; nothing, unless looked for."""

    content: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """path -> key of the content, where another file has the same packed pixels: the smallest sha256 among them.
    Elsewhere the file's own sha256 is the key."""
    near: tuple[NearCopy, ...] = ()  # not mirrored
    mirrored: tuple[NearCopy, ...] = ()
    clusters: tuple[tuple[str, ...], ...] = ()  # first paths of contents that belong together, two or more

    def key(self, image: Image) -> str:
        """What two images of the same content have in common."""
        return self.content.get(image.path, image.sha256)


def by_content(images: Iterable[Image], copies: Copies | None = None) -> dict[str, Group]:
    """The images of each content; keys and groups are in an order that the input's does not change.

    Args:
        copies: where given, the same packed pixels count as the same content; else the same bytes alone do.
    """
    key = copies.key if copies else _bytes_of
    groups: defaultdict[str, list[Image]] = defaultdict(list)
    for image in images:
        groups[key(image)].append(image)
    return {content: tuple(sorted(groups[content], key=lambda image: image.path)) for content in sorted(groups)}


def is_conflicting(group: Group) -> bool:
    """Whether the same content carries more than one label, so that at least one is wrong."""
    return len({image.label for image in group}) > 1


def distinct_per_class(images: Iterable[Image]) -> dict[str, int]:
    """How many different contents each class has, those with conflicting labels left out."""
    counts: defaultdict[str, int] = defaultdict(int)
    for group in by_content(images).values():
        if not is_conflicting(group):
            counts[group[0].label] += 1
    return dict(counts)


def find_copies(images: Sequence[Image], pixels: PixelRows, *, near: bool = True) -> Copies:
    """Compare all images with each other.

    Args:
        images: in any order.
        pixels: uint8 (n, s, s, 3), a store; an image's `row` is its row there.
        near: false: the same pixels alone are looked for.
    """
    digests: defaultdict[bytes, list[Image]] = defaultdict(list)
    ordered = sorted(images, key=lambda image: image.row)
    step = max(1, CHUNK_BYTES // math.prod(pixels.shape[1:]))
    for start in range(0, len(ordered), step):
        chunk = ordered[start : start + step]
        for image, picture in zip(chunk, pixels[[image.row for image in chunk]], strict=True):
            digests[hashlib.blake2b(picture.data, digest_size=16).digest()].append(image)
    alike = {image.path: min(other.sha256 for other in group) for group in digests.values() if len(group) > 1
             for image in group}  # fmt: skip
    copies = Copies(content=alike)
    return _with_near(copies, images, pixels) if near else copies


def _with_near(copies: Copies, images: Sequence[Image], pixels: PixelRows) -> Copies:
    import numpy as np

    from automl.data.near import clusters_of, find_near

    firsts = [group[0] for group in by_content(images, copies).values()]
    asked = sorted(
        (image for image in firsts if min(image.width_px, image.height_px) >= MIN_SIDE_PX), key=lambda image: image.path
    )
    found = find_near(pixels, np.array([image.row for image in asked], dtype=np.int64))
    pairs = [
        NearCopy(
            first=asked[pair.first].path,
            second=asked[pair.second].path,
            bits=pair.bits,
            detail=pair.detail,
            mirrored=pair.mirrored,
        )
        for pair in found
    ]
    return Copies(
        content=copies.content,
        near=tuple(pair for pair in pairs if not pair.mirrored),
        mirrored=tuple(pair for pair in pairs if pair.mirrored),
        clusters=tuple(
            tuple(asked[at].path for at in cluster) for cluster in clusters_of([p for p in found if not p.mirrored])
        ),
    )


def _bytes_of(image: Image) -> str:
    return image.sha256
