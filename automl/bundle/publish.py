"""Publishing: a finished bundle appears under its name whole, or not at all, and replaces an older one by a rename.

The new folder is built and synced as .tmp-new-NAME beside its place; an older bundle steps aside as .tmp-old-NAME. A
kill between the two renames leaves no NAME, only the old one aside: the next publication puts it back before it begins.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from automl.bundle.checksums import NAME as SUMS
from automl.bundle.checksums import listed_checksums, read_text, write_checksums
from automl.errors import ResourceMissing
from automl.runs.atomic import TEMPORARY, sync_file, sync_folder

MARK = "bundle.json"
"""A folder that holds it, or whose SHA256SUMS lists it, is a bundle."""


def publish(
    source: Path, exports: Path, name: str, added: Mapping[str, bytes], datasets: Collection[str]
) -> dict[str, str]:
    """Copy a bundle to exports/NAME with further files and SHA256SUMS.

    Args:
        source: the bundle's folder; stays as it is.
        added: file name -> content, put beside the bundle's own files.
        datasets: fingerprints of the data whose older bundle may be replaced.
    Returns: path in the bundle -> sha256, of every file but SHA256SUMS itself.
    Raises: ResourceMissing: the folder cannot be written, or need_replaceable refuses what lies in the place.
    """
    target, new, old = exports / name, exports / f"{TEMPORARY}new-{name}", exports / f"{TEMPORARY}old-{name}"
    try:
        exports.mkdir(parents=True, exist_ok=True)
        with _alone(exports):
            repair(exports, name)
            try:
                shutil.copytree(source, new)
                for file, content in added.items():
                    (new / file).write_bytes(content)
                checksums = write_checksums(new)
                _sync(new)
                # now, not before: what the user put there while the run went on is not removed either
                need_replaceable(target, datasets)
                if target.exists():
                    target.rename(old)
                new.rename(target)
            finally:
                _remove(new)
            sync_folder(exports)
            _remove(old)
    except OSError as error:
        # copytree goes on after a file that it could not copy, and raises one list of all of them
        why = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror or error
        raise ResourceMissing(
            f"the bundle cannot be published as {target} ({why}). Wanted: a folder that can be "
            f"written, with room for {_megabytes(source):.1f} MB. Give access, make room, or name another folder with "
            "--exports; then run the same command again."
        ) from error
    return checksums


def repair(exports: Path, name: str) -> None:
    """Undo what a killed publication of this name left: no half-built folder, and the old bundle in its place."""
    target, old = exports / name, exports / f"{TEMPORARY}old-{name}"
    _remove(exports / f"{TEMPORARY}new-{name}")
    if old.exists() and not target.exists():
        old.rename(target)
    _remove(old)


def need_replaceable(place: Path, datasets: Collection[str]) -> None:
    """Is the place free, or held by an older bundle of the same data with nothing of the user's in it?

    Args: datasets: as publish has them; empty: not known yet, so not compared.
    Raises: ResourceMissing: it is neither.
    """
    if not os.path.lexists(place):
        return
    wanted = (
        "Wanted: a free place, or an older bundle of the same data with nothing of yours in it. {} away, or choose "
        "another --name or --exports; then run the same command again."
    )
    listed = listed_checksums(read_text(place / SUMS)) if (place / SUMS).is_file() else {}
    if place.is_symlink() or not ((place / MARK).is_file() or MARK in listed):
        raise ResourceMissing(f"{place} exists and is no bundle (it has no {MARK}). {wanted.format('Move it')}")
    if foreign := _not_listed(place, listed):
        raise ResourceMissing(f"{place} holds {foreign!r}, which its {SUMS} does not list. {wanted.format('Move it')}")
    found = _dataset_of(place / MARK)
    if datasets and found and found not in datasets:
        raise ResourceMissing(
            f"{place} is a bundle of another dataset (fingerprint {found[:12]}…; this run's is "
            f"{min(datasets)[:12]}…). {wanted.format('Move that bundle')}"
        )


def _not_listed(bundle: Path, listed: Collection[str]) -> str:
    """The first file that its SHA256SUMS does not list, "" for none; byte code that predict.py leaves is no file."""
    for path in sorted(bundle.rglob("*")):
        name = path.relative_to(bundle).as_posix()
        byte_code = path.parent.name == "__pycache__" and path.suffix == ".pyc"
        if (path.is_symlink() or not path.is_dir()) and name not in listed and name != SUMS and not byte_code:
            return name
    return ""


def _dataset_of(bundle_json: Path) -> str:
    """The fingerprint of a bundle's data; "" where it cannot be told."""
    try:
        return str(json.loads(bundle_json.read_bytes())["dataset_fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process publishes into this folder. The system lets go when the process ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync_folder(path) if path.is_dir() else sync_file(path)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
