"""Which column of a manifest is what: by the recipe, by convention, or by what its cells hold. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from automl.data.files import SUFFIXES
from automl.data.labels import LEAST_OF_A_CLASS
from automl.data.tables import Table
from automl.data.wording import first_of, shown, some
from automl.recipe.model import Data

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "path": ("path", "file_path", "filepath", "image_path", "img_path", "file_name", "filename", "file", "image_file",
             "image_name", "img_name", "image_index", "image", "img", "picture", "photo", "image_id", "img_id", "id"),
    "label": ("label_name", "class_name", "classname", "label", "labels", "class", "classes", "category", "target",
              "diagnosis", "species", "breed", "y"),
    "part": ("part", "split", "subset", "partition", "set", "data_set", "dataset", "usage"),
    "group": ("group", "patient", "subject", "participant", "person", "user", "individual",
              "group_id", "patient_id", "subject_id", "participant_id", "person_id", "user_id", "individual_id"),
    "weight": ("weight", "sample_weight"),
}  # fmt: skip
"""The names by convention, as `normalised` writes them, the likeliest first; names of classes before their numbers."""
OTHER_SENSES: Final = frozenset(("set", "data_set", "dataset", "usage"))
"""Names of parts that as often mean something else, such as where an image comes from."""
NO_COLUMN: Final = "none"
"""In the recipe: there is no such column, whatever it may be called."""
NUMBERING: Final = frozenset(("", "id", "index", "idx", "no", "nr", "row", "unnamed_0", "unnamed"))
"""Columns that number the rows, and are no labels."""
OF_PERSONS: Final = frozenset(("age", "age_group", "sex", "gender"))
"""Columns that are proposed as labels last; in medical sets they stand beside the diagnosis."""
N_LOOKED_AT: Final = 1000  # rows that tell what a column holds
_YES: Final = frozenset(("1", "1.0", "true", "True", "TRUE"))
_NO: Final = frozenset(("0", "0.0", "false", "False", "FALSE", "", "-1"))


class Unfit(Exception):
    """A table is no manifest of the dataset, and why."""

    def __init__(self, why: str, *, aside: bool = False, question: bool = False) -> None:
        """Args: aside: it speaks of other things than the images, and nobody expects it to be read;
        question: it lists the images, but for a choice that its owner has to make.
        """
        super().__init__(why)
        self.aside = aside
        self.question = question


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of one table by their role, as positions; None: there is none."""

    path: int
    label: int | None  # None: by the columns of `yes`
    yes: tuple[int, ...] = ()  # columns of 0 and 1, one a class
    part: int | None
    group: int | None
    weight: int | None
    conventional: bool  # path and label have names that say so, or that the recipe gives
    unread: tuple[int, ...] = ()  # where there is no part: columns with its name and none of its words, of no role

    other_groups: tuple[int, ...] = ()  # columns named as groups are that sort the images otherwise than `group`

    def told(self, table: Table) -> str:
        """In words: "path: image, label: emotion"."""
        roles = ("path", "label", "part", "group", "weight")
        named = [
            f"{role}: {shown(table.columns[at]) or 'the column without a name'}"
            for role in roles
            if (at := getattr(self, role)) is not None
        ]
        if self.yes:
            named.insert(1, f"label: columns of 0 and 1, {some(table.columns[at] for at in self.yes)}")
        return ", ".join(named)


def normalised(name: str) -> str:
    """A column's name without case and with one "_" for all that is no letter or digit: "User.ID" is "user_id"."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def choose_columns(
    table: Table,
    wish: Data,
    names_images: Callable[[int], bool],
    lists_most: Callable[[int], bool],
    lead_apart: Callable[[int, int], bool],
    refusal: Callable[[int], str],
    is_part: Callable[[str], bool],
) -> Columns:
    """Find each role's column.

    Args:
        names_images: whether the cells of that column name images of the dataset.
        lists_most: whether they name so many that a manifest of the dataset is meant.
        lead_apart: whether two such columns name other images.
        refusal: why the paths of a column name no image, in words; "" where it holds no paths.
        is_part: whether a cell is the word of a part.
    Raises:
        Unfit: no column names images, or it cannot be told which holds the label, or a wished column is not there, or
            two columns that could have one role do not say the same.
    """
    if any(column.lower().endswith(tuple(SUFFIXES)) for column in table.columns):
        raise Unfit(
            f"its first line holds no column names but an image ({shown(table.columns[0])!r}); wanted: a first line "
            "such as path,label"
        )
    taken: dict[str, int | None] = {}
    unread: list[int] = []
    other_groups: list[int] = []
    for role in ("part", "group", "weight"):
        taken[role] = _wished(table, wish, role)
        if taken[role] is None and getattr(wish, role) == "":
            free = [at for at in _by_convention(table, role) if at not in taken.values()]
            if role == "part":  # one of these names that holds no part's word may be about something else
                named, free = free, [at for at in free if any(map(is_part, table.column(at)))]
                unread = [] if free else [at for at in named if filled(table.column(at))]
            taken[role] = next(iter(free), None)
            if role == "group":
                other_groups = [at for at in free[1:] if _sort_apart(table, free[0], at)]
    path = _wished(table, wish, "path")
    if path is None:
        likely = [at for at in likely_paths(table, wish) if at not in taken.values()]
        naming = list(filter(names_images, likely))
        path = next(iter(naming), None)
        if path is None:
            why = next((f"; {shown(table.columns[at])!r} holds {why}" for at in likely if (why := refusal(at))), "")
            raise Unfit(f"no column of it names images of the folder (columns: {some(table.columns)}){why}", aside=True)
        for other in naming[1:]:
            if other in _by_convention(table, "path") and normalised(table.columns[other]) not in NUMBERING:
                _refuse_apart(table, "path", path, other, lead_apart, "lead to other images")
    try:
        label, yes = _label(table, wish, {path, *taken.values()})
    except Unfit as error:
        raise Unfit(str(error), question=error.question and lists_most(path)) from None
    _refuse_doubled(table, {at for at in (path, label, *yes, *taken.values()) if at is not None})
    known = (wish.path or path in _by_convention(table, "path")) and (
        wish.label or label in _by_convention(table, "label")
    )
    return Columns(
        path=path,
        label=label,
        yes=yes,
        conventional=bool(known),
        unread=tuple(at for at in unread if at not in {path, label, *yes, *taken.values()}),
        other_groups=tuple(at for at in other_groups if at not in {path, label, *yes, *taken.values()}),
        **taken,
    )


def likely_paths(table: Table, wish: Data) -> list[int]:
    """The columns that may hold the paths, the likeliest first. Raises: Unfit: a wished one is not there."""
    wished = _wished(table, wish, "path")
    if wished is not None:
        return [wished]
    likely = _by_convention(table, "path")
    return likely + [at for at in range(len(table.columns)) if at not in likely and _are_files(table.column(at))]


def _wished(table: Table, wish: Data, role: str) -> int | None:
    """The column that the recipe names; None: it names none. Raises: Unfit: it is not there."""
    name = getattr(wish, role)
    if name in ("", NO_COLUMN):
        return None
    found = [at for at, column in enumerate(table.columns) if column == name]
    found += [at for at, column in enumerate(table.columns) if normalised(column) == normalised(name)]
    if not found:
        raise Unfit(f"it has no column {name!r} (data.{role}), but {some(table.columns)}")
    return found[0]


def _by_convention(table: Table, role: str) -> list[int]:
    names = [normalised(column) for column in table.columns]
    return [at for name in NAMES[role] for at, column in enumerate(names) if column == name]


def _are_files(cells: Sequence[str]) -> bool:
    words = filled(cells[:N_LOOKED_AT])
    return bool(words) and all(word.lower().endswith(tuple(SUFFIXES)) for word in words)


def filled(cells: Sequence[str]) -> list[str]:
    """The words of a column, without its empty cells."""
    return [word for cell in cells if (word := cell.strip())]


def unread_parts(table: Table, columns: Columns) -> tuple[list[str], list[str]]:
    """The columns named as parts are that are not read: "'split' of labels.csv (A, B)".

    Returns: those whose name means nothing else; those of OTHER_SENSES.
    """
    surely: list[str] = []
    perhaps: list[str] = []
    for at in columns.unread:
        name = table.columns[at]
        said = perhaps if normalised(name) in OTHER_SENSES else surely
        said.append(f"{shown(name)!r} of {table.name} ({some(filled(table.column(at)))})")
    return surely, perhaps


def _label(table: Table, wish: Data, taken: set[int | None]) -> tuple[int | None, tuple[int, ...]]:
    """The label's column, or the columns of 0 and 1. Raises: Unfit: it cannot be told."""
    wished = _wished(table, wish, "label")
    if wished is not None:
        return wished, ()
    likely = [at for at in _by_convention(table, "label") if at not in taken]
    if "x" in map(normalised, table.columns):  # then y is a coordinate
        likely = [at for at in likely if normalised(table.columns[at]) != "y"]
    likely = [at for at in likely if len(set(filled(table.column(at)))) > 1] or likely[:1]
    for other in likely[1:]:
        _refuse_apart(table, "label", likely[0], other, partial(_sort_apart, table), "sort the rows otherwise")
    if likely:
        return likely[0], ()
    rest = [at for at in range(len(table.columns)) if at not in taken]
    rest = [at for at in rest if normalised(table.columns[at]) not in NUMBERING]
    rest = [at for at in rest if not _are_files(table.column(at))]
    if len(rest) == 1:
        return rest[0], ()
    if rest and all(set(table.column(at)) <= _YES | _NO for at in rest):
        return None, tuple(rest)
    if not rest:
        raise Unfit(f"it names images, and no column holds a label (columns: {some(table.columns)})")
    raise Unfit(_which_label(table, rest), question=any(_sorts(table.column(at)) for at in rest))


def _refuse_apart(table: Table, role: str, first: int, other: int, apart: Callable[[int, int], bool], how: str) -> None:
    """Raises: Unfit: two columns that could both be the role's do not say the same."""
    name, its = table.columns[first], table.columns[other]
    if name != its and apart(first, other):
        raise Unfit(
            f"its columns {shown(name)!r} and {shown(its)!r} are both called as {role}s are, and {how}. Wanted: one. "
            f"Choose it with --set data.{role}={shown(name)} or --set data.{role}={shown(its)}",
            question=True,
        )


def _refuse_doubled(table: Table, used: Collection[int]) -> None:
    """Raises: Unfit: a column that is used is there again, under the same name, with other cells."""
    for at, name in enumerate(table.columns):
        for twin in used:
            if at != twin and name == table.columns[twin] and table.column(at) != table.column(twin):
                raise Unfit(
                    f"it has more than one column {shown(name)!r}, and they differ. Wanted: one of that name. Rename "
                    "or take out the others",
                    question=True,
                )


def _sort_apart(table: Table, first: int, other: int) -> bool:
    """Whether two columns are no one-to-one renaming of each other, where both are filled."""
    ones, others = table.column(first), table.column(other)
    pairs = {(a, b) for one, other in zip(ones, others, strict=True) if (a := one.strip()) and (b := other.strip())}
    return not len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _which_label(table: Table, at_most: Sequence[int]) -> str:
    """What is asked where several columns could hold the label, the likeliest first."""
    names = {at: normalised(table.columns[at]) for at in at_most}
    values = {at: len(set(filled(table.column(at)))) for at in at_most}

    def unlikely(at: int) -> tuple[bool, ...]:
        of_another = any(names[at].startswith(f"{name}_") for name in names.values() if name)  # dx_type beside dx
        return values[at] < 2, not _sorts(table.column(at)), names[at] in OF_PERSONS, of_another

    likely = sorted(at_most, key=lambda at: (*unlikely(at), values[at], at))
    told = [f"{shown(table.columns[at])} ({values[at]} value{'s' * (values[at] != 1)})" for at in likely]
    return (
        f"it cannot be told which of its columns holds the label: {first_of(told)}; say so, for example --set "
        f"data.label={shown(table.columns[likely[0]])}"
    )


def _sorts(cells: Sequence[str]) -> bool:
    """Whether a column could sort the rows into classes: several values, each for as many rows as a class needs."""
    counts = Counter(filled(cells))
    return len(counts) > 1 and len(counts) * LEAST_OF_A_CLASS <= counts.total()


def labels_of(table: Table, columns: Columns) -> tuple[list[str], str]:
    """The label of each row, and why there are several a row, in words; "" where there is one."""
    if columns.label is not None:
        return table.column(columns.label), ""
    names = [table.columns[at] for at in columns.yes]
    marked = [[name for name, at in zip(names, columns.yes, strict=True) if row[at] in _YES] for row in table.rows]
    several = sum(len(labels) > 1 for labels in marked)
    why = f"{several} row(s) with more than one of the columns {some(names)}" if several else ""
    return [labels[0] if labels else "" for labels in marked], why
