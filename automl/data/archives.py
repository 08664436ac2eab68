"""A dataset in a .zip or .tar: every member is judged before anything is written; whole in its folder, or not there.

What a hostile archive could do is refused three times: by its list of members, by tarfile's own "data" filter, and by
counting the bytes that are really written.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final

from pydantic import TypeAdapter

from automl.data.members import (
    TARS,
    UNREADABLE,
    ZIPS,
    Member,
    damaged,
    open_tar,
    refused,
    tidy,
    unread_members,
    wanted_members,
)
from automl.data.named import FILES, is_named
from automl.data.passed import PassedOver
from automl.data.reading import part_of
from automl.data.tables import SUFFIXES as TABLES
from automl.errors import DataError, DiskFull
from automl.runs.atomic import TEMPORARY, sync_folder, write_json

ROOM_LEFT: Final = 200_000_000  # bytes that stay free
MAX_DESCENTS: Final = 3
CHUNK: Final = 1 << 20
STAMP: Final = "extracted.json"
"""Beside the files: which archive they are of, and what else is in it. It is written last."""
_UNREAD: Final = TypeAdapter(PassedOver)


def is_archive(path: Path) -> bool:
    """Whether a path has the name of an archive that can be read, and is a regular file."""
    return path.name.lower().endswith(ZIPS + TARS) and path.is_file()


def extract(archive: Path, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Have the images and manifests of an archive in a folder; they are taken over where they are there already.

    Args:
        folder: for this archive alone; replaced where it holds another one, or is not whole.
        progress: called with the files written, and all.
    Returns: the dataset's folder: `folder`, or the one folder in it that holds all.
    Raises: DataError: the archive is damaged or hostile, then nothing of it is there; DiskFull: too little room.
    """
    if is_extracted(archive, folder):
        return _top(folder / FILES)
    members = wanted_members(archive)
    unread = _UNREAD.dump_python(unread_members(archive), mode="json")
    need_room(members, folder.parent)
    with made_whole(folder) as temporary:
        _write(archive, members, temporary / FILES, progress)
        os.sync()  # once for all files: what the stamp says must hold after a power cut as well
        write_json(temporary / STAMP, {**_identity(archive), "files": len(members), "unread": unread})
    return _top(folder / FILES)


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A temporary folder for files and their stamp, which takes the folder's place once all is in it, or is removed."""
    temporary = folder.with_name(f"{TEMPORARY}{folder.name}")
    for old in (temporary, folder):
        if old.exists():
            shutil.rmtree(old)
    (temporary / FILES).mkdir(parents=True)
    try:
        yield temporary
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def opened(dataset: Path, folder: Path) -> Path:
    """The dataset's folder: what was extracted or exported to the folder, of an archive or a name; else itself."""
    return _top(folder / FILES) if is_named(dataset) or is_archive(dataset) else dataset


def unread_in(dataset: Path, folder: Path) -> PassedOver:
    """What an archive held besides what was extracted to the folder, by paths below the dataset's folder; else nothing.

    Nothing is known of one that an earlier version extracted, nor where the stamp was changed.
    """
    stamp = _stamp(folder) if is_archive(dataset) else None
    try:
        unread = _UNREAD.validate_python((stamp or {})["unread"])
    except (KeyError, ValueError):
        return PassedOver()
    top = _top(folder / FILES).relative_to(folder / FILES).as_posix()
    return unread.below("" if top == "." else top)


def is_extracted(archive: Path, folder: Path) -> bool:
    """Whether the folder holds this archive, whole: of the same path, size and time."""
    stamp = _stamp(folder)
    return stamp is not None and {**stamp, **_identity(archive)} == stamp


def holds_another(archive: Path, folder: Path) -> bool:
    """Whether the folder holds an archive that is no more as it was when it was extracted."""
    return (folder / STAMP).is_file() and not is_extracted(archive, folder)


def count_files(archive: Path, folder: Path) -> int:
    """How many files are, or would be, extracted to the folder. Raises: as wanted_members."""
    return int((_stamp(folder) or {})["files"]) if is_extracted(archive, folder) else len(wanted_members(archive))


def need_room(members: tuple[Member, ...], folder: Path) -> None:
    """Raises: DiskFull: the disk under the folder cannot hold the members."""
    there = folder
    while not there.exists():
        there = there.parent
    blocks = sum(-(-member.size_bytes // 4096) * 4096 for member in members)
    free = shutil.disk_usage(there).free
    if blocks + ROOM_LEFT > free:
        raise DiskFull(
            f"the archive's files take {blocks / 1e6:,.0f} MB, and the disk of {there} has {free / 1e6:,.0f} MB free. "
            f"Wanted: {ROOM_LEFT / 1e6:,.0f} MB more than they take. Make room, or choose another folder with --runs."
        )


def _stamp(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("files"), int) else None


def _write(archive: Path, members: tuple[Member, ...], folder: Path, progress: Callable[[int, int], None]) -> None:
    try:
        for number, (member, content) in enumerate(_contents(archive, {member.name: member for member in members}), 1):
            path = folder / tidy(member.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(content), path.open("xb") as file:
                _copy(content, file, member, archive)
            os.utime(path, (member.mtime_s, member.mtime_s))
            progress(number, len(members))
    except UNREADABLE as error:
        raise DataError(damaged(archive, error)) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # gzip's and bz2's way to say so, and a place before the file's begin
            raise DataError(damaged(archive, error)) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no room for the files of {archive} in {folder.parent}. Wanted: more room there."
            ) from error
        raise


def _contents(archive: Path, wanted: dict[str, Member]) -> Iterator[tuple[Member, IO[bytes]]]:
    if archive.name.lower().endswith(ZIPS):
        with zipfile.ZipFile(archive) as opened:
            for name, member in wanted.items():
                yield member, opened.open(name)
        return
    with open_tar(archive) as tar:
        for entry in tar:
            if entry.name in wanted:
                tarfile.data_filter(entry, str(archive.parent.resolve()))  # raises FilterError, a TarError
                content = tar.extractfile(entry)
                if content is None:
                    raise tarfile.ReadError(f"{entry.name[:200]!r} is no file any more")
                yield wanted[entry.name], content


def _copy(content: IO[bytes], file: IO[bytes], member: Member, archive: Path) -> None:
    """Write a member, and no more of it than the list of members promised."""
    written = 0
    while chunk := content.read(CHUNK):
        written += len(chunk)
        if written > member.size_bytes:
            raise DataError(refused(archive, f"its entry {member.name[:200]!r} holds more than it says"))
        file.write(chunk)
    if written < member.size_bytes:
        raise DataError(damaged(archive, EOFError(f"{member.name[:200]!r} is cut short")))


def _top(folder: Path) -> Path:
    """Down to the dataset: through folders that are all that is there and hold folders or a manifest themselves."""
    for _ in range(MAX_DESCENTS):
        entries = list(folder.iterdir())
        if len(entries) != 1 or not entries[0].is_dir() or part_of(entries[0].name):
            return folder
        kinds = Counter("folder" if e.is_dir() else e.suffix.lower() for e in entries[0].iterdir())
        if not kinds["folder"] and not any(kinds[suffix] for suffix in TABLES):
            return folder
        folder = entries[0]
    return folder


def _identity(archive: Path) -> dict[str, object]:
    facts = archive.stat()
    return {"archive": str(archive.resolve()), "size_bytes": facts.st_size, "mtime_ns": facts.st_mtime_ns}
