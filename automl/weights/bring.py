"""`automl weights import`: a bundle is judged whole before anything of it is written, and put in place file by file.

A bundle comes from outside. Taken are plain files alone, of the names and sizes that its weights.yaml states; each is
compared with its checksum before any of them is put in place, by a rename.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Literal

from automl.data.members import UNREADABLE, open_tar
from automl.errors import DiskFull, UsageError, WrongWeights
from automl.nets.fetch import CHUNK, MAX_BYTES, START, no_weights
from automl.nets.listing import LISTING, Entry, listing_text, parse_listing, read_listing
from automl.nets.listing import MAX_BYTES as MAX_LISTING_BYTES
from automl.nets.weights import VARIABLE, keras_cache
from automl.runs.atomic import TEMPORARY, sync_folder, write_text
from automl.weights.bundle import NAME, Carried, carried, disk_in_words
from automl.weights.stock import Hear

MAX_FILES: Final = 500  # of one bundle; Keras serves about 60 without a top
SHA256: Final = re.compile(r"[0-9a-f]{64}")
ROOM_LEFT: Final = 100_000_000  # bytes that stay free
STAGING: Final = f"{TEMPORARY}import"

State = Literal["new", "here", "replaced"]


def import_stock(source: Path, to: Path | None, *, force: bool, hear: Hear) -> tuple[Carried, ...]:
    """Put the weights of a bundle where runs find them.

    Args:
        source: a tar that `automl weights bundle` wrote, or a folder with a weights.yaml that states sha256 and size of
            each of its files.
        to: the folder to put them in; None: that of $AUTOML_WEIGHTS, else Keras' cache.
        force: a file of the same name and other bytes is replaced.
        hear: called with progress.
    Returns: one for each file. The folder's own weights.yaml lists them before what it listed.
    Raises: WrongWeights: the bundle is damaged or hostile, and nothing of it was kept; UsageError: there is none, or a
        file would be replaced; DiskFull, DiskRefused.
    """
    target = to or Path(os.environ.get(VARIABLE, "") or keras_cache()).expanduser()
    if not source.exists():
        raise UsageError(f"{source} is not there. Wanted: a tar of `automl weights bundle`, or a folder. Correct it.")
    entries = _judged(source)
    with disk_in_words(target), _held(target):
        states = {name: _state(target / name, entry) for name, entry in entries.items()}
        if (other := [name for name, state in states.items() if state == "replaced"]) and not force:
            raise UsageError(
                f"{target} holds other files of the names {', '.join(other)}. Nothing was written. Name another folder "
                "with --to, or add --force to replace them."
            )
        listed = read_listing(target)
        missing = {name: entry for name, entry in entries.items() if states[name] != "here"}
        if missing:
            _stage(source, missing, target / STAGING, hear)
        for name in missing:
            (target / STAGING / name).replace(target / name)
        merged = (*entries.values(), *(entry for entry in listed if entry.file not in entries))
        if merged != listed:
            write_text(target / LISTING, listing_text(merged))
        sync_folder(target)
    return tuple(carried(entry, target / name, states[name]) for name, entry in entries.items())


def _judged(source: Path) -> Mapping[str, Entry]:
    """The bundle's listing, by file; nothing is written. Raises: WrongWeights: anything of it is not as it must be."""
    if not source.is_dir():
        return _judged_tar(source)
    entries = _by_file(source, read_listing(source))
    for name, entry in entries.items():
        path = source / name
        _need_as_listed(
            source, entry, "file" if path.is_file() else "no file", path.stat().st_size if path.exists() else 0
        )
    return entries


def _judged_tar(source: Path) -> Mapping[str, Entry]:
    with _opened(source) as tar:
        first = tar.next()
        if first is None or first.name != LISTING or _kind(first) != "file" or first.size > MAX_LISTING_BYTES:
            raise _refused(source, f"it does not begin with a {LISTING}")
        entries = _by_file(source, parse_listing(_content(tar, first).read(), f"{LISTING} in {source}"))
        seen: set[str] = set()
        while (member := tar.next()) is not None:
            entry = entries.get(member.name)
            if entry is None or member.name in seen:
                why = "is not in its weights.yaml" if entry is None else "is there twice"
                raise _refused(source, f"its entry {member.name[:200]!r} {why}")
            _need_as_listed(source, entry, _kind(member), member.size)
            seen.add(member.name)
    if absent := [name for name in entries if name not in seen]:
        raise _refused(source, f"it lacks {', '.join(absent)}")
    return entries


def _by_file(source: Path, entries: Sequence[Entry]) -> Mapping[str, Entry]:
    """Raises: WrongWeights: an entry has no plain name, no checksum, no sensible size, or there are too many."""
    if not 1 <= len(entries) <= MAX_FILES:
        raise _refused(source, f"its {LISTING} lists {len(entries)} files; wanted are 1 to {MAX_FILES}")
    for entry in entries:
        rules = (
            (not NAME.fullmatch(entry.file), "a name that no weights file has"),
            (not SHA256.fullmatch(entry.sha256), "no sha256"),
            (
                entry.size is None or not START <= entry.size <= MAX_BYTES,
                f"no size from {START} to {MAX_BYTES:,} bytes",
            ),
        )
        if why := next((why for holds, why in rules if holds), ""):
            raise _refused(source, f"its {LISTING} gives {entry.file[:200]!r} {why}")
    found = {entry.file: entry for entry in entries}
    if len(found) < len(entries):
        raise _refused(source, f"its {LISTING} lists a file twice")
    return found


def _need_as_listed(source: Path, entry: Entry, kind: str, size: int) -> None:
    if kind != "file":
        raise _refused(source, f"its entry {entry.file!r} is {kind}")
    if size != entry.size:
        raise _refused(source, f"its entry {entry.file!r} has {size:,} bytes, and its {LISTING} says {entry.size:,}")


def _state(path: Path, entry: Entry) -> State:
    """What putting a file there would do."""
    if not path.exists() and not path.is_symlink():
        return "new"
    if path.is_file() and path.stat().st_size == entry.size:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256:
                return "here"
    return "replaced"


def _stage(source: Path, wanted: Mapping[str, Entry], staging: Path, hear: Hear) -> None:
    """Have the files in a folder beside their places, each as its checksum says.

    Raises: WrongWeights: one is not; DiskFull: there is no room for them.
    """
    need, free = sum(entry.size or 0 for entry in wanted.values()), shutil.disk_usage(staging.parent).free
    if need + ROOM_LEFT > free:
        raise DiskFull(
            f"the files take {need / 1e6:,.0f} MB, and the disk of {staging.parent} has {free / 1e6:,.0f} MB free. "
            f"Wanted: {ROOM_LEFT / 1e6:,.0f} MB more than they take. Make room, or name another folder with --to."
        )
    does = f"{len(wanted)} file(s), {need / 1e6:,.1f} MB, each compared with its checksum"
    hear({"event": "stage started", "stage": "import", "does": does})
    staging.mkdir()
    for number, (entry, content) in enumerate(_contents(source, wanted)):
        hear({"event": "progress", "stage": "import", "done": number, "total": len(wanted), "text": entry.file})
        with content, (staging / entry.file).open("xb") as file:
            _copy(source, entry, content, file)
            file.flush()
            os.fsync(file.fileno())
    if absent := [name for name in wanted if not (staging / name).is_file()]:
        raise _refused(source, f"{', '.join(absent)} went while it was read")


def _contents(source: Path, wanted: Mapping[str, Entry]) -> Iterator[tuple[Entry, IO[bytes]]]:
    if source.is_dir():
        for name, entry in wanted.items():
            yield entry, (source / name).open("rb")
        return
    with _opened(source) as tar:
        for member in tar:
            if member.name in wanted and _kind(member) == "file":
                yield wanted[member.name], _content(tar, member)


def _copy(source: Path, entry: Entry, content: IO[bytes], file: IO[bytes]) -> None:
    """Raises: WrongWeights: the content is not what the listing says."""
    checksum, left, start = hashlib.sha256(), entry.size or 0, b""
    while left and (chunk := content.read(min(left, CHUNK))):
        start = start or chunk[:START]
        checksum.update(chunk)
        file.write(chunk)
        left -= len(chunk)
    if checksum.hexdigest() != entry.sha256:
        raise _refused(source, f"{entry.file!r} is damaged: it has not the sha256 that its {LISTING} states")
    if why := no_weights(start):
        raise _refused(source, f"{entry.file!r} is no weights file: {why}")


@contextmanager
def _held(target: Path) -> Iterator[None]:
    """The folder, made if need be; one import at a time, and nothing temporary is left there."""
    target.mkdir(parents=True, exist_ok=True)
    handle = os.open(target, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        shutil.rmtree(target / STAGING, ignore_errors=True)  # of an import that was killed
        yield
    finally:
        shutil.rmtree(target / STAGING, ignore_errors=True)
        os.close(handle)


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    """Raises: WrongWeights: it is no tar, or a damaged one."""
    try:
        with open_tar(source) as tar:
            yield tar
    except UNREADABLE as error:
        raise _refused(source, f"it cannot be read as a tar: {(str(error) or type(error).__name__)[:200]}") from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None  # it is a file
    return content


def _kind(member: tarfile.TarInfo) -> str:
    """ "file" for a plain one; else in words."""
    if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse():
        return "file"
    return "a link" if member.issym() or member.islnk() else "a folder" if member.isdir() else "no plain file"


def _refused(source: Path, why: str) -> WrongWeights:
    return WrongWeights(
        f"{source} is refused: {why}. Wanted: a tar that `automl weights bundle` wrote, or a folder with a {LISTING} "
        "that states sha256 and size of each file. Nothing of it was kept. Get it anew, from a source that you trust."
    )
