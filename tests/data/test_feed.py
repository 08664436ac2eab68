from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.feed import batches, steps_per_epoch, training_batches

PIXELS = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2).repeat(3, 3)
ROWS = np.arange(3, 36)
LABELS = ROWS % 5


@settings(deadline=None, max_examples=30)
@given(n=st.integers(0, 33), batch_size=st.integers(1, 40))
def test_plain_batches_give_every_row_once_in_order(n: int, batch_size: int) -> None:
    got = list(batches(PIXELS, ROWS[:n], LABELS[:n], batch_size))

    assert [int(value) for pixels, _ in got for value in pixels[:, 0, 0, 0]] == ROWS[:n].tolist()
    assert [int(label) for _, labels in got for label in labels] == LABELS[:n].tolist()
    assert all(len(pixels) == batch_size for pixels, _ in got[:-1])


def _epoch(seed: int, epoch: int, *, batch_size: int = 8, n: int = 33) -> list[tuple[np.ndarray, ...]]:
    feed = training_batches(PIXELS, ROWS[:n], LABELS[:n], batch_size=batch_size, seed=seed, epoch=epoch)
    return list(feed.as_numpy_iterator())


def _rows(epoch: list[tuple[np.ndarray, ...]]) -> list[int]:
    return [int(value) for pixels, _, _ in epoch for value in pixels[:, 0, 0, 0]]


def test_training_batches_are_whole_shuffled_and_carry_their_own_labels() -> None:
    epoch = _epoch(1, 1)

    assert len(epoch) == steps_per_epoch(33, 8) == 4
    rows = _rows(epoch)
    assert len(set(rows)) == 32
    assert rows != sorted(rows)
    assert set(rows) <= set(ROWS.tolist())
    for pixels, labels, seed in epoch:
        assert (pixels.shape, pixels.dtype) == ((8, 4, 4, 3), np.uint8)
        assert (labels.dtype, seed.shape, seed.dtype) == (np.int64, (2,), np.int32)
        assert np.array_equal(pixels[:, 0, 0, 0] % 5, labels)


def test_the_same_seed_and_epoch_give_the_same_batches_and_others_do_not() -> None:
    first, again, later, other = _epoch(1, 1), _epoch(1, 1), _epoch(1, 2), _epoch(2, 1)

    for (pixels, labels, seed), (pixels2, labels2, seed2) in zip(first, again, strict=True):
        assert np.array_equal(pixels, pixels2)
        assert np.array_equal(labels, labels2)
        assert np.array_equal(seed, seed2)
    assert _rows(first) != _rows(later)
    assert _rows(first) != _rows(other)
    batch_seeds = {tuple(seed.tolist()) for epoch in (first, later, other) for _, _, seed in epoch}
    assert len(batch_seeds) == 12


def test_what_one_epoch_leaves_over_comes_in_another() -> None:
    assert {row for epoch in range(12) for row in _rows(_epoch(5, epoch))} == set(ROWS.tolist())


@pytest.mark.parametrize(
    ("n", "batch_size", "shape"), [(3, 8, (3, 4, 4, 3)), (8, 8, (8, 4, 4, 3)), (1, 1, (1, 4, 4, 3))]
)
def test_fewer_rows_than_a_batch_are_one_batch_of_them_all(n: int, batch_size: int, shape: tuple[int, ...]) -> None:
    epoch = _epoch(1, 1, n=n, batch_size=batch_size)

    assert [pixels.shape for pixels, _, _ in epoch] == [shape]
    assert sorted(_rows(epoch)) == ROWS[:n].tolist()


def test_shapes_are_static_for_the_graph() -> None:
    feed = training_batches(PIXELS, ROWS, LABELS, batch_size=8, seed=1, epoch=1)

    assert [tuple(spec.shape) for spec in feed.element_spec] == [(8, 4, 4, 3), (8,), (2,)]


def test_plain_batches_need_no_tensorflow() -> None:
    program = "import sys, automl.data.feed; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_weights_come_with_their_images_and_change_nothing_else() -> None:
    weights = ROWS.astype(np.float32) / 8
    plain = _epoch(1, 2)
    weighted = list(
        training_batches(PIXELS, ROWS, LABELS, weights=weights, batch_size=8, seed=1, epoch=2).as_numpy_iterator()
    )
    assert len(weighted) == len(plain)
    for (pixels, labels, seed, own), (*expected,) in zip(weighted, plain, strict=True):
        for mine, theirs in zip((pixels, labels, seed), expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert own.dtype == np.float32
        np.testing.assert_array_equal(own, pixels[:, 0, 0, 0].astype(np.float32) / 8)
