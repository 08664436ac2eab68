from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.bundle.resize import load_pixels
from automl.data import near
from automl.data.near import NearPair, clusters_of, find_near, thumbnails
from tests.photos import ALTERATIONS, Pixels, a_photo, png

SIZE_PX = 96


def _map(*files: bytes, size_px: int = SIZE_PX) -> Pixels:
    return np.stack([load_pixels(data, size_px) for data in files])


def _found(pixels: Pixels) -> list[tuple[int, int]]:
    return [(pair.first, pair.second) for pair in find_near(pixels, np.arange(len(pixels))) if not pair.mirrored]


@pytest.fixture(scope="module")
def photos() -> list[Pixels]:
    """Forty different ones."""
    return [a_photo(number) for number in range(40)]


@pytest.mark.parametrize("altered", ALTERATIONS)
def test_every_altered_copy_is_found_and_no_two_photos_are_taken_for_copies(
    altered: Callable[[Pixels], bytes], photos: list[Pixels]
) -> None:
    pixels = _map(*map(png, photos), *map(altered, photos))

    assert _found(pixels) == [(at, at + len(photos)) for at in range(len(photos))]


def test_places_are_those_of_the_rows_that_were_asked(photos: list[Pixels]) -> None:
    pixels = _map(*map(png, photos[:4]), ALTERATIONS[0](photos[2]))

    (pair,) = find_near(pixels, np.array([4, 0, 2]))

    assert (pair.first, pair.second, pair.mirrored) == (0, 2, False)
    assert pair.bits <= near.MAX_BITS
    assert pair.detail >= near.MIN_DETAIL


def test_mirrored_copies_are_told_apart_from_plain_ones(photos: list[Pixels]) -> None:
    mostly = 0.45 * photos[5] + 0.45 * photos[5][:, ::-1] + 0.1 * photos[5]
    symmetric = mostly.astype(np.uint8)
    files = [png(photos[0]), png(photos[0][:, ::-1]), png(photos[1]), png(symmetric), ALTERATIONS[0](symmetric)]

    found = find_near(_map(*files), np.arange(5))

    assert [(pair.first, pair.second, pair.mirrored) for pair in found] == [(0, 1, True), (3, 4, False)]


def test_flat_pictures_and_plain_ramps_are_near_nothing() -> None:
    rng = np.random.default_rng(1)
    grey = np.full((20, 64, 64, 3), 128) + rng.integers(-1, 2, (20, 64, 64, 3))
    ramp = (
        np.broadcast_to(np.linspace(0, 255, 64)[None, None, :, None], (20, 64, 64, 3))
        + np.arange(20)[:, None, None, None]
    )

    assert _found(np.clip(np.concatenate([grey, ramp]), 0, 255).astype(np.uint8)) == []


def test_line_drawings_are_near_only_where_they_are_copies() -> None:
    drawings = np.full((30, 105, 105, 3), 255, np.uint8)
    for number, drawing in enumerate(drawings):
        rng = np.random.default_rng(number)
        along = np.linspace(0, 1, 400)
        for _ in range(2):
            bend = rng.uniform(15, 90, (4, 2))
            curve = sum(
                np.outer(weight, point)
                for weight, point in zip(
                    ((1 - along) ** 3, 3 * along * (1 - along) ** 2, 3 * along**2 * (1 - along), along**3),
                    bend,
                    strict=True,
                )
            ).astype(int)
            for step in range(3):
                drawing[curve[:, 0] + step, curve[:, 1]] = 0
    files = [png(drawing) for drawing in drawings]

    assert _found(_map(*files, ALTERATIONS[0](drawings[3]))) == [(3, 30)]


@pytest.mark.parametrize("size_px", [16, 24, 32, 48, 100, 160])
def test_thumbnails_are_the_means_of_tiles_at_any_size(size_px: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, size_px, size_px, 3), dtype=np.uint8)

    small = thumbnails(pixels)

    edge = min(32, size_px)
    assert small.shape == (3, edge, edge)
    grey = pixels @ np.array([0.299, 0.587, 0.114])
    bounds = np.arange(edge + 1) * size_px // edge
    expected = [[grey[:, a:b, c:d].mean(axis=(1, 2)) for c, d in pairwise(bounds)]
                for a, b in pairwise(bounds)]  # fmt: skip
    assert np.allclose(small, np.moveaxis(np.array(expected), 2, 0), atol=1e-2)


def test_pictures_of_sixteen_pixels_can_be_compared() -> None:
    pixels = _map(*(png(a_photo(number)) for number in range(6)), size_px=16)

    assert _found(np.concatenate([pixels, pixels[:1]])) == [(0, 6)]


def test_blocks_and_chunks_change_nothing(photos: list[Pixels], monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = _map(*map(png, photos[:12]), *map(ALTERATIONS[2], photos[:12]))
    whole = find_near(pixels, np.arange(24))

    for name in ("BLOCK_PAIRS", "BLOCK_CANDIDATES", "CHUNK_BYTES"):
        monkeypatch.setattr(near, name, 1)

    assert find_near(pixels, np.arange(24)) == whole
    assert len(whole) == 12


def test_many_copies_of_one_picture_hold_together_by_a_bounded_number_of_pairs(
    monkeypatch: pytest.MonkeyPatch, photos: list[Pixels]
) -> None:
    rng = np.random.default_rng(3)
    pixels = np.clip(_map(png(photos[0])) + rng.integers(-3, 4, (40, SIZE_PX, SIZE_PX, 3)), 0, 255).astype(np.uint8)
    monkeypatch.setattr(near, "MAX_NEIGHBOURS", 5)

    pairs = find_near(pixels, np.arange(40))

    assert len(pairs) <= 2 * 5 * 40
    assert {place for pair in pairs for place in (pair.first, pair.second)} == set(range(40))


def test_nothing_is_near_in_an_empty_set() -> None:
    assert find_near(np.zeros((3, 32, 32, 3), np.uint8), np.array([], dtype=np.int64)) == ()


def _pair(first: int, second: int) -> NearPair:
    return NearPair(first=first, second=second, bits=0, detail=1.0, mirrored=False)


def test_a_chain_is_broken_so_that_all_are_near_their_centre() -> None:
    chain = [_pair(at, at + 1) for at in range(6)]

    assert clusters_of(chain) == ((0, 1, 2), (3, 4), (5, 6))


@settings(deadline=None, max_examples=60)
@given(ties=st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda tie: tie[0] < tie[1])))
def test_clusters_are_disjoint_stars_of_pairs_and_leave_no_whole_pair_apart(ties: set[tuple[int, int]]) -> None:
    clusters = clusters_of([_pair(*tie) for tie in sorted(ties)])

    members = [place for cluster in clusters for place in cluster]
    assert len(members) == len(set(members))
    for cluster in clusters:
        assert any(
            all((min(centre, other), max(centre, other)) in ties for other in cluster if other != centre)
            for centre in cluster
        )
    assert all(tie[0] in members or tie[1] in members for tie in ties)
