"""Who learns from what: every image goes to train, validation or test.

An image's place is decided by its content alone (its unit's, see units.py): a hash of seed and content is a number in
[0, 1), and each part has its stretch of them. So a growing dataset moves no old image. The price is chance in the sizes
of the parts, and nobody who keeps that promise without a memory can do better: what holds for an image in any company
holds for it alone, so its part is a function of its content, and of independent images a binomial number meets one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from automl.data.duplicates import Copies, by_content, is_conflicting
from automl.data.units import Unit, units_of
from automl.data.wording import first_of
from automl.errors import DataError, RecipeError
from automl.recipe.model import Split
from automl.types import PARTS, Image, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A stretch of [0, 1): a part, or one fold of what is not test."""

    part: Part
    fold: int  # from 1; 0: no fold
    low: float
    high: float

    def distance(self, draw: float) -> float:
        """How far a number lies outside."""
        return max(self.low - draw, draw - self.high, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where every image went; those that are left out are absent."""

    parts: dict[str, Part]  # by path, sorted
    folds: dict[str, int]  # by path: 1 .. split.folds; 0: of no fold
    units: dict[str, str]  # path -> what it stays together with, a unit's key; "": nothing
    moved: frozenset[str]  # paths whose place the rule for tiny classes decided, and not their content


def assign_parts(images: Sequence[Image], copies: Copies, config: Split, seed: int) -> Cut:
    """Give every image that is kept its part: copies and groups together, the same in any file order.

    Parts that the dataset gives are kept as given; the others are cut from what is train or not given. Left out are
    contents with conflicting labels, and copies (near ones too) of what lies in a part that judges: of a test image in
    train and validation, of a validation image in train.

    Tiny classes: where the draw leaves a part (a fold) without a class, the unit of that class whose draw is nearest
    goes there, from a place that keeps one of each of its classes. Classes with few units first, parts in their order.

    Adding images moves an old one to another part only if its unit changes (a near copy with a smaller sha256 joins it,
    or ties it to another unit) or if the rule for tiny classes placed it, before or after; copies of a new given image,
    and contents that a new file contradicts, may be left out.

    Args:
        images: all with a given part, or none.
        copies: what the images' pixels have in common.
        config: the shares of the parts that are not given.
        seed: another seed cuts otherwise.
    Raises:
        DataError: a class has too few different images, or too few units, to fill the parts, or lies in given parts
            alone from which nothing is learned.
        RecipeError: folds are asked of a dataset that gives its validation part.
    """
    groups = [group for group in by_content(images, copies).values() if not is_conflicting(group)]
    kept = [image for group in groups for image in group]
    units = units_of(kept, copies)
    given = given_parts(kept)
    if config.folds and "validation" in given:
        raise RecipeError(
            f"split.folds is {config.folds}, and the dataset gives its own validation part, which stays as it is. "
            "Set split.folds to 0, or move the validation images to train."
        )
    _refuse_judged_alone(images, {image.label for image in kept})
    pool = [unit for unit in units if {image.part for image in unit.images} <= {None, "train"}]
    free = {unit.key for unit in pool}
    cells = cells_of(config, given)
    _refuse_too_few(sorted({image.label for image in kept}), pool, copies, cells)
    draws = {unit.key: unit.draw(seed) for unit in pool}
    by_draw = {unit.key: next(at for at, cell in enumerate(cells) if draws[unit.key] < cell.high) for unit in pool}
    places = _with_every_class(pool, cells, draws, by_draw)
    parts: dict[str, Part] = {}
    for unit in units:
        for image in unit.images:
            parts[image.path] = cells[places[unit.key]].part if unit.key in free else image.part or "train"
    parts = without_copies(parts, kept, copies)
    _refuse_untrained(kept, parts)
    return Cut(
        parts=dict(sorted(parts.items())),
        folds={image.path: cells[places[unit.key]].fold for unit in pool for image in unit.images},
        units={image.path: unit.key if len(unit.images) > 1 else "" for unit in units for image in unit.images},
        moved=frozenset(image.path for unit in pool if places[unit.key] != by_draw[unit.key] for image in unit.images),
    )


def as_given(images: Iterable[Image]) -> Cut:
    """What the dataset itself gives, and nothing cut: of a dataset that cannot be."""
    parts = {image.path: image.part for image in images if image.part}
    return Cut(parts=parts, folds={}, units=dict.fromkeys(parts, ""), moved=frozenset())


def given_parts(images: Iterable[Image]) -> tuple[Part, ...]:
    """The parts that the dataset's own folders fixed, in their order."""
    found = {image.part for image in images}
    return tuple(part for part in PARTS if part in found)


def cells_of(config: Split, given: Sequence[Part]) -> tuple[Cell, ...]:
    """The stretches of what is cut, ascending, from 0 to 1. Test comes first, so that folds leave it as it is."""
    low = 0.0 if "test" in given else config.test
    cells = [] if "test" in given else [Cell(part="test", fold=0, low=0.0, high=low)]
    if config.folds:
        step = (1 - low) / config.folds
        for fold in range(1, config.folds + 1):
            part: Part = "validation" if fold == config.fold else "train"
            cells.append(Cell(part=part, fold=fold, low=low + step * (fold - 1), high=low + step * fold))
        return (*cells[:-1], Cell(part=cells[-1].part, fold=config.folds, low=cells[-1].low, high=1.0))
    if "validation" not in given:
        cells.append(Cell(part="validation", fold=0, low=low, high=low + config.validation))
        low += config.validation
    return (*cells, Cell(part="train", fold=0, low=low, high=1.0))


def _with_every_class(
    units: Sequence[Unit], cells: Sequence[Cell], draws: Mapping[str, float], by_draw: Mapping[str, int]
) -> dict[str, int]:
    """The rule for tiny classes: unit key -> cell, each class in each cell. Raises: DataError: it cannot be had."""
    places = dict(by_draw)
    of_label: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        for label in unit.labels:
            of_label[label].append(unit)
    counts = Counter((label, places[unit.key]) for unit in units for label in unit.labels)
    for label in sorted(of_label, key=lambda label: (len(of_label[label]), label)):
        for at, cell in enumerate(cells):
            if counts[label, at]:
                continue
            spare = [
                unit for unit in of_label[label] if all(counts[other, places[unit.key]] > 1 for other in unit.labels)
            ]
            if not spare:
                raise _unfillable(label, len(of_label[label]), len(cells))
            chosen = min(spare, key=lambda unit: (cell.distance(draws[unit.key]), unit.key))
            for other in chosen.labels:
                counts[other, places[chosen.key]] -= 1
                counts[other, at] += 1
            places[chosen.key] = at
    return places


def without_copies(parts: Mapping[str, Part], images: Sequence[Image], copies: Copies) -> dict[str, Part]:
    """Leave out what is a copy of an image in a part that judges it: test first, then validation.

    By contents, not by files: one picture may lie there ten thousand times, in each part.
    """
    groups = {group[0].path: group for group in by_content(images, copies).values()}
    twins: defaultdict[str, set[str]] = defaultdict(set)
    for pair in copies.near:
        if pair.first in groups and pair.second in groups:
            twins[pair.first].add(pair.second)
            twins[pair.second].add(pair.first)
    left = dict(parts)
    for judge, judged in (("test", ("train", "validation")), ("validation", ("train",))):
        judging = {first for first, group in groups.items() if any(left.get(image.path) == judge for image in group)}
        for first, group in groups.items():
            if first in judging or twins[first] & judging:
                for image in group:
                    if left.get(image.path) in judged:
                        del left[image.path]
    return left


def _refuse_judged_alone(images: Sequence[Image], labels: Set[str]) -> None:
    """Raises: DataError: all images of a class are given for validation and test."""
    counts = Counter((image.label, image.part) for image in images)
    alone = sorted(label for label in labels if not (counts[label, "train"] or counts[label, None]))
    if alone:
        told = [
            f"{label!r} ({' and '.join(f'{n} in {part}' for part in PARTS if (n := counts[label, part]))} alone)"
            for label in alone
        ]
        raise DataError(
            f"{len(alone)} class(es) have no image to learn from: {first_of(told)}. Wanted: images of each class in "
            f"train. Add some, or list such a class under check.drop_classes, as {alone[0]!r}."
        )


def _refuse_too_few(labels: Sequence[str], pool: Sequence[Unit], copies: Copies, cells: Sequence[Cell]) -> None:
    """Raises: DataError: a class cannot be cut."""
    contents: defaultdict[str, set[str]] = defaultdict(set)
    units: Counter[str] = Counter()
    for unit in pool:
        units.update(unit.labels)
        for image in unit.images:
            contents[image.label].add(copies.key(image))
    names = " and ".join(dict.fromkeys(f"fold {cell.fold}" if cell.fold else cell.part for cell in cells[:-1]))
    wanted = max(2 * min(len(cells) - 1, 2), len(cells))  # two for each part that is cut, one for each fold
    for label in labels if len(cells) > 1 else ():
        if len(contents[label]) < wanted:
            raise DataError(
                f"class {label!r} has {len(contents[label])} different image(s) that can be trained on, and at least "
                f"{wanted} are wanted ({names} to be cut from them). "
                f"Add images, or list {label!r} under check.drop_classes."
            )
        if units[label] < len(cells):
            raise _unfillable(label, units[label], len(cells))


def _unfillable(label: str, n_units: int, n_cells: int) -> DataError:
    return DataError(
        f"class {label!r} has {n_units} set(s) of images that must stay together (copies, near copies, groups), and "
        f"{n_cells} parts or folds are to hold one each without taking another class's last. Add images of other "
        f"groups, list {label!r} under check.drop_classes, or set split.near to false if they are no copies."
    )


def _refuse_untrained(images: Sequence[Image], parts: Mapping[str, Part]) -> None:
    """Raises: DataError: a class has no image in train."""
    trained = {image.label for image in images if parts.get(image.path) == "train"}
    for label in sorted({image.label for image in images} - trained):
        raise DataError(
            f"class {label!r} has 0 different image(s) that can be trained on: none in train that is no copy of one "
            f"in validation or test. Wanted: at least 1. Add images, or list {label!r} under check.drop_classes."
        )
