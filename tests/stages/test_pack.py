from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from automl.bundle.resize import load_pixels
from automl.data.images import read_split, write_split
from automl.data.pack import read_index
from automl.data.store import open_pixels
from automl.data.weights import read_weights
from automl.errors import StageFailed
from automl.recipe.model import Pack, Recipe
from automl.runtime.context import StageContext
from automl.stages import check, pack, split
from automl.types import PARTS
from tests.conftest import MakeContext

RECIPE = Recipe(pack=Pack(size_px=32))


@pytest.fixture
def packing(make_context: MakeContext, bars_dataset: Path) -> StageContext:
    """The bars, checked and split."""
    for stage in (check, split):
        ctx = make_context(stage.__name__.split(".")[-1], bars_dataset, RECIPE)
        ctx.folder.write_record(stage.run(ctx))
    return make_context("pack", bars_dataset, RECIPE)


def test_the_index_leads_from_a_part_to_its_files_pixels_and_labels(packing: StageContext) -> None:
    packed = pack.run(packing)

    pixels = open_pixels(packing.input("check", "pixels-32"))
    table = {line.row: line for line in read_split(packing.input("split", "split.csv"))}
    for part in PARTS:
        rows, labels = read_index(packing.folder.stage("pack"), part)
        assert len(rows) == packed.per_part[part]
        assert {table[row].part for row in rows} == {part}
        assert [table[row].label for row in rows] == [("across", "down", "slant")[label] for label in labels]
        data = (packing.dataset / table[rows[0]].path).read_bytes()
        assert np.array_equal(pixels[rows[0]], load_pixels(data, 32))
    assert packed.sizes_px == (32,)
    assert packed.map_bytes == 60 * 32 * 32 * 3


def test_the_statistics_are_of_the_training_part_alone(packing: StageContext) -> None:
    packed = pack.run(packing)

    rows, _ = read_index(packing.folder.stage("pack"), "train")
    train = open_pixels(packing.input("check", "pixels-32"))[rows]
    assert packed.mean == pytest.approx(train.mean(axis=(0, 1, 2)))
    assert packed.std == pytest.approx(train.std(axis=(0, 1, 2)))
    with PillowImage.open(packing.folder.stage("pack") / "samples.png") as samples:
        assert samples.size == (8 * 36 - 4, 3 * 36 - 4)


def test_a_damaged_map_is_refused(packing: StageContext) -> None:
    with packing.input("check", "pixels-32/00000.u8").open("r+b") as file:
        file.truncate(1000)

    with pytest.raises(StageFailed, match=r"pixels-32/00000\.u8 has 1000 bytes.*--redo check"):
        pack.run(packing)


def test_weights_lie_beside_the_labels_of_train_and_images_of_weight_zero_are_in_no_part(packing: StageContext) -> None:
    pack.run(packing)
    assert not packing.output("train-weights.npy").exists()

    table = [
        replace(line, weight=float(line.row % 4)) if line.part == "train" else line
        for line in read_split(packing.input("split", "split.csv"))
    ]
    write_split(packing.input("split", "split.csv"), table)
    packed = pack.run(packing)

    rows, labels = read_index(packing.folder.stage("pack"), "train")
    weights = read_weights(packing.folder.stage("pack"))
    assert weights is not None
    assert sorted(rows) == sorted(line.row for line in table if line.part == "train" and line.weight)
    assert len(rows) == len(labels) == len(weights) == packed.per_part["train"]
    np.testing.assert_allclose(weights / weights[0], (rows % 4) / (rows[0] % 4), rtol=1e-6)
    assert packed.per_part["test"] == sum(line.part == "test" for line in table)
