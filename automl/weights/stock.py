"""Which weights a recipe needs, which are on this machine, and fetching those that are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from automl.errors import FetchFailed, WrongWeights
from automl.nets.catalogue import BACKBONES, Backbone
from automl.nets.fetch import fetch_file, in_megabytes
from automl.nets.limits import known_limits
from automl.nets.listing import read_listing
from automl.nets.weights import Located, Place, first_located, keras_cache, named, need_known, places
from automl.recipe.backbones import is_own, own_name
from automl.recipe.model import Recipe

BYTES_PER_WEIGHT: Final = 4

Hear = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocked:
    """One backbone's weights: here, or where they could be had."""

    backbone: str
    needed: bool  # by the recipe
    state: Literal["here", "missing", "wrong", "fetched", "failed", "own"]  # own: no run has looked at it yet
    where: str  # the place's name: "--weights", "$AUTOML_WEIGHTS", "Keras' cache"; "" for missing ones
    file: str  # path; of missing ones the name; of one's own the recipe's entry
    mb: float  # of missing ones about; of one's own 0
    licence: str
    source: str  # of those that are here as weights.yaml says it; else the address that Keras fetches them from
    fault: str = ""  # of wrong and failed ones: why


def needed_rows(recipe: Recipe, folder: Path | None) -> tuple[Backbone, ...]:
    """The recipe's backbones that start from pretrained weights and that its limits leave, each once.

    Args: folder: --weights. Raises: WrongWeights: a folder or its weights.yaml is wrong as a whole.
    """
    names = dict.fromkeys(recipe.backbones) if recipe.weights.pretrained else {}
    rows = [row for row in BACKBONES if row.name in names and row.pretrained]
    return known_limits(rows, recipe.pick, recipe.weights, places(folder), max(recipe.pack.possible_px))[0]


def list_stock(recipe: Recipe, folder: Path | None) -> tuple[Stocked, ...]:
    """Every backbone with pretrained weights: those that the recipe needs first. Only names and sizes are read.

    A .keras file or a preset of KerasHub is listed as the recipe names it: the run itself takes or fetches it.

    Args: folder: --weights.
    Raises: WrongWeights: a folder or its weights.yaml is wrong as a whole.
    """
    looked = places(folder)
    for place in looked:
        if place.named == "--weights":
            need_known(place)
        read_listing(place.path)
    needed = needed_rows(recipe, folder)
    rows = (*needed, *(row for row in BACKBONES if row.pretrained and row not in needed))
    most_px = max(recipe.pack.possible_px)
    own = [entry for entry in recipe.backbones if is_own(entry)] if recipe.weights.pretrained else []
    return (*map(_brought, own), *(_stocked(row, looked, most_px, needed=row in needed) for row in rows))


def _brought(entry: str) -> Stocked:
    return Stocked(
        backbone=own_name(entry),
        needed=True,
        state="own",
        where="",
        file=entry,
        mb=0.0,
        licence="unknown",
        source="",
    )


def _stocked(row: Backbone, looked: tuple[Place, ...], size_px: int, *, needed: bool) -> Stocked:
    try:
        located = first_located(row, looked, size_px)
    except WrongWeights as error:
        return _absent(row, size_px, "wrong", needed=needed, fault=str(error))
    if located is None:
        return _absent(row, size_px, "missing", needed=needed)
    return _present(located, "here", needed=needed)


def fetch_stock(recipe: Recipe, folder: Path | None, to: Path | None, hear: Hear) -> tuple[Stocked, ...]:
    """Fetch what the recipe needs and is not here; one that fails costs itself alone.

    Args:
        folder: --weights; what it holds is not fetched.
        to: where to put the files, and the only place that counts; None: Keras' cache, and all places count.
        hear: called with progress.
    Returns: the needed backbones: here, fetched or failed.
    Raises: WrongWeights: a folder or its weights.yaml is wrong; DiskFull.
    """
    place = Place(path=keras_cache() if to is None else to, named="Keras' cache" if to is None else "--to")
    looked = places(folder) if to is None else ((place,) if to.exists() else ())
    most_px = max(recipe.pack.possible_px)
    return tuple(_fetched(row, looked, most_px, place, hear) for row in needed_rows(recipe, folder))


def _fetched(row: Backbone, looked: tuple[Place, ...], size_px: int, to: Place, hear: Hear) -> Stocked:
    located = first_located(row, looked, size_px)
    if located is not None:
        return _present(located, "here", needed=True)
    try:
        return _present(fetch_nearest(row, size_px, to, hear), "fetched", needed=True)
    except FetchFailed as error:
        return _absent(row, size_px, "failed", needed=True, fault=str(error))


def stock_up(recipes: Sequence[Recipe], folder: Path | None, hear: Hear) -> tuple[tuple[Stocked, ...], ...]:
    """Have the weights of several recipes here before any of them runs; each need is met once.

    Args:
        folder: --weights.
        hear: called with progress; a FetchFailed that it raises ends the file at hand alone.
    Returns: for each recipe its needed backbones: here or fetched; failed; missing, where the recipe forbids downloads;
        or wrong, as weights.yaml has it.
    Raises: WrongWeights: a folder or its weights.yaml is wrong as a whole; DiskFull.
    """
    needs = [needed_rows(recipe, folder) for recipe in recipes]
    looked, cache = places(folder), Place(path=keras_cache(), named="Keras' cache")
    for place in looked if any(needs) else ():
        need_known(place)
        read_listing(place.path)
    met: dict[tuple[str, int, bool], Stocked] = {}
    stocks = []
    for recipe, rows in zip(recipes, needs, strict=True):
        size_px, fetches = max(recipe.pack.possible_px), recipe.weights.download
        for row in rows:
            if (row.name, size_px, fetches) not in met:
                own = _stocked(row, looked, size_px, needed=True)
                if own.state == "missing" and fetches:
                    own = _fetched(row, looked, size_px, cache, hear)
                met[row.name, size_px, fetches] = own
        stocks.append(tuple(met[row.name, size_px, fetches] for row in rows))
    return tuple(stocks)


def fetch_nearest(row: Backbone, size_px: int, to: Place, hear: Hear) -> Located:
    """Fetch the file of a backbone for images of that size. Raises: FetchFailed, DiskFull: as fetch_file."""
    file = row.weights_file(size_px)
    hear({"event": "stage started", "stage": "fetch", "does": file.url})

    def tell(done: int, total: int) -> None:
        hear({"event": "progress", "stage": "fetch", "done": done, "total": total, "text": f"MB of {file.name}"})

    fetch_file(file, to.path, progress=in_megabytes(tell))
    return named(row, file, to)


def _present(located: Located, state: Literal["here", "fetched"], *, needed: bool) -> Stocked:
    row, entry = located.row, located.entry
    return Stocked(
        backbone=row.name,
        needed=needed,
        state=state,
        where=located.place.named,
        file=str(located.path),
        mb=round(located.path.stat().st_size / 1e6, 2),
        licence=(entry.licence if entry else "") or row.licence,
        source=(entry.source if entry else "") or served_at(row, located.path),
    )


def served_at(row: Backbone, path: Path) -> str:
    """The address from which Keras fetches a file of that name; "" where it knows none."""
    return next((file.url for file in row.files if file.name == path.name), "")


def _absent(
    row: Backbone, size_px: int, state: Literal["missing", "wrong", "failed"], *, needed: bool, fault: str = ""
) -> Stocked:
    file = row.weights_file(size_px)
    return Stocked(
        backbone=row.name,
        needed=needed,
        state=state,
        where="",
        file=file.name,
        mb=round(row.params_m * BYTES_PER_WEIGHT, 2),
        licence=row.licence,
        source=file.url,
        fault=fault,
    )
