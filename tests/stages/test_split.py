from __future__ import annotations

import re
import shutil
from pathlib import Path

from automl.data.images import read_images, read_near, read_split
from automl.recipe.model import Recipe
from automl.records import Parted
from automl.runtime.context import StageContext
from automl.stages import check, split
from automl.types import PARTS
from tests.conftest import MakeContext, QuietFront
from tests.photos import a_photo, png, re_encoded


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


def test_near_copies_are_listed_with_mirrored_ones_for_later_stages(make_context: MakeContext, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(12):
            photo = a_photo(number + 100 * (label == "dog"))
            (tmp_path / "set" / label / f"{number:02}.png").write_bytes(png(photo))
    (tmp_path / "set" / "cat" / "again.jpg").write_bytes(re_encoded(a_photo(3)))
    (tmp_path / "set" / "cat" / "turned.png").write_bytes(png(a_photo(4)[:, ::-1]))

    _, ctx = _split(make_context, tmp_path / "set")

    pairs = [(pair.first, pair.second, pair.mirrored) for pair in read_near(ctx.output("near.csv"))]
    assert pairs == [("cat/03.png", "cat/again.jpg", False), ("cat/04.png", "cat/turned.png", True)]


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


def _weighted(folder: Path, weights: dict[str, float]) -> None:
    """A manifest that gives all bars to a part in turn, with the weight of their class."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.png"))
    parts = ("train", "train", "validation", "test")
    rows = [
        f"{file},{file.split('/')[0]},{parts[at % 4]},{weights[file.split('/')[0]]}" for at, file in enumerate(files)
    ]
    (folder / "labels.csv").write_text("path,label,split,weight\n" + "\n".join(rows) + "\n")


def test_weights_reach_the_table_the_record_and_the_findings(make_context: MakeContext, bars_dataset: Path) -> None:
    _weighted(bars_dataset, {"across": 0.5, "down": 1.0, "slant": 3.0})
    parted, ctx = _split(make_context, bars_dataset)

    table = read_split(ctx.output("split.csv"))
    assert {(line.label, line.weight) for line in table} == {("across", 0.5), ("down", 1.0), ("slant", 3.0)}
    counts = {label: sum(line.label == label and line.part == "train" for line in table) for label in parted.per_class}
    assert parted.weighting is not None
    assert parted.weighting.total == sum(line.weight for line in table if line.part == "train")
    assert parted.weighting.effective == counts  # within a class all weigh alike
    assert "weights" in {finding.kind for finding in parted.findings}


def test_a_class_of_weight_zero_stops(make_context: MakeContext, bars_dataset: Path) -> None:
    _weighted(bars_dataset, {"across": 0, "down": 1.0, "slant": 3.0})
    parted, _ = _split(make_context, bars_dataset)
    assert (parted.findings[0].kind, parted.findings[0].severity) == ("classes without weight", "stop")
    assert re.match(r"class 'across' has \d+ image\(s\) in train, and the weight of each is 0", parted.findings[0].text)


def test_without_weights_the_record_has_none(make_context: MakeContext, bars_dataset: Path) -> None:
    parted, _ = _split(make_context, bars_dataset)
    assert parted.weighting is None
    assert not [finding for finding in parted.findings if "weight" in finding.kind]


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
