from __future__ import annotations

import shutil
from pathlib import Path

from automl.data.images import read_images, read_split
from automl.recipe.model import Recipe
from automl.records import Parted
from automl.runtime.context import StageContext
from automl.stages import check, split
from automl.types import PARTS
from tests.conftest import MakeContext, QuietFront


def _split(make_context: MakeContext, dataset: Path, recipe: Recipe | None = None) -> tuple[Parted, StageContext]:
    _check(make_context, dataset, recipe)
    ctx = make_context("split", dataset, recipe)
    return split.run(ctx), ctx


def _check(make_context: MakeContext, dataset: Path, recipe: Recipe | None = None) -> StageContext:
    ctx = make_context("check", dataset, recipe)
    ctx.folder.write_record(check.run(ctx))
    return ctx


def test_every_image_gets_a_part_and_the_counts_agree_with_the_table(
    make_context: MakeContext, bars_dataset: Path
) -> None:
    parted, ctx = _split(make_context, bars_dataset)

    table = read_split(ctx.folder.stage("split") / "split.csv")
    images = {image.path: image for image in read_images(ctx.input("check", "images.csv"))}
    assert [line.path for line in table] == sorted(images)
    assert all((line.row, line.label) == (images[line.path].row, images[line.path].label) for line in table)
    assert all(set(counts) == set(PARTS) and min(counts.values()) >= 1 for counts in parted.per_class.values())
    assert parted.leakage == {"same pixels": 0, "near copies": 0, "groups": 0}
    assert parted.per_part == {part: sum(line.part == part for line in table) for part in PARTS}
    assert (parted.given, parted.left_out, sum(parted.per_part.values())) == ((), 0, 60)


def test_the_seed_decides(make_context: MakeContext, bars_dataset: Path) -> None:
    tables = []
    for seed in (1, 1, 2):
        _, ctx = _split(make_context, bars_dataset, Recipe(seed=seed))
        tables.append((ctx.folder.stage("split") / "split.csv").read_bytes())

    assert tables[0] == tables[1] != tables[2]


def test_contradicting_copies_are_left_out_and_check_warns_of_them(
    make_context: MakeContext, bars_dataset: Path
) -> None:
    shutil.copy(bars_dataset / "across" / "000.png", bars_dataset / "down" / "copy.png")
    check_ctx = _check(make_context, bars_dataset)

    ctx = make_context("split", bars_dataset)
    parted = split.run(ctx)

    assert parted.left_out == 2
    assert sum(parted.per_part.values()) == 59
    assert isinstance(check_ctx.front, QuietFront)
    assert "'across/000.png' for one in 'across' and 'down'" in check_ctx.front.warnings[0]


def test_given_parts_are_kept_and_leaks_are_warned_of(make_context: MakeContext, bars_dataset: Path) -> None:
    given = bars_dataset.parent / "given"
    shutil.copytree(bars_dataset, given / "train")
    for label in ("across", "down", "slant"):
        (given / "test" / label).mkdir(parents=True)
        for number in range(4):
            (given / "train" / label / f"{number:03}.png").rename(given / "test" / label / f"{number:03}.png")
    shutil.copy(given / "test" / "down" / "001.png", given / "train" / "down" / "leak.png")

    parted, ctx = _split(make_context, given)

    assert parted.given == ("train", "test")
    assert parted.per_part["test"] == 12
    assert sum(parted.per_part.values()) == 60
    assert parted.left_out == 1
    assert isinstance(ctx.front, QuietFront)
    assert "1 image(s) lie both in train and in test" in ctx.front.warnings[0]
    table = {line.path: line.part for line in read_split(ctx.folder.stage("split") / "split.csv")}
    assert "train/down/leak.png" not in table
    assert all(part == "test" for path, part in table.items() if path.startswith("test/"))


def test_what_cannot_be_cut_is_a_finding_that_stops_beside_all_others(
    make_context: MakeContext, bars_dataset: Path
) -> None:
    given = bars_dataset.parent / "given"
    shutil.copytree(bars_dataset, given / "train")
    for label, wanted in (("across", 3), ("down", 20), ("slant", 20)):
        for path in sorted((given / "train" / label).iterdir())[wanted:]:
            path.unlink()
        (given / "test" / label).mkdir(parents=True)
    for label in ("across", "down", "slant"):
        shutil.copy(given / "train" / label / "000.png", given / "test" / label / "leak.png")
    for label in ("across", "down", "slant"):
        (given / "train" / label / "001.png").rename(given / "test" / label / "001.png")

    parted, _ = _split(make_context, given)

    assert parted.findings[0].kind == "cannot be split"
    assert parted.findings[0].severity == "stop"
    assert "class 'across' has 1 different image(s)" in parted.findings[0].text
    assert "same images in train and test" in {finding.kind for finding in parted.findings}
    assert not {finding.kind for finding in parted.findings} & {"classes missing in validation"}
    assert parted.leakage["same pixels"] == 3
