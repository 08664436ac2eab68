"""Where a backbone's pretrained weights come from, and whether a file fits.

Order: the folder given with --weights, Keras' cache, a download through Keras, random. Finding needs no Keras, except
to download. A file is only ever read as numbers for a network that we built (docs/design.md, decision 13).
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from automl.code import load_entry
from automl.errors import WrongWeights
from automl.nets.catalogue import KERAS_HOST, SMALLNET, Backbone
from automl.nets.listing import LISTING, Entry, read_listing
from automl.types import WeightsFound

PROBE_S: Final = 3.0  # how long the one look at the network may take
STALL_S: Final = 30.0  # a download that stands still for so long has failed

Warn = Callable[[str], object]


class WeightsSettings(Protocol):
    """The recipe's section `weights`."""

    @property
    def pretrained(self) -> bool: ...

    @property
    def download(self) -> bool: ...


def keras_cache() -> Path:
    """Where Keras keeps downloaded weights."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def find_weights(
    row: Backbone, folder: Path | None, settings: WeightsSettings, *, warn: Warn, cache: Path | None = None
) -> WeightsFound:
    """Look for a backbone's weights in the order above.

    Args:
        folder: --weights.
        settings: whether pretrained weights are wanted at all, and whether they may be downloaded.
        warn: told in one sentence why a download failed.
        cache: Keras' own folder, unless given.
    Returns: what was found; source "random" where there is nothing, or nothing is wanted.
    Raises: WrongWeights: the folder, its weights.yaml, or the file that it names for this backbone is wrong.
    """
    if not (row.pretrained and settings.pretrained):
        return _random(row)
    if folder is not None and (listed := in_folder(row, folder)):
        return listed
    cache = cache or keras_cache()
    if stored := _by_name(row, cache):
        return _found(row, "cache", stored)
    if settings.download and _download(row, warn) and (stored := _by_name(row, cache)):
        return _found(row, "download", stored)
    return _random(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """A backbone with the weights it will start from."""

    row: Backbone
    weights: WeightsFound


def with_weights(
    rows: Sequence[Backbone], folder: Path | None, settings: WeightsSettings, *, warn: Warn, cache: Path | None = None
) -> tuple[Weighted, ...]:
    """Find the weights of all candidates, and leave out those that would have to start from random ones.

    Where no pretrained weights can be had at all, the small net with random weights stands in. A backbone that has no
    pretrained weights anywhere (smallnet) stays; so do all where the recipe wants none. Random weights are warned of.
    """
    found = tuple(
        Weighted(row=row, weights=find_weights(row, folder, settings, warn=warn, cache=cache)) for row in rows
    )
    missing = [one for one in found if one.weights.source == "random" and one.row.pretrained and settings.pretrained]
    kept = tuple(one for one in found if one not in missing)
    if missing:
        names = ", ".join(one.row.name for one in missing)
        fate = "left out" if kept else f"replaced by {SMALLNET.name}"
        warn(
            f"no pretrained weights for {names} in {_places(folder, cache, settings)}: {fate}. "
            "Give a folder that holds them with --weights."
        )
    kept = kept or (Weighted(row=SMALLNET, weights=_random(SMALLNET)),)
    for one in kept:
        if one.weights.source == "random":
            warn(f"{one.row.name} starts from random weights: it learns from this dataset alone")
    return kept


def _places(folder: Path | None, cache: Path | None, settings: WeightsSettings) -> str:
    places = [] if folder is None else [f"the folder {folder}"]
    places.append(f"Keras' cache {cache or keras_cache()}")
    if not settings.download:
        return " or ".join(places) + ", and the recipe forbids downloads (weights.download)"
    return " or ".join(places) + f", nor by download ({host_trouble() or 'it failed'})"


def in_folder(row: Backbone, folder: Path) -> WeightsFound | None:
    """The backbone's weights in a user's folder: by weights.yaml there, else by Keras' file names.

    Of several entries of weights.yaml that fit, the first.
    Raises: WrongWeights: no such folder; the listing cannot be read; the listed file is absent or has other bytes.
    """
    if not folder.is_dir():
        raise WrongWeights(f"{folder} is not a folder. Wanted: the folder with weights files. Correct --weights.")
    for entry in read_listing(folder):
        if entry.fits(row):
            return _check_listed(row, folder, entry)
    stored = _by_name(row, folder)
    return _found(row, "folder", stored) if stored else None


def _check_listed(row: Backbone, folder: Path, entry: Entry) -> WeightsFound:
    """The entry's file, if it lies in the folder itself and has the bytes that the listing says."""
    path = folder / entry.file
    if Path(entry.file).name != entry.file or not path.is_file():
        raise WrongWeights(
            f"{folder / LISTING} names {entry.file!r} for {row.keras_class}, and {folder} holds no such file. "
            "Put the file there, or correct the listing."
        )
    found = _found(row, "folder", path)
    if entry.sha256 not in ("", found.sha256):
        raise WrongWeights(
            f"{path}, the weights of {row.name}, has the sha256 {found.sha256}; {LISTING} beside it says "
            f"{entry.sha256}. The file is damaged or another one: fetch it again."
        )
    return found


def _by_name(row: Backbone, folder: Path) -> Path | None:
    """The first of the names under which Keras stores these weights that the folder holds."""
    return next((folder / file.name for file in row.weights_files if (folder / file.name).is_file()), None)


def _found(row: Backbone, source: Any, path: Path) -> WeightsFound:
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return WeightsFound(backbone=row.name, source=source, path=str(path.resolve()), sha256=checksum)


def _random(row: Backbone) -> WeightsFound:
    return WeightsFound(backbone=row.name, source="random", path="", sha256="")


@cache
def host_trouble() -> str:
    """Look once, for the life of the process, whether Keras' host can be reached. Returns: "" or what went wrong."""
    answer: list[str] = []

    def look() -> None:
        try:
            request = urllib.request.Request(KERAS_HOST, method="HEAD")  # noqa: S310  # a constant https address
            with urllib.request.urlopen(request, timeout=PROBE_S):  # noqa: S310  # likewise
                answer.append("")
        except urllib.error.HTTPError:
            answer.append("")  # it answers; that a folder cannot be listed does not matter
        except OSError as error:
            answer.append(str(error))

    # In a thread: looking up a name keeps to no timeout.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(PROBE_S)
    return answer[0] if answer else f"no answer within {PROBE_S:g} s"


def _download(row: Backbone, warn: Warn) -> bool:
    """Have Keras fetch the weights into its cache. Returns: whether it says that it did."""
    if host_trouble():
        return False
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_S)
    try:
        load_entry(row.entry)(weights="imagenet", input_shape=(row.size_px, row.size_px, 3), **row.arguments)
    except Exception as error:  # noqa: BLE001  # Keras raises bare Exception when a download fails
        warn(f"the weights of {row.name} could not be downloaded: {error}")
        return False
    finally:
        socket.setdefaulttimeout(patience)
    return True
