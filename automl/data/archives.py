"""A dataset in a .zip or .tar: every member is judged before anything is written; whole in its folder, or not there.

What a hostile archive could do is refused three times: by its list of members, by tarfile's own "data" filter, and by
counting the bytes that are really written.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import json
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final

from automl.data.files import JUNK, MAX_DEPTH
from automl.data.files import SUFFIXES as IMAGES
from automl.data.named import is_named
from automl.data.reading import part_of
from automl.data.tables import SUFFIXES as TABLES
from automl.errors import DataError, DiskFull
from automl.runs.atomic import TEMPORARY, sync_folder, write_json

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
ROOM_LEFT: Final = 200_000_000  # bytes that stay free
MAX_NAME: Final = 2000  # characters of a member's path; Linux takes 4,096 bytes, the run's own path among them
MAX_DESCENTS: Final = 3
MAX_READ: Final = 16 << 20  # bytes that tarfile may ask for at once: a header may claim to be of any length
CHUNK: Final = 1 << 20
STAMP: Final = "extracted.json"
"""Beside the files: which archive they are of. It is written last."""
FILES: Final = "files"  # the folder that holds them
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
    need_room(members, folder.parent)
    temporary = folder.with_name(f"{TEMPORARY}{folder.name}")
    for old in (temporary, folder):
        if old.exists():
            shutil.rmtree(old)
    (temporary / FILES).mkdir(parents=True)
    try:
        _write(archive, members, temporary / FILES, progress)
        os.sync()  # once for all files: what the stamp says must hold after a power cut as well
        write_json(temporary / STAMP, {**_identity(archive), "files": len(members)})
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    return _top(folder / FILES)


def opened(dataset: Path, folder: Path) -> Path:
    """The dataset's folder: what was extracted or exported to the folder, of an archive or a name; else itself."""
    return _top(folder / FILES) if is_named(dataset) or is_archive(dataset) else dataset


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


def wanted_members(archive: Path) -> tuple[Member, ...]:
    """The files that are extracted, once all members were judged. Nothing is written.

    Raises: DataError: the archive cannot be read or holds no image, or a member is hostile: nothing of it is trusted.
    """
    try:
        facts = archive.stat()
        members = _judged(archive, facts.st_size, facts.st_mtime_ns)
    except (*UNREADABLE, OSError) as error:
        raise DataError(_damaged(archive, error)) from error
    if not any(Path(member.name).suffix.lower() in IMAGES for member in members):
        raise DataError(
            f"{archive} holds no image. Wanted: an archive of images, files with one of the suffixes "
            f"{', '.join(sorted(IMAGES))}. Check the path."
        )
    return members


@lru_cache(maxsize=1)  # asked for before the run's folder is made, and again to extract: a long .tar.gz is read once
def _judged(archive: Path, packed_bytes: int, _mtime_ns: int) -> tuple[Member, ...]:
    return judge(_members(archive), archive, packed_bytes)


def _stamp(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("files"), int) else None


def judge(members: Iterator[Member], archive: Path, packed_bytes: int) -> tuple[Member, ...]:
    """The wanted ones of an archive's members. Pure but for the iterator.

    Raises: DataError: a member could be written elsewhere or twice, is no file, or there is too much of them.
    """
    wanted: list[Member] = []
    seen: dict[str, bool] = {}  # every path, and whether it is a file
    total = 0
    for number, member in enumerate(members, 1):
        if number > MAX_MEMBERS:
            raise DataError(_refused(archive, f"it has more than {MAX_MEMBERS:,} entries"))
        if why := _why_hostile(member):
            raise DataError(_refused(archive, f"its entry {member.name[:200]!r} {why}"))
        path = _tidy(member.name)
        is_file = member.kind == "file"
        if path in seen and (is_file or seen[path]):
            raise DataError(_refused(archive, f"its entry {member.name[:200]!r} is there more than once"))
        seen[path] = is_file
        total += member.size_bytes if is_file else 0
        if total > MAX_BYTES:
            raise DataError(_refused(archive, f"it unpacks to more than {MAX_BYTES / 1e9:,.0f} GB"))
        if total > RATIO_COUNTS_FROM and total > MAX_RATIO * packed_bytes:
            raise DataError(_refused(archive, f"it unpacks to more than {MAX_RATIO} times its size, as bombs do"))
        if is_file and _is_wanted(path):
            wanted.append(member)
    for path in seen:
        parent = path.rpartition("/")[0]
        while parent:
            if seen.get(parent):
                raise DataError(_refused(archive, f"its entry {path[:200]!r} lies in another that is a file"))
            parent = parent.rpartition("/")[0]
    return tuple(wanted)


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


def _why_hostile(member: Member) -> str:
    """Why a member may not be extracted, in words; "" for a harmless one."""
    name, size = member.name, member.size_bytes
    folders = name.split("/")
    rules = (
        (member.kind not in ("file", "folder"), f"is {member.kind}"),
        (".." in folders, "leads out of its folder by `..`"),
        ("\0" in name or (member.kind == "file" and not _tidy(name)), "has no usable name"),
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


def _tidy(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _is_wanted(path: str) -> bool:
    """Whether a file could be an image or a manifest: nothing else is ever read of a dataset."""
    folders = path.split("/")
    if any(part.startswith(".") or part.casefold() in JUNK for part in folders):
        return False
    return Path(folders[-1]).suffix.lower() in (*IMAGES, *TABLES)


def _members(archive: Path) -> Iterator[Member]:
    if archive.name.lower().endswith(ZIPS):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                name = info.orig_filename if "\0" in info.orig_filename else info.filename  # zipfile cuts it there
                yield Member(name=name, kind=_zip_kind(info), size_bytes=info.file_size, mtime_s=_zip_time(info))
        return
    with _tar(archive) as tar:
        for entry in tar:  # one at a time: a hostile one is refused before tarfile goes on behind it
            mtime_s = min(max(int(entry.mtime), 0), 1 << 33)
            yield Member(name=entry.name, kind=_tar_kind(entry), size_bytes=entry.size, mtime_s=mtime_s)


@contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
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


def _write(archive: Path, members: tuple[Member, ...], folder: Path, progress: Callable[[int, int], None]) -> None:
    try:
        for number, (member, content) in enumerate(_contents(archive, {member.name: member for member in members}), 1):
            path = folder / _tidy(member.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(content), path.open("xb") as file:
                _copy(content, file, member, archive)
            os.utime(path, (member.mtime_s, member.mtime_s))
            progress(number, len(members))
    except UNREADABLE as error:
        raise DataError(_damaged(archive, error)) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # gzip's and bz2's way to say so, and a place before the file's begin
            raise DataError(_damaged(archive, error)) from error
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
    with _tar(archive) as tar:
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
            raise DataError(_refused(archive, f"its entry {member.name[:200]!r} holds more than it says"))
        file.write(chunk)
    if written < member.size_bytes:
        raise DataError(_damaged(archive, EOFError(f"{member.name[:200]!r} is cut short")))


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


def _refused(archive: Path, why: str) -> str:
    return (
        f"{archive} is refused: {why}. Wanted: an archive of plain files and folders. "
        "Nothing of it was kept. Get it from a source that you trust, or unpack it yourself and give the folder."
    )


def _damaged(archive: Path, error: Exception) -> str:
    why = (str(error) or type(error).__name__).splitlines()[0][:200]
    return f"{archive} cannot be read: {why}. Wanted: a whole .zip or .tar archive. Get it anew."
