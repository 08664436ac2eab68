"""Where a backbone's pretrained weights come from.

Order: the folder given with --weights, that of $AUTOML_WEIGHTS, Keras' cache, a download into that cache, random. In
each folder a file is told by weights.yaml, else by the name that Keras gives it. Finding needs no Keras. A file is only
ever read as numbers for a network that we built (docs/design.md, decision 12).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Protocol

from automl.errors import FetchFailed, WrongWeights
from automl.nets.catalogue import BACKBONES, SMALLNET, Backbone, WeightsFile, by_distance
from automl.nets.fetch import START, Progress, fetch_file, host_of, host_trouble, no_weights, unheard
from automl.nets.listing import LISTING, Entry, read_listing
from automl.nets.own.rows import WEIGHTS as OWN_WEIGHTS
from automl.types import Footprint, WeightsFound

VARIABLE: Final = "AUTOML_WEIGHTS"
MAX_NAMED: Final = 5  # files of a folder in a message

Warn = Callable[[str], object]


class WeightsSettings(Protocol):
    """The recipe's section `weights`."""

    @property
    def pretrained(self) -> bool: ...

    @property
    def download(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder that may hold weights."""

    path: Path
    named: Literal["--weights", "--to", "$AUTOML_WEIGHTS", "Keras' cache"]  # by whom

    @property
    def source(self) -> Literal["folder", "cache"]:
        """What the record says of weights that were found there."""
        return "cache" if self.named == "Keras' cache" else "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A file that claims to be a backbone's weights; its bytes were not read yet."""

    row: Backbone
    place: Place
    path: Path
    entry: Entry | None  # of the place's weights.yaml; None: it was told by its name
    trained_px: int  # edge of the images that it was trained on
    topped: bool = False  # it has ImageNet's top as well


def keras_cache() -> Path:
    """Where Keras keeps downloaded weights."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def places(folder: Path | None, cache: Path | None = None) -> tuple[Place, ...]:
    """Where to look, first to last. Args: folder: --weights. cache: Keras' own folder, unless given."""
    own = os.environ.get(VARIABLE, "")
    found = [] if folder is None else [Place(path=folder, named="--weights")]
    found += [Place(path=Path(own).expanduser().absolute(), named="$AUTOML_WEIGHTS")] if own else []
    return (*found, Place(path=cache or keras_cache(), named="Keras' cache"))


def held(row: Backbone, place: Place) -> tuple[Located, ...]:
    """All files there that are said to hold the backbone's weights: by weights.yaml; if that lists none, by name.

    Raises: WrongWeights: no such folder, or weights.yaml cannot be read.
    """
    _need_folder(place)
    listed = [
        Located(
            row=row,
            place=place,
            path=place.path / entry.file,
            entry=entry,
            trained_px=entry.size_px or row.size_px,
            topped=entry.topped,
        )
        for entry in read_listing(place.path)
        if entry.fits(row)
    ]
    by_name = (named(row, file, place) for file in row.files if not listed and (place.path / file.name).is_file())
    return (*listed, *by_name)


def named(row: Backbone, file: WeightsFile, place: Place) -> Located:
    """A file there that is told by its name."""
    return Located(
        row=row,
        place=place,
        path=place.path / file.name,
        entry=None,
        trained_px=file.size_px or row.size_px,
        topped=file in row.topped_files,
    )


def claimed(row: Backbone, place: Place, size_px: int | None = None) -> Located | None:
    """Of the files there that are said to hold the backbone's weights the one for images of that size (None: native).

    That is the one trained nearest to it (catalogue.by_distance); then one without a top; then the first.
    Raises: WrongWeights: as held.
    """
    wanted_px = size_px or row.size_px
    return min(held(row, place), key=lambda file: (by_distance(file.trained_px, wanted_px), file.topped), default=None)


def locate(row: Backbone, place: Place, size_px: int | None = None) -> Located | None:
    """The file there that a run would take; see claimed.

    Raises: WrongWeights: as held; or weights.yaml names a file that does not lie beside it.
    """
    best = claimed(row, place, size_px)
    if best and best.entry and (Path(best.entry.file).name != best.entry.file or not best.path.is_file()):
        raise WrongWeights(
            f"{place.path / LISTING} names {best.entry.file!r} for {row.keras_class}, and {place.path} holds no such "
            "file. Put the file there, or correct the listing."
        )
    return best


def first_located(row: Backbone, looked: Sequence[Place], size_px: int | None = None) -> Located | None:
    """The file that a run would take, of the first place that has one. Raises: WrongWeights: as locate."""
    return next((located for place in looked if (located := locate(row, place, size_px)) is not None), None)


def takeable(row: Backbone, looked: Sequence[Place], possible_px: tuple[int, int]) -> tuple[Located, ...]:
    """The files that a run could take while its images' size is not known. Args: possible_px: smallest and largest.

    Raises: WrongWeights: as locate.
    """
    least, most = possible_px
    place = next((place for place in looked if held(row, place)), None)
    if place is None:
        return ()
    sizes = {min(max(file.trained_px, least), most) for file in held(row, place)}
    found = [located for size_px in sorted(sizes) if (located := locate(row, place, size_px))]
    return tuple({located.path: located for located in found}.values())


def read(located: Located) -> WeightsFound:
    """What a run records of the file. Raises: WrongWeights: it cannot be read, is no HDF5 file, or is not as listed."""
    path = located.path
    try:
        with path.open("rb") as file:
            start = file.read(START)
            file.seek(0)
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WrongWeights(f"{path} cannot be read: {error.strerror}. Correct it, or take it out.") from error
    if located.entry is not None and located.entry.sha256 not in ("", checksum):
        raise WrongWeights(
            f"{path}, the weights of {located.row.name}, has the sha256 {checksum}; {LISTING} beside it says "
            f"{located.entry.sha256}. The file is damaged or another one: fetch it again."
        )
    if why := no_weights(start):
        raise WrongWeights(
            f"{path} cannot be the weights of {located.row.name}: {why}. Wanted: an HDF5 file. Delete it, and fetch it "
            "again."
        )
    return WeightsFound(
        backbone=located.row.name,
        source=located.place.source,
        path=str(path.resolve()),
        sha256=checksum,
        licence="" if located.entry is None else located.entry.licence,
        topped=located.topped,
    )


def need_folders(folder: Path | None) -> None:
    """Raises: WrongWeights: --weights, or what $AUTOML_WEIGHTS names, is no folder."""
    for place in places(folder):
        _need_folder(place)


def need_known(place: Place) -> None:
    """Raises: WrongWeights: a folder that the user names is none, or holds the weights of no backbone at all.

    That of the variable may be empty: it is named once for all runs, before anything is in it.
    """
    if place.source == "cache":
        return
    _need_folder(place)
    if place.named == "$AUTOML_WEIGHTS" and not any(place.path.iterdir()):
        return
    if any(held(row, place) for row in BACKBONES):
        return
    names = sorted(path.name for path in place.path.iterdir())
    there = ", ".join(map(repr, names[:MAX_NAMED])) + (", ..." if len(names) > MAX_NAMED else "")
    raise WrongWeights(
        f"{place.path} holds no weights of any backbone, but {there or 'nothing'}. Wanted: files under the names that "
        f"Keras gives them, or a {LISTING} that says which is which. Correct {place.named}."
    )


def find_weights(
    row: Backbone,
    folder: Path | None,
    settings: WeightsSettings,
    *,
    size_px: int | None = None,
    warn: Warn,
    progress: Progress = unheard,
    cache: Path | None = None,
) -> WeightsFound:
    """Look for a backbone's weights in the order above.

    Args:
        folder: --weights.
        settings: whether pretrained weights are wanted at all, and whether they may be downloaded.
        size_px: edge of the packed images; None: the backbone's native one.
        warn: told in one sentence why a download failed.
        progress: told the bytes of a download.
        cache: Keras' own folder, unless given.
    Returns: what was found, of a user's own backbone what came with it; source "random" where there is nothing, or
        nothing is wanted.
    Raises: WrongWeights: a folder, its weights.yaml, or the file that it names for this backbone is wrong.
    """
    if row.own is not None and settings.pretrained:
        copy = row.own.folder / OWN_WEIGHTS
        return WeightsFound(backbone=row.name, source="own", path=str(copy), sha256=row.own.sha256, licence=row.licence)
    if not (row.pretrained and settings.pretrained):
        return _random(row)
    if located := first_located(row, places(folder, cache), size_px):
        return read(located)
    if settings.download and (located := _download(row, size_px, cache or keras_cache(), warn, progress)):
        return replace(read(located), source="download")
    return _random(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """A backbone with the weights it will start from."""

    row: Backbone
    weights: WeightsFound
    footprint: Footprint | None = None  # what it takes on this machine; None: not measured


def with_weights(
    rows: Sequence[Backbone],
    folder: Path | None,
    settings: WeightsSettings,
    *,
    size_px: int | None = None,
    warn: Warn,
    progress: Progress = unheard,
    cache: Path | None = None,
) -> tuple[Weighted, ...]:
    """Find the weights of all candidates, and leave out those that would have to start from random ones.

    Where no pretrained weights can be had at all, the small net with random weights stands in. A backbone that has no
    pretrained weights anywhere (smallnet) stays; so do all where the recipe wants none. Random weights are warned of,
    and which pixel values a user's own backbone gets.

    Raises: WrongWeights: as find_weights; or a folder that the user names holds no weights of any backbone.
    """
    if settings.pretrained and any(row.pretrained for row in rows):
        for place in places(folder, cache):
            need_known(place)
    found = tuple(
        Weighted(
            row=row,
            weights=find_weights(row, folder, settings, size_px=size_px, warn=warn, progress=progress, cache=cache),
        )
        for row in rows
    )
    missing = [one for one in found if one.weights.source == "random" and one.row.pretrained and settings.pretrained]
    kept = tuple(one for one in found if one not in missing)
    if missing:
        names = ", ".join(one.row.name for one in missing)
        fate = "left out" if kept else f"replaced by {SMALLNET.name}"
        looked = _places(missing[0].row, folder, cache, settings)
        warn(
            f"no pretrained weights for {names} in {looked}: {fate}. Give a folder that holds them with --weights, or "
            "see `automl weights --help`."
        )
    kept = kept or (Weighted(row=SMALLNET, weights=_random(SMALLNET)),)
    for one in kept:
        if one.weights.source == "random":
            warn(f"{one.row.name} starts from random weights: it learns from this dataset alone")
        if one.row.own is not None and one.row.own.told:
            warn(f"{one.row.name}: {one.row.own.told}. If it was trained on others, set weights.pixels")
    return kept


def _places(missing: Backbone, folder: Path | None, cache: Path | None, settings: WeightsSettings) -> str:
    words = {"--weights": "the folder", "$AUTOML_WEIGHTS": "$AUTOML_WEIGHTS", "Keras' cache": "Keras' cache"}
    looked = " or ".join(f"{words[place.named]} {place.path}" for place in places(folder, cache))
    if not settings.download:
        return f"{looked}, and the recipe forbids downloads (weights.download)"
    return f"{looked}, nor by download ({host_trouble(host_of(missing.weights_files[0].url)) or 'it failed'})"


def in_folder(row: Backbone, folder: Path) -> WeightsFound | None:
    """The backbone's weights in a user's folder. Raises: WrongWeights: as locate and read."""
    located = locate(row, Place(path=folder, named="--weights"))
    return None if located is None else read(located)


def _need_folder(place: Place) -> None:
    if place.source == "folder" and not place.path.is_dir():
        raise WrongWeights(f"{place.path} is not a folder. Wanted: a folder with weights files. Correct {place.named}.")


def _random(row: Backbone) -> WeightsFound:
    return WeightsFound(backbone=row.name, source="random", path="", sha256="")


def _download(row: Backbone, size_px: int | None, cache: Path, warn: Warn, progress: Progress) -> Located | None:
    """Fetch the file that was trained nearest to that size into Keras' cache, where Keras finds it as well."""
    file = row.weights_file(size_px)
    if host_trouble(host_of(file.url)):
        return None
    try:
        fetch_file(file, cache, progress=progress)
    except FetchFailed as error:
        warn(f"the weights of {row.name} could not be downloaded: {error}")
        return None
    return named(row, file, Place(path=cache, named="Keras' cache"))
