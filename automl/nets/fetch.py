"""One file of weights over HTTP: gone on with where it was cut, judged by its checksum, in its place by a rename."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import http
import http.client
import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from automl.errors import DiskFull, FetchFailed
from automl.nets.catalogue import WeightsFile
from automl.runs.atomic import TEMPORARY, named_in_errors, sync_folder

PROBE_S: Final = 3.0  # how long the one look at the network may take
STALL_S: Final = 30.0  # a download that stands still for so long has been cut
MAX_BYTES: Final = 2_000_000_000  # of one file; the largest that Keras serves, ConvNeXtXLarge, has 1.4 GB
MAX_CUTS: Final = 20  # of one download
CHUNK: Final = 1 << 20
START: Final = 64  # bytes by which a web page is told from a weights file
HDF5: Final = b"\x89HDF\r\n\x1a\n"  # the first bytes of each weights file
SHA256_DIGITS: Final = 64

Progress = Callable[[int, int], object]  # bytes that are here, and all (0: not known)


def unheard(done: int, total: int) -> None:
    """Nobody listens."""


def in_megabytes(tell: Callable[[int, int], object]) -> Progress:
    """What tells each new megabyte, and the end, in megabytes: a download comes in a hundred thousand pieces."""
    last = -1

    def hear(done: int, total: int) -> None:
        nonlocal last
        if (now := done // 1_000_000) != last or done == total:
            last = now
            tell(now, -(-total // 1_000_000))

    return hear


def fetch_file(file: WeightsFile, folder: Path, *, progress: Progress = unheard, stall_s: float = STALL_S) -> Path:
    """Have the file in the folder under its own name; one that is there is taken as it is.

    What was received of a file whose checksum is known stays when the process is killed, and the next call goes on with
    it. Two processes never write one file: the second waits, and finds it there.

    Args:
        progress: called with bytes.
        stall_s: seconds without a byte after which the connection counts as cut.
    Returns: its path.
    Raises: FetchFailed: the host cannot be reached or has other bytes, or the folder cannot be written; DiskFull.
    """
    target, part = folder / file.name, folder / f"{TEMPORARY}{file.name}.part"
    if target.is_file():
        return target
    if trouble := host_trouble(host_of(file.url)):
        raise FetchFailed(f"{file.name}: {host_of(file.url)} cannot be reached ({trouble})")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with named_in_errors(part), _held(part) as out:
            if target.is_file():
                return target
            _fill(file, out, progress, stall_s)
            out.flush()
            os.fsync(out.fileno())
            part.replace(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no room for {file.name} in {folder}. Make room, or choose another folder.") from error
        raise FetchFailed(f"{target} cannot be written: {error.strerror or error}") from error
    sync_folder(folder)
    return target


@cache
def host_trouble(host: str) -> str:
    """Look once, for the life of the process, whether a host can be reached. Returns: "" or what went wrong."""
    answer: list[str] = []

    def look() -> None:
        try:
            request = urllib.request.Request(host, method="HEAD")  # noqa: S310  # the address of a table's row
            with urllib.request.urlopen(request, timeout=PROBE_S):  # noqa: S310  # likewise
                answer.append("")
        except urllib.error.HTTPError:
            answer.append("")  # it answers; that a folder cannot be listed does not matter
        except (OSError, http.client.HTTPException) as error:
            answer.append(str(error))

    # In a thread: looking up a name keeps to no timeout.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(PROBE_S)
    return answer[0] if answer else f"no answer within {PROBE_S:g} s"


def no_weights(start: bytes) -> str:
    """Why a file that begins so is no HDF5 file, in words; "" where it may be one."""
    if start.startswith(HDF5):
        return ""
    if not start:
        return "it is empty"
    if re.match(rb"\s*<(!doctype|html|\?xml)", start, re.IGNORECASE):
        return "it is a web page, as a login page or an error is saved under the name of a file"
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file itself"
    return f"it begins with {start[:8]!r}, which no HDF5 file does"


def stated_fault(file: WeightsFile, opened: BufferedReader | BufferedRandom) -> str:
    """How an open file differs from the checksum that Keras states, in words; "" where it does not, or none is."""
    if not file.stated:
        return ""
    kind = "sha256" if len(file.stated) == SHA256_DIGITS else "md5"
    opened.seek(0)
    found = hashlib.file_digest(opened, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    return "" if found == file.stated else f"its {kind} is {found}, and Keras states {file.stated}"


@contextlib.contextmanager
def _held(part: Path) -> Iterator[BufferedRandom]:
    """The partial file, open to be added to; no other process has it open so."""
    while True:
        with part.open("a+b") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            # While this waited, the other process may have given the file its own name, or thrown it away.
            if part.exists() and part.stat().st_ino == os.fstat(out.fileno()).st_ino:
                try:
                    yield out
                finally:
                    if not os.fstat(out.fileno()).st_size:
                        part.unlink(missing_ok=True)
                return


def _fill(file: WeightsFile, out: BufferedRandom, progress: Progress, stall_s: float) -> None:
    """Receive what is missing, and judge the whole. Raises: FetchFailed: nothing false is left."""
    if not file.stated:
        out.truncate(0)  # nothing would tell whether the beginning is of the same file
    resumed = _size(out) > 0
    if resumed and not stated_fault(file, out):
        return  # all of it had come
    _receive_all(file, out, progress, stall_s)
    if resumed and stated_fault(file, out):
        out.truncate(0)
        _receive_all(file, out, progress, stall_s)
    if fault := stated_fault(file, out):
        Path(out.name).unlink()
        raise FetchFailed(f"{file.name}: what {file.url} sends is damaged or another file: {fault}")


def _receive_all(file: WeightsFile, out: BufferedRandom, progress: Progress, stall_s: float) -> None:
    """Go on after each cut, as long as something comes in between."""
    tag, before, last = "", _size(out), _Cut("")
    for _ in range(MAX_CUTS):
        try:
            tag = _receive(file, out, tag, progress, stall_s)
            return
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not before:
                raise FetchFailed(f"{file.name}: {file.url} answers {error.code} {error.reason}") from error
            before = 0
            out.truncate(0)  # what is here is longer than the file
        except _Cut as cut:
            last, tag = cut, cut.tag or tag
            if _size(out) <= before:
                break
            if not (tag or file.stated):
                out.truncate(0)  # nothing would tell whether both halves are of the same file
            before = _size(out)
    raise FetchFailed(f"{file.name}: {file.url} broke off: {last}. The same command goes on with it") from last


class _Cut(Exception):
    """The connection ended before the file did."""

    def __init__(self, why: object, tag: str = "") -> None:
        super().__init__(str(why))
        self.tag = tag


def _receive(file: WeightsFile, out: BufferedRandom, tag: str, progress: Progress, stall_s: float) -> str:
    """One request, from where the file is on. Returns: the host's tag of this version of the file. Raises: _Cut."""
    have = _size(out)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", **({"If-Range": tag} if tag else {})}
    request = urllib.request.Request(file.url, headers=headers)  # noqa: S310  # the address of a table's row
    try:
        answer: Any = urllib.request.urlopen(request, timeout=stall_s)  # noqa: S310  # likewise
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(error) from error
    with answer:
        tag = answer.headers.get("ETag", "")
        tag = "" if tag.startswith("W/") else tag
        if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise _Cut("another part was sent than was asked for")
        else:
            have = 0
            out.truncate(0)  # it sends all of it, whatever was asked for
        total = 0 if answer.length is None else have + answer.length
        while True:
            try:
                chunk = answer.read1(CHUNK) if have else answer.read(START)
            except (OSError, http.client.HTTPException) as error:
                raise _Cut(error, tag) from error
            if not chunk:
                break
            whole_start = len(chunk) in (START, total) or not total
            _refuse(file, out, "" if have or not whole_start else no_weights(chunk), max(have + len(chunk), total))
            have += len(chunk)
            out.write(chunk)
            progress(have, total)
    if have < total or not have:
        raise _Cut(f"{have:,} of {total:,} bytes came", tag)
    return tag


def _refuse(file: WeightsFile, out: BufferedRandom, why: str, size: int) -> None:
    """Raises: FetchFailed: what comes is no weights file, or too large for one; nothing of it is kept."""
    if size > MAX_BYTES:
        why = f"it has more than {MAX_BYTES / 1e9:.0f} GB"
    if why:
        Path(out.name).unlink()
        raise FetchFailed(f"{file.name}: what {file.url} sends is no weights file: {why}")


def _size(out: BufferedRandom) -> int:
    return out.seek(0, os.SEEK_END)


def host_of(url: str) -> str:
    """The address of the host alone."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"
