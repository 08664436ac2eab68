"""Features on the disk, block by block."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from automl.nets import blocks
from automl.nets.blocks import join_blocks, n_written, read_blocks, write_blocks
from automl.nets.build import build_backbone, build_extractor
from automl.nets.catalogue import SMALLNET
from automl.nets.features import extract_features

SIZE_PX = 16


@pytest.fixture(scope="module")
def extractor() -> Any:
    keras.utils.set_random_seed(1)
    return build_extractor(build_backbone(SMALLNET, SIZE_PX))


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 4)


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (n, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)


def test_blocks_hold_what_one_pass_gives_in_the_order_that_was_asked_for(extractor: Any, tmp_path: Path) -> None:
    pixels, rows = pictures(11), np.array([7, 0, 3, 10, 5, 1])
    ticks: list[tuple[int, int]] = []
    write_blocks(tmp_path, "sample", extractor, pixels, rows, batch_size=2, progress=lambda *tick: ticks.append(tick))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sample-0-4.npz", "sample-4-6.npz"]
    features, seconds = read_blocks(tmp_path, "sample", 6)
    np.testing.assert_array_equal(features, extract_features(extractor, pixels, rows=rows, batch_size=2).features)
    assert seconds > 0
    assert ticks == [(2, 6), (4, 6), (6, 6)]


def test_a_pass_that_was_cut_goes_on_after_its_last_whole_block(
    extractor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, rows = pictures(10), np.arange(10)
    write_blocks(tmp_path, "sample", extractor, pixels, rows, batch_size=2)
    whole, _ = read_blocks(tmp_path, "sample", 10)
    (tmp_path / "sample-4-8.npz").unlink()
    assert n_written(tmp_path, "sample", 10) == 4
    seen: list[int] = []
    extract = blocks.extract_features

    def noted(*args: Any, rows: np.ndarray, **named: Any) -> Any:
        seen.extend(rows.tolist())
        return extract(*args, rows=rows, **named)

    monkeypatch.setattr(blocks, "extract_features", noted)
    write_blocks(tmp_path, "sample", extractor, pixels, rows, batch_size=2)
    assert seen == [4, 5, 6, 7, 8, 9]
    np.testing.assert_array_equal(read_blocks(tmp_path, "sample", 10)[0], whole)


def test_a_longer_sample_takes_over_the_whole_blocks_of_a_shorter_one(extractor: Any, tmp_path: Path) -> None:
    pixels, order = pictures(10), np.random.default_rng(1).permutation(10)
    write_blocks(tmp_path, "sample", extractor, pixels, order[:4], batch_size=2)
    assert n_written(tmp_path, "sample", 10) == 4
    write_blocks(tmp_path, "sample", extractor, pixels, order, batch_size=2)
    np.testing.assert_allclose(
        read_blocks(tmp_path, "sample", 10)[0],
        extract_features(extractor, pixels, rows=order, batch_size=2).features,
        rtol=1e-5,
    )


def test_two_passes_are_joined_by_row(extractor: Any, tmp_path: Path) -> None:
    pixels, order = pictures(10), np.random.default_rng(2).permutation(10)
    passes = [(tmp_path / stem, stem, rows) for stem, rows in (("sample", order[:6]), ("rest", np.sort(order[6:])))]
    for folder, stem, rows in passes:
        write_blocks(folder, stem, extractor, pixels, rows, batch_size=2)
    join_blocks(tmp_path / "features.npy", passes)
    joined = np.load(tmp_path / "features.npy", allow_pickle=False)
    assert joined.dtype == np.float32
    np.testing.assert_allclose(joined, extract_features(extractor, pixels, batch_size=2).features, rtol=1e-5)


def test_joining_holds_no_more_than_a_block(tmp_path: Path) -> None:
    n, d = 400, 20_000
    for at in range(0, n, 4):
        np.savez(tmp_path / f"sample-{at}-{at + 4}.npz", features=np.ones((4, d), np.float32), seconds=1.0)
    tracemalloc.start()
    join_blocks(tmp_path / "features.npy", [(tmp_path, "sample", np.arange(n))])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "features.npy").stat().st_size > 4 * n * d
    assert peak < 4 * n * d / 10
