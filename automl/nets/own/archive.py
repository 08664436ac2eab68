"""A .keras file from outside: a zip of three members, which are judged before any of them is read."""

from __future__ import annotations

import hashlib
import json
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from automl.nets.own.allowed import MAX_BYTES as MAX_CONFIG_BYTES
from automl.nets.own.allowed import NotAllowed

CONFIG: Final = "config.json"
METADATA: Final = "metadata.json"
WEIGHTS: Final = "model.weights.h5"
MOST_BYTES: Final = {CONFIG: MAX_CONFIG_BYTES, METADATA: 65_536, WEIGHTS: 2_000_000_000}
"""Of each member that a .keras file has, how many it may unpack to."""
MAX_RATIO: Final = 100
"""Bytes out for a byte in: Keras packs nothing (1), and deflated weights have about 1.1."""
RATIO_COUNTS_FROM: Final = 1_000_000  # bytes out: a config of plain JSON may be packed to a hundredth
CHUNK: Final = 1 << 20
UNREADABLE: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
)
"""What zipfile raises of damaged files."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """A .keras file whose members are those that Keras writes, and no others; and its sha256.

    Raises: NotAllowed: it is no zip, or has a member that it may not have; OSError: it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise NotAllowed("it is no regular file")
    with path.open("rb") as file:
        start = file.read(8)
        if not start.startswith(b"PK"):
            what = "an HDF5 file, as Keras 2 wrote them" if start.startswith(b"\x89HDF") else f"begins with {start!r}"
            raise NotAllowed(f"it is no .keras file but {what}; a .keras file is a zip that Keras 3 wrote")
        file.seek(0)
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            archive = zipfile.ZipFile(file)
            judge(archive.infolist())
        except NotAllowed:
            raise
        except UNREADABLE as error:
            raise NotAllowed(f"it is no whole zip: {error}") from error
        with archive:
            yield archive, checksum


def judge(members: list[zipfile.ZipInfo]) -> None:
    """Raises: NotAllowed: there are others than config, metadata and weights, or one is not what it should be."""
    names = [member.orig_filename for member in members]
    for member, name in zip(members, names, strict=True):
        if name not in MOST_BYTES:
            raise NotAllowed(
                f"it holds {name[:200]!r}; wanted: {', '.join(MOST_BYTES)} and nothing else, as Keras 3 writes for a "
                "network of plain layers"
            )
        mode = stat.S_IFMT(member.external_attr >> 16)
        rules = (
            (names.count(name) > 1, "is there twice"),
            (member.flag_bits & 0x1, "is encrypted"),
            (mode not in (0, stat.S_IFREG), "is a link or another special file"),
            (member.file_size > MOST_BYTES[name], f"unpacks to more than {MOST_BYTES[name]:,} bytes"),
            (
                member.file_size > RATIO_COUNTS_FROM and member.file_size > MAX_RATIO * member.compress_size,
                f"unpacks to more than {MAX_RATIO} times its size, as bombs do",
            ),
        )
        if why := next((why for holds, why in rules if holds), ""):
            raise NotAllowed(f"its member {name} {why}")
    if absent := [name for name in MOST_BYTES if name not in names]:
        raise NotAllowed(f"it lacks {' and '.join(absent)}")


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A small member, whole. Raises: NotAllowed: it is damaged."""
    with _whole(archive, name) as content:
        return content.read(MOST_BYTES[name] + 1)


def copy_member(archive: zipfile.ZipFile, name: str, out: IO[bytes]) -> None:
    """A large member, into an open file. Raises: NotAllowed: it is damaged."""
    with _whole(archive, name) as content:
        while chunk := content.read(CHUNK):
            out.write(chunk)


def need_keras_3(metadata: bytes) -> None:
    """Raises: NotAllowed: another Keras wrote the file, or it does not say which."""
    try:
        version = str(json.loads(metadata)["keras_version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotAllowed(f"its {METADATA} does not say which Keras wrote it") from error
    if not version.startswith("3."):
        raise NotAllowed(f"Keras {version[:40]} wrote it; wanted: Keras 3. Load it there, and save it again")


@contextmanager
def _whole(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """zipfile reads no more than the list says, and compares the checksum at the end."""
    try:
        with archive.open(name) as content:
            yield content
    except UNREADABLE as error:
        if isinstance(error, NotAllowed):
            raise
        raise NotAllowed(f"its member {name} is damaged: {error}") from error
