"""The weights that a recipe needs in one tar, for a machine without a network: weights.yaml, then its files."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final, Literal

from automl.errors import FetchFailed, UsageError
from automl.nets.fetch import stated_fault
from automl.nets.listing import LISTING, Entry, listing_text
from automl.nets.weights import Located, Place, first_located, keras_cache, places, read
from automl.recipe.model import Recipe
from automl.runs.atomic import write_with
from automl.runs.refused import in_words
from automl.weights.stock import Hear, fetch_nearest, needed_rows

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,150}\.h5")
"""The names that files have in a bundle: no paths, nothing that a terminal or a file system could misread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One file that went into a bundle, or came out of one."""

    file: str  # path of what was bundled, or of where it was put
    backbone: str  # Keras class
    state: Literal["bundled", "new", "here", "replaced"]
    mb: float
    sha256: str
    licence: str
    source: str


def bundle_stock(recipe: Recipe, folder: Path | None, out: Path, *, force: bool, hear: Hear) -> tuple[Carried, ...]:
    """Write the weights that a recipe needs into a tar, with checksums, licences and sources.

    Args:
        folder: --weights. What is nowhere here is fetched first, if the recipe allows downloads.
        out: the tar; a file that is there is replaced only if `force`.
        hear: called with progress.
    Raises: UsageError: out is there, or nothing is needed; FetchFailed: weights can be had nowhere; WrongWeights: those
        that are here are wrong; DiskFull, DiskRefused.
    """
    if out.is_dir() or (out.exists() and not force):
        raise UsageError(f"{out} is there already. Wanted: the name of a new tar. Name another, or add --force.")
    packed: dict[str, tuple[Path, Entry]] = {}
    for located in _gathered(recipe, folder, hear):
        entry = entry_of(located)
        taken = packed.get(entry.file)
        if not NAME.fullmatch(entry.file) or taken not in (None, (located.path, entry)):
            entry = replace(entry, file=f"{located.row.name}.h5")
        packed[entry.file] = (located.path, entry)
    if not packed:
        raise UsageError(
            "the recipe needs no pretrained weights of the table in docs/cli.md: there is nothing to bundle. Name "
            "another --recipe."
        )
    with disk_in_words(out):
        write_with(out, lambda file: _write_tar(file, packed))
    return tuple(carried(entry, path, "bundled") for path, entry in packed.values())


def _gathered(recipe: Recipe, folder: Path | None, hear: Hear) -> list[Located]:
    """The files that the recipe needs. Raises: FetchFailed: some can be had nowhere; all of them are told."""
    found: list[Located] = []
    missing: list[str] = []
    looked, most_px = places(folder), max(recipe.pack.possible_px)
    cache = Place(path=keras_cache(), named="Keras' cache")
    for row in needed_rows(recipe, folder):
        if located := first_located(row, looked, most_px):
            found.append(located)
        elif not recipe.weights.download:
            missing.append(f"{row.name}: not here, and the recipe forbids downloads (weights.download)")
        else:
            try:
                found.append(fetch_nearest(row, most_px, cache, hear))
            except FetchFailed as error:
                missing.append(f"{row.name}: {error}")
    if missing:
        raise FetchFailed(
            f"the weights of {len(missing)} backbone(s) can be had nowhere:"
            + "".join(f"\n  {text}" for text in missing)
            + "\nNothing was written. Give a folder that holds them with --weights, or leave these backbones out with "
            "--set 'backbones=[...]'."
        )
    return found


def entry_of(located: Located) -> Entry:
    """How a bundle lists a file: nothing is left to defaults. Raises: WrongWeights: it is not what it should be."""
    row, path = located.row, located.path
    checksum = read(located).sha256
    size = path.stat().st_size
    if located.entry is not None:
        kwargs: Mapping[str, object] = {**row.arguments, **located.entry.kwargs, "include_top": located.topped}
        licence = located.entry.licence or row.licence
        return replace(located.entry, kwargs=kwargs, sha256=checksum, size=size, licence=licence)
    return Entry(
        file=path.name,
        backbone=row.keras_class,
        kwargs={
            **row.arguments,
            "include_top": located.topped,
            "input_shape": [located.trained_px, located.trained_px, 3],
        },
        sha256=checksum,
        size=size,
        licence=row.licence,
        source=_source_of(located),
    )


def _source_of(located: Located) -> str:
    """Where a file that was told by its name comes from, as far as that can be known."""
    served = next(file for file in located.row.files if file.name == located.path.name)
    with located.path.open("rb") as file:
        if stated_fault(served, file):
            return f"unknown: its bytes are not those of {served.url}"
    return served.url if served.stated else f"{served.url}, by its name; no checksum is stated there"


def _write_tar(file: IO[bytes], packed: Mapping[str, tuple[Path, Entry]]) -> None:
    listing = listing_text(entry for _, entry in packed.values()).encode()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_member(LISTING, len(listing)), io.BytesIO(listing))
        for name, (path, entry) in packed.items():
            with path.open("rb") as content:
                tar.addfile(_member(name, entry.size or 0), content)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A member without owner and time: the same weights make the same tar."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def carried(entry: Entry, path: Path, state: Literal["bundled", "new", "here", "replaced"]) -> Carried:
    """What is told of a file."""
    return Carried(
        file=str(path),
        backbone=entry.backbone,
        state=state,
        mb=round((entry.size or 0) / 1e6, 2),
        sha256=entry.sha256,
        licence=entry.licence,
        source=entry.source,
    )


@contextmanager
def disk_in_words(place: Path) -> Iterator[None]:
    """What the system refuses becomes an error for users. Raises: DiskFull, DiskRefused, StageFailed."""
    try:
        yield
    except OSError as error:
        raise in_words(error, place, remedy="Then give the same command again.") from error
