"""What is in an archive: every member is read from its list and judged before anything is written."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final

from automl.data.files import MAX_DEPTH
from automl.data.files import SUFFIXES as IMAGES
from automl.data.passed import (
    BEGINNING_BYTES,
    NO_SUFFIX,
    NO_SUFFIX_IMAGE,
    PassedOver,
    begins_as_image,
    told,
    why_no_image,
    why_skipped,
)
from automl.data.tables import SUFFIXES as TABLES
from automl.errors import DataError

ZIPS: Final = (".zip",)
TARS: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

MAX_MEMBERS: Final = 2_000_000  # as many as a manifest may have rows
MAX_BYTES: Final = 500_000_000_000
"""Of all that is extracted; the free disk is the tighter limit on most machines."""
MAX_MEMBER_BYTES: Final = 2_000_000_000  # 178 megapixels, the most that check decodes, have 534 MB as they are
MAX_RATIO: Final = 200
"""Bytes out for a byte in, of the whole archive: twelve sets of photos and drawings have 1.0 to 1.8; a bomb has up to
1,032 by deflate's limit, and millions by nesting or overlap."""
RATIO_COUNTS_FROM: Final = 100_000_000  # bytes out: a small set of plain drawings may well be packed to a thousandth
MAX_NAME: Final = 2000  # characters of a member's path; Linux takes 4,096 bytes, the run's own path among them
MAX_READ: Final = 16 << 20  # bytes that tarfile may ask for at once: a header may claim to be of any length
UNREADABLE: Final = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, OverflowError,
    NotImplementedError, RecursionError,
)  # fmt: skip
"""What the readers of archives raise of damaged ones; and OSError without a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of an archive, as its list says."""

    name: str
    kind: str  # "file", "folder", or what else it is, in words
    size_bytes: int
    mtime_s: int  # since the epoch
    is_image: bool = False  # has no suffix, and begins as an image


def wanted_members(archive: Path) -> tuple[Member, ...]:
    """The files that are extracted, once all members were judged. Nothing is written.

    Raises: DataError: the archive cannot be read or holds no image, or a member is hostile: nothing of it is trusted.
    """
    wanted, passed_over = _judged_once(archive)
    if not any(Path(member.name).suffix.lower() in IMAGES for member in wanted):
        there = f" (it holds {told(passed_over.counts)})" if passed_over.counts else ""
        raise DataError(
            f"{archive} holds no image{there}. Wanted: an archive of images, files with one of the suffixes "
            f"{', '.join(sorted(IMAGES))}. Check the path."
        )
    return wanted


def unread_members(archive: Path) -> PassedOver:
    """The other entries, by the kinds of a folder's, and the folders in which no image lies. Raises: as above."""
    return _judged_once(archive)[1]


def _judged_once(archive: Path) -> tuple[tuple[Member, ...], PassedOver]:
    try:
        facts = archive.stat()
        return _judged(archive, facts.st_size, facts.st_mtime_ns)
    except (*UNREADABLE, OSError) as error:
        raise DataError(damaged(archive, error)) from error


@lru_cache(maxsize=1)  # asked for before the run's folder is made, and again to extract: a long .tar.gz is read once
def _judged(archive: Path, packed_bytes: int, _mtime_ns: int) -> tuple[tuple[Member, ...], PassedOver]:
    return sort_out(judge(_members(archive), archive, packed_bytes))


def judge(members: Iterator[Member], archive: Path, packed_bytes: int) -> tuple[Member, ...]:
    """All of an archive's members. Pure but for the iterator.

    Raises: DataError: a member could be written elsewhere or twice, is no file, or there is too much of them.
    """
    judged: list[Member] = []
    seen: dict[str, bool] = {}  # every path, and whether it is a file
    total = 0
    for number, member in enumerate(members, 1):
        if number > MAX_MEMBERS:
            raise DataError(refused(archive, f"it has more than {MAX_MEMBERS:,} entries"))
        if why := _why_hostile(member):
            raise DataError(refused(archive, f"its entry {member.name[:200]!r} {why}"))
        path = tidy(member.name)
        is_file = member.kind == "file"
        if path in seen and (is_file or seen[path]):
            raise DataError(refused(archive, f"its entry {member.name[:200]!r} is there more than once"))
        seen[path] = is_file
        total += member.size_bytes if is_file else 0
        if total > MAX_BYTES:
            raise DataError(refused(archive, f"it unpacks to more than {MAX_BYTES / 1e9:,.0f} GB"))
        if total > RATIO_COUNTS_FROM and total > MAX_RATIO * packed_bytes:
            raise DataError(refused(archive, f"it unpacks to more than {MAX_RATIO} times its size, as bombs do"))
        judged.append(member)
    for path in seen:
        parent = path.rpartition("/")[0]
        while parent:
            if seen.get(parent):
                raise DataError(refused(archive, f"its entry {path[:200]!r} lies in another that is a file"))
            parent = parent.rpartition("/")[0]
    return tuple(judged)


def sort_out(members: Iterable[Member]) -> tuple[tuple[Member, ...], PassedOver]:
    """The files that could be images or manifests, for nothing else is ever read of a dataset; and what else is there.

    The latter is counted as a folder with the same entries would be: a hidden folder once, with all that is in it.
    """
    wanted: list[Member] = []
    passed_over = PassedOver()
    filled: set[str] = set()  # folders that will be there, with images below
    skipped: set[str] = set()
    for member in members:
        path = tidy(member.name)
        folders = _folders_to(path)
        above = next((at for at in (*folders, path) if why_skipped(at.rpartition("/")[2])), "")
        if above:
            if above not in skipped:
                skipped.add(above)
                passed_over.add(above, why_skipped(above.rpartition("/")[2]))
            continue
        for folder in (*folders, path) if member.kind == "folder" else folders:
            passed_over.folders.setdefault(folder, Counter())
        if member.kind == "folder":
            continue
        name = path.rpartition("/")[2]
        reason = why_no_image(name, IMAGES)
        if not reason or Path(name).suffix.lower() in TABLES:
            wanted.append(member)
            filled.update([] if reason else folders)
        else:
            passed_over.add(path, NO_SUFFIX_IMAGE if member.is_image else reason)
    passed_over.folders = {folder: held for folder, held in passed_over.folders.items() if folder not in filled}
    return tuple(wanted), passed_over


def _folders_to(path: str) -> list[str]:
    """Every folder on the way to a path, the uppermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _why_hostile(member: Member) -> str:
    """Why a member may not be extracted, in words; "" for a harmless one."""
    name, size = member.name, member.size_bytes
    folders = name.split("/")
    rules = (
        (member.kind not in ("file", "folder"), f"is {member.kind}"),
        (".." in folders, "leads out of its folder by `..`"),
        ("\0" in name or (member.kind == "file" and not tidy(name)), "has no usable name"),
        (name.startswith("/") or "\\" in name or name[1:2] == ":", "has an absolute path, or one of another system"),
        (any("\ud800" <= character <= "\udfff" for character in name), "has a name that is not UTF-8"),
        (len(name) > MAX_NAME or any(len(os.fsencode(part)) > 255 for part in folders), "has a name that is too long"),
        (len(folders) > MAX_DEPTH, f"lies more than {MAX_DEPTH} folders deep"),
        (
            not 0 <= size <= MAX_MEMBER_BYTES,
            f"has {size / 1e6:,.0f} MB; at most {MAX_MEMBER_BYTES / 1e6:,.0f} are taken",
        ),
    )
    return next((why for holds, why in rules if holds), "")


def tidy(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _members(archive: Path) -> Iterator[Member]:
    if archive.name.lower().endswith(ZIPS):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                name = info.orig_filename if "\0" in info.orig_filename else info.filename  # zipfile cuts it there
                kind = _zip_kind(info)
                yield Member(
                    name=name,
                    kind=kind,
                    size_bytes=info.file_size,
                    mtime_s=_zip_time(info),
                    is_image=kind == "file" and _lacks_suffix(name) and begins_as_image(_start_of(opened, info)),
                )
        return
    with open_tar(archive) as tar:
        for entry in tar:  # one at a time: a hostile one is refused before tarfile goes on behind it
            mtime_s = min(max(int(entry.mtime), 0), 1 << 33)
            kind = _tar_kind(entry)
            content = tar.extractfile(entry) if kind == "file" and _lacks_suffix(entry.name) else None
            yield Member(
                name=entry.name,
                kind=kind,
                size_bytes=entry.size,
                mtime_s=mtime_s,
                is_image=content is not None and begins_as_image(content.read(BEGINNING_BYTES)),
            )


def _lacks_suffix(path: str) -> bool:
    name = path.rpartition("/")[2]
    return not why_skipped(name) and why_no_image(name, IMAGES) == NO_SUFFIX


def _start_of(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's first bytes; none of one that cannot be read, for it is not wanted."""
    try:
        with opened.open(info) as content:
            return content.read(BEGINNING_BYTES)
    except (*UNREADABLE, OSError):
        return b""


@contextmanager
def open_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    """A tar, whatever packs it: told by its first bytes."""
    with archive.open("rb") as file:
        start = file.read(6)
    unpack: Any = open
    for magic, opener in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open)):
        if start.startswith(magic):
            unpack = opener
    with unpack(archive, "rb") as plain:
        bounded: Any = _Bounded(plain)  # all that tarfile asks of a file
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            yield tar


class _Bounded:
    """A file of which no more than MAX_READ bytes are read at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 0x1:
        return "encrypted"
    mode = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0  # 3: written on Unix
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link" if mode == stat.S_IFLNK else "a device or another special file"
    return "folder" if info.is_dir() else "file"


def _zip_time(info: zipfile.ZipInfo) -> int:
    """A zip's time has no zone; read as UTC it is the same on every machine."""
    try:
        return int(datetime(*info.date_time, tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _tar_kind(entry: tarfile.TarInfo) -> str:
    if entry.isreg() and not entry.issparse():
        return "file"
    if entry.isdir():
        return "folder"
    return "a link" if entry.issym() or entry.islnk() else "a device or another special file"


def refused(archive: Path, why: str) -> str:
    return (
        f"{archive} is refused: {why}. Wanted: an archive of plain files and folders. "
        "Nothing of it was kept. Get it from a source that you trust, or unpack it yourself and give the folder."
    )


def damaged(archive: Path, error: Exception) -> str:
    why = (str(error) or type(error).__name__).splitlines()[0][:200]
    return f"{archive} cannot be read: {why}. Wanted: a whole .zip or .tar archive. Get it anew."
