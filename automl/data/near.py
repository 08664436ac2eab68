"""Near duplicates: pictures that differ by a re-encoding, a resize or a small shift. Pure: pixels in, pairs out.

Three steps, each on the packed pixels. A small grey *thumbnail* of each picture; a 64-bit *hash* of its coarsest cosine
coefficients, by which all pairs are sifted; and the *confirmation* of what is left, by the correlation of the
thumbnails as a whole and of their details alone, the part of them that the hash has not seen.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.types import PixelRows

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]  # float32 everywhere
Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]

THUMB_PX: Final = 32
COARSE: Final = 8  # cosine coefficients a side that make the hash: 8 x 8 = 64 bits
# Measured on ten sets of real pictures, with copies of up to 200 of each re-encoded at JPEG quality 60, resized to 0.7,
# or moved by a pixel. Copies of flowers and dogcat (photos of 81 to 500 px) differ in 6 bits at most and their details
# correlate by .857 at least; their other pairs differ in 12 bits or more. Aligned faces, hands, x-rays and characters
# differ in as few as 4: there the correlations tell them apart. Whatever lies above .85 is true by eye (the same frame
# in other colours, or its neighbour); from .7 to .85 come other poses of one face or hand. Moved by one pixel of 100
# (sign_digits) details keep .869 (median), of 64 (smiles) .76, of 32 (cifar10_6k) .26: shifts of small pictures are
# missed, as are copies of exactly symmetric ones, half of whose hash is noise.
MAX_BITS: Final = 12
MIN_WHOLE: Final = 0.9
MIN_DETAIL: Final = 0.85
MIN_CONTRAST: Final = (
    1.0  # standard deviation in grey levels; the flattest pictures of the ten sets have details of 1.7
)
MAX_NEIGHBOURS: Final = (
    64  # candidates a picture, the nearest first: thousands of frames of one still are held together
)
# by as many, and memory stays bounded

CHUNK_BYTES: Final = 8 * 2**20  # of pixels, made small together
IN_MEMORY_BYTES: Final = 64 * 2**20  # of thumbnails; 200,000 pictures have 410 MB
BLOCK_PAIRS: Final = 2**21  # hashes compared together; 8 bytes a pair
BLOCK_CANDIDATES: Final = 2048  # thumbnails compared together; 8 MB of each side
MIRROR: Final = np.where(np.arange(COARSE) % 2, -1, 1).astype(np.float32)  # what a mirror does to cosines along a row
_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601-7, as Pillow's mode L


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPair:
    """Two pictures that are nearly the same, by their places in the array."""

    first: int
    second: int  # above first
    bits: int  # of the 64 of the hash that differ
    detail: float  # correlation of the details, at most 1
    mirrored: bool  # the first is like the second's mirror image


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What is compared of n pictures; 2 KB a picture."""

    hashes: Hashes  # uint64 (n,)
    mirrors: Hashes  # of the mirror images
    thumbs: NDArray[np.float16]  # (n, t, t), grey 0..255
    flat: NDArray[np.bool_]  # (n,): no contrast or no detail to go by; never near anything


def find_near(pixels: PixelRows, rows: Indices) -> tuple[NearPair, ...]:
    """All pairs of nearly the same pictures among these rows of a store.

    Args:
        pixels: uint8 (n, s, s, 3), s at least 16; a store is read once, in chunks.
        rows: int64 (m,), of different pictures: exact copies would only be found again.
    Returns: pairs by their places in `rows`, sorted; what is near both ways (symmetric pictures) is not mirrored.
    """
    views = look_at(pixels, rows)
    found = [
        pair
        for mirrored in (False, True)
        for candidates in _candidates(views, mirrored)
        for pair in _confirmed(views, *candidates, mirrored)
    ]
    plain = {(pair.first, pair.second) for pair in found if not pair.mirrored}
    return tuple(
        sorted(
            (pair for pair in found if not (pair.mirrored and (pair.first, pair.second) in plain)),
            key=lambda pair: (pair.first, pair.second),
        )
    )


def look_at(pixels: PixelRows, rows: Indices) -> Views:
    """Thumbnails and hashes of these rows, chunk by chunk.

    The hash is the sign of each of the 8 x 8 coarsest cosine coefficients (DCT-II) against their median, the mean grey
    left out of the median: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, 3.2.
    """
    edge = min(THUMB_PX, pixels.shape[1])
    hashes, mirrors = np.empty((2, len(rows)), np.uint64)
    thumbs = _spacious((len(rows), edge, edge))
    flat = np.empty(len(rows), np.bool_)
    step = max(1, CHUNK_BYTES // math.prod(pixels.shape[1:]))
    for start in range(0, len(rows), step):
        chunk = slice(start, start + step)
        small = thumbnails(pixels[rows[chunk]])
        coarse = _coarse(small)
        hashes[chunk] = _bits(coarse)
        mirrors[chunk] = _bits(coarse * MIRROR)
        thumbs[chunk] = small
        flat[chunk] = np.minimum(small.std(axis=(1, 2)), _detail(small).std(axis=(1, 2))) < MIN_CONTRAST
    return Views(hashes=hashes, mirrors=mirrors, thumbs=thumbs, flat=flat)


def _spacious(shape: tuple[int, int, int]) -> NDArray[np.float16]:
    """An array to be filled: a large one on the disk of temporary files, where there is room, and nameless there."""
    size = 2 * math.prod(shape)
    if size > IN_MEMORY_BYTES:
        try:
            with tempfile.TemporaryFile() as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is told here, and no signal later
                return np.memmap(file, np.float16, "r+", shape=shape)
        except OSError:
            pass  # memory may have what the disk has not
    return np.empty(shape, np.float16)


def thumbnails(pixels: Pixels) -> Floats:
    """Means of equal tiles, grey: uint8 (n, s, s, 3) to float32 (n, t, t), 0..255; t is THUMB_PX, or s if smaller."""
    size = pixels.shape[1]
    edge = min(THUMB_PX, size)
    edges = np.arange(edge + 1) * size // edge
    # Rows first, in integers: a third of the time of reduceat, and far from that of a float copy of all pixels.
    bands = [pixels[:, top:end].sum(axis=1, dtype=np.uint32) for top, end in pairwise(edges)]
    grey = np.stack(bands, axis=1).astype(np.float32) @ _GREY
    lengths = np.diff(edges).astype(np.float32)
    means: Floats = np.add.reduceat(grey, edges[:-1], axis=2) / np.outer(lengths, lengths)
    return means


def clusters_of(pairs: Sequence[NearPair]) -> tuple[tuple[int, ...], ...]:
    """Who belongs together: stars, so that a chain of small steps never joins pictures that are unlike.

    The picture with the most partners takes them all and is their centre; then the next one that nobody has taken takes
    those of its partners that are left. Ties go to the lowest place.
    Returns: places, ascending, two or more a cluster; sorted.
    """
    partners: defaultdict[int, set[int]] = defaultdict(set)
    for pair in pairs:
        partners[pair.first].add(pair.second)
        partners[pair.second].add(pair.first)
    taken: set[int] = set()
    found = []
    for centre in sorted(partners, key=lambda place: (-len(partners[place]), place)):
        members = {centre, *partners[centre]} - taken
        if centre not in taken and len(members) > 1:
            found.append(tuple(sorted(members)))
            taken |= members
    return tuple(sorted(found))


def _coarse(thumbs: Floats) -> Floats:
    """Orthonormal DCT-II, the coarsest coefficients alone: float32 (n, t, t) to (n, COARSE, COARSE)."""
    basis = _basis(thumbs.shape[1])
    coarse: Floats = basis @ thumbs @ basis.T
    return coarse


def _bits(coarse: Floats) -> Hashes:
    values = coarse.reshape(len(coarse), -1)
    bits: Hashes = np.packbits(values > np.median(values[:, 1:], axis=1, keepdims=True), axis=1).view(np.uint64)[:, 0]
    return bits


def _detail(thumbs: Floats) -> Floats:
    """Thumbnails without their coarse coefficients: mean 0, float32 (n, t, t)."""
    basis = _basis(thumbs.shape[1])
    detail: Floats = thumbs - basis.T @ _coarse(thumbs) @ basis
    return detail


def _basis(edge: int) -> Floats:
    """Float32 (COARSE, edge): the coarsest cosines, orthonormal."""
    cosines = np.cos(np.pi * np.outer(np.arange(COARSE), np.arange(edge) + 0.5) / edge) * np.sqrt(2 / edge)
    cosines[0] /= np.sqrt(2)
    basis: Floats = cosines.astype(np.float32)
    return basis


def _correlation(first: Floats, second: Floats) -> Floats:
    """Of each pair of pictures: float32 (n, t, t) twice to (n,), -1..1."""
    a, b = (each - each.mean(axis=(1, 2), keepdims=True) for each in (first, second))
    norms = np.sqrt(np.einsum("nij,nij->n", a, a) * np.einsum("nij,nij->n", b, b))
    correlation: Floats = np.einsum("nij,nij->n", a, b) / np.maximum(norms, 1e-6)
    return correlation


def _candidates(views: Views, mirrored: bool) -> Iterator[tuple[Indices, Indices, Indices]]:
    """Pairs whose hashes differ in few bits, block by block: first places, second places, bits."""
    places = np.flatnonzero(~views.flat)
    hashes = views.hashes[places]
    others = views.mirrors[places] if mirrored else hashes
    step = max(1, BLOCK_PAIRS // max(1, len(hashes)))
    for start in range(0, len(hashes), step):
        bits = np.bitwise_count(hashes[start : start + step, None] ^ others[None, start:])
        at, other = np.nonzero(bits <= MAX_BITS)
        upper = other > at
        at, other = at[upper], other[upper]
        distance = bits[at, other].astype(np.int64)
        near = _nearest(at, distance)
        yield places[at[near] + start], places[other[near] + start], distance[near]


def _nearest(at: Indices, distance: Indices) -> Indices:
    """Which candidates stay: MAX_NEIGHBOURS of each picture at most, the nearest first."""
    order = np.lexsort((distance, at))
    firsts = np.searchsorted(at[order], at[order])
    nearest: Indices = order[np.arange(len(order)) - firsts < MAX_NEIGHBOURS]
    return nearest


def _confirmed(views: Views, first: Indices, second: Indices, bits: Indices, mirrored: bool) -> Iterator[NearPair]:
    """The candidates that correlate as a whole and in their details."""
    for start in range(0, len(first), BLOCK_CANDIDATES):
        a, b = first[start : start + BLOCK_CANDIDATES], second[start : start + BLOCK_CANDIDATES]
        left, right = views.thumbs[a].astype(np.float32), views.thumbs[b].astype(np.float32)
        if mirrored:
            right = right[:, :, ::-1]
        detail = _correlation(_detail(left), _detail(right))
        near = (_correlation(left, right) >= MIN_WHOLE) & (detail >= MIN_DETAIL)
        for at in np.flatnonzero(near):
            yield NearPair(
                first=int(a[at]),
                second=int(b[at]),
                bits=int(bits[start + at]),
                detail=round(float(detail[at]), 3),
                mirrored=mirrored,
            )
