"""Publishing: a finished bundle appears under its name whole, or not at all, and replaces an older one by a rename.

The new folder is built and synced as .tmp-new-NAME beside its place; an older bundle steps aside as .tmp-old-NAME. A
kill between the two renames leaves no NAME, only the old one aside: the next publication puts it back before it begins.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from automl.bundle.checksums import write_checksums
from automl.errors import ResourceMissing
from automl.runs.atomic import TEMPORARY, sync_file, sync_folder

MARK = "bundle.json"
"""A folder that holds it is a bundle, and may be replaced by one."""


def publish(source: Path, exports: Path, name: str, added: Mapping[str, bytes]) -> dict[str, str]:
    """Copy a bundle to exports/NAME with further files and SHA256SUMS.

    Args:
        source: the bundle's folder; stays as it is.
        added: file name -> content, put beside the bundle's own files.
    Returns: path in the bundle -> sha256, of every file but SHA256SUMS itself.
    Raises: ResourceMissing: the folder cannot be written, or something that is no bundle lies in the place.
    """
    target, new, old = exports / name, exports / f"{TEMPORARY}new-{name}", exports / f"{TEMPORARY}old-{name}"
    try:
        exports.mkdir(parents=True, exist_ok=True)
        with _alone(exports):
            repair(exports, name)
            _refuse_stranger(target)
            try:
                shutil.copytree(source, new)
                for file, content in added.items():
                    (new / file).write_bytes(content)
                checksums = write_checksums(new)
                _sync(new)
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


def _refuse_stranger(target: Path) -> None:
    """Raises: ResourceMissing: what lies there is no bundle, and so nothing of ours to remove."""
    if target.is_symlink() or (target.exists() and not (target / MARK).is_file()):
        raise ResourceMissing(
            f"{target} exists and is no bundle (it has no {MARK}). Wanted: a free place, or an older bundle to "
            "replace. Move it away, or name another folder with --exports; then run the same command again."
        )


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
