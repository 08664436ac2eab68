"""Archives as an attacker or a broken transfer leaves them: a row a kind, each around the same small dataset."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Files = Mapping[str, bytes]  # of a whole dataset
Make = Callable[[random.Random, Files], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One archive."""

    name: str
    suffix: str
    make: Make
    fate: Literal["refused", "whole", "either"]


def zipped(files: Files, *more: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
        for info, content in more:
            packed.writestr(info, content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def tarred(files: Files, *more: tuple[tarfile.TarInfo, bytes], format_: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info, content in more:
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def _zip_name(name: str) -> Make:
    return lambda draw, files: zipped(files, (zipfile.ZipInfo(name), b"evil"))


def _zip_mode(mode: int) -> Make:
    def make(draw: random.Random, files: Files) -> bytes:
        info = zipfile.ZipInfo("set/cat/link.png")
        info.create_system, info.external_attr = 3, mode << 16
        return zipped(files, (info, b"/etc/passwd"))

    return make


def _tar_entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", **pax: str) -> Make:
    def make(draw: random.Random, files: Files) -> bytes:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.pax_headers = kind, target, pax
        content = b"evil" if kind == tarfile.REGTYPE else b""
        info.size = len(content)
        return tarred(files, (info, content))

    return make


def _cut(make: Callable[[Files], bytes]) -> Make:
    return lambda draw, files: (whole := make(files))[: int(len(whole) * draw.uniform(0.1, 0.8))]


def _flipped(make: Callable[[Files], bytes]) -> Make:
    def flip(draw: random.Random, files: Files) -> bytes:
        data = bytearray(make(files))
        for _ in range(draw.choice((1, 3, 20))):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        return bytes(data)

    return flip


def _zip_nested(draw: random.Random, files: Files) -> bytes:
    """Archives in archives: nothing goes down into them."""
    inner = zipped(files)
    for _ in range(3):
        inner = zipped({f"{n}.zip": inner for n in range(4)})
    return zipped({**files, "set/cat/more.zip": inner})


def _zip_overlapping(draw: random.Random, files: Files) -> bytes:
    """One member's bytes that a thousand entries of the list point to."""
    data = zipped(files)
    end = data.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<I", data, end + 16)[0]
    entry = data[start : data.index(b"PK\x01\x02", start + 4)]
    name_at, length = 46, struct.unpack_from("<H", entry, 28)[0]
    entries = [
        entry[:name_at] + f"{n:0{length}}"[:length].encode()[: length - 4] + b".png" + entry[name_at + length :]
        for n in range(1000)
    ]
    listed = b"".join(entries)
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, len(entries), len(entries), len(listed), start, 0)
    return data[:start] + listed + tail


def _in_list(offset: int, layout: str, value: int) -> Make:
    """A number of the first member changed in a zip's list of members."""

    def make(draw: random.Random, files: Files) -> bytes:
        data = bytearray(zipped(files))
        struct.pack_into(layout, data, data.index(b"PK\x01\x02") + offset, value)
        return bytes(data)

    return make


def _zip_end(offset: int, layout: str, value: int) -> Make:
    """A number changed in the end record of a zip."""

    def make(draw: random.Random, files: Files) -> bytes:
        data = bytearray(zipped(files))
        struct.pack_into(layout, data, data.rindex(b"PK\x05\x06") + offset, value)
        return bytes(data)

    return make


def _many(draw: random.Random, files: Files) -> bytes:
    return zipped({**files, **{f"set/notes/{n}.txt": b"" for n in range(4_000)}})


def _header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header of 512 bytes with these fields, its checksum right."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124 : 124 + len(size)] = size
    block[136:148], block[148:156], block[156:157] = b"00000000000\0", b" " * 8, kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _tar_with(*blocks: bytes) -> Make:
    return lambda draw, files: tarred(files).rstrip(b"\0") + b"\0" * 512 + b"".join(blocks) + bytes(1024)


def _tar_before(*blocks: bytes) -> Make:
    return lambda draw, files: b"".join(blocks) + tarred(files)


def _gzip_bomb(draw: random.Random, files: Files) -> bytes:
    size, step = 120 * 2**20, 2**20
    packer = zlib.compressobj(1, wbits=31)
    whole = packer.compress(_header(b"set/cat/zeros.png", b"%011o\0" % size))
    whole += b"".join(packer.compress(bytes(step)) for _ in range(size // step))
    return whole + packer.compress(bytes(1024)) + packer.flush()


def _twice(draw: random.Random, files: Files) -> bytes:
    name = next(iter(files))
    info = tarfile.TarInfo(name)
    info.size = 4
    return tarred(files, (info, b"evil"))


def _twice_zip(draw: random.Random, files: Files) -> bytes:
    return zipped(files, (zipfile.ZipInfo("set/./cat//00.jpg"), b"evil"))


def _other_case(draw: random.Random, files: Files) -> bytes:
    return zipped({**files, **{name.upper(): content for name, content in files.items()}})


PAX_SIZE: Final = b"20 size=99999999999\n"  # a pax record: the next member is so large
BASE_256: Final = b"\x80" + bytes(3) + (2**62).to_bytes(8, "big")

KINDS: Final = (
    Kind(name="zip", suffix=".zip", make=lambda draw, files: zipped(files), fate="whole"),
    Kind(name="tar", suffix=".tar", make=lambda draw, files: tarred(files), fate="whole"),
    Kind(name="tar.gz", suffix=".tar.gz", make=lambda draw, files: gzip.compress(tarred(files)), fate="whole"),
    Kind(name="zip named tar", suffix=".tar", make=lambda draw, files: zipped(files), fate="refused"),
    Kind(name="tar named zip", suffix=".zip", make=lambda draw, files: tarred(files), fate="refused"),
    Kind(name="no bytes", suffix=".zip", make=lambda draw, files: b"", fate="refused"),
    Kind(name="no bytes", suffix=".tar.gz", make=lambda draw, files: b"", fate="refused"),
    Kind(name="noise", suffix=".zip", make=lambda draw, files: draw.randbytes(5000), fate="refused"),
    Kind(name="noise", suffix=".tar", make=lambda draw, files: draw.randbytes(5000), fate="refused"),
    Kind(name="..", suffix=".zip", make=_zip_name("../evil.png"), fate="refused"),
    Kind(name=".. inside", suffix=".zip", make=_zip_name("set/cat/../../../evil.png"), fate="refused"),
    Kind(name="absolute", suffix=".zip", make=_zip_name("/tmp/evil.png"), fate="refused"),
    Kind(name="drive", suffix=".zip", make=_zip_name("C:/evil.png"), fate="refused"),
    Kind(name="drive without /", suffix=".zip", make=_zip_name("C:evil.png"), fate="refused"),
    Kind(name="backslashes", suffix=".zip", make=_zip_name("set\\..\\..\\evil.png"), fate="refused"),
    Kind(name="name of 300 bytes", suffix=".zip", make=_zip_name("set/" + "x" * 296 + ".png"), fate="refused"),
    Kind(name="200 folders deep", suffix=".zip", make=_zip_name("d/" * 200 + "evil.png"), fate="refused"),
    Kind(name="line end in a name", suffix=".zip", make=_zip_name("set/cat/a\n\x1b[2Jb.png"), fate="either"),
    Kind(name="link", suffix=".zip", make=_zip_mode(0o120777), fate="refused"),
    Kind(name="device", suffix=".zip", make=_zip_mode(0o020666), fate="refused"),
    Kind(name="fifo", suffix=".zip", make=_zip_mode(0o010666), fate="refused"),
    Kind(name="a name twice", suffix=".zip", make=_twice_zip, fate="refused"),
    Kind(name="names in another case", suffix=".zip", make=_other_case, fate="either"),
    Kind(name="bomb", suffix=".zip", make=_in_list(24, "<I", 1_500_000_000), fate="refused"),
    Kind(name="archives in it", suffix=".zip", make=_zip_nested, fate="whole"),
    Kind(name="overlapping members", suffix=".zip", make=_zip_overlapping, fate="refused"),
    Kind(name="says less than it holds", suffix=".zip", make=_in_list(24, "<I", 3), fate="refused"),
    Kind(name="says more than it holds", suffix=".zip", make=_in_list(24, "<I", 10**6), fate="refused"),
    Kind(name="wrong checksum", suffix=".zip", make=_in_list(16, "<I", 7), fate="refused"),
    Kind(name="encrypted", suffix=".zip", make=_in_list(8, "<H", 1), fate="refused"),
    Kind(name="unknown method", suffix=".zip", make=_in_list(10, "<H", 99), fate="refused"),
    Kind(name="a member that lies outside", suffix=".zip", make=_in_list(42, "<I", 2**31), fate="refused"),
    Kind(name="list that lies outside", suffix=".zip", make=_zip_end(16, "<I", 2**31), fate="refused"),
    Kind(name="list of 4 GB", suffix=".zip", make=_zip_end(12, "<I", 2**32 - 2), fate="refused"),
    Kind(name="4,000 tiny members", suffix=".zip", make=_many, fate="whole"),
    Kind(name="cut", suffix=".zip", make=_cut(zipped), fate="refused"),
    Kind(name="bits flipped", suffix=".zip", make=_flipped(zipped), fate="either"),
    Kind(name="..", suffix=".tar", make=_tar_entry("../evil.png"), fate="refused"),
    Kind(name="absolute", suffix=".tar", make=_tar_entry("/tmp/evil.png"), fate="refused"),
    Kind(name=".. by pax", suffix=".tar", make=_tar_entry("set/x.png", path="../evil.png"), fate="refused"),
    Kind(name="link", suffix=".tar", make=_tar_entry("set/l", tarfile.SYMTYPE, "/etc"), fate="refused"),
    Kind(name="link upward", suffix=".tar", make=_tar_entry("set/l.png", tarfile.SYMTYPE, "../../.."), fate="refused"),
    Kind(name="hard link", suffix=".tar", make=_tar_entry("set/l.png", tarfile.LNKTYPE, "/etc/passwd"), fate="refused"),
    Kind(name="device", suffix=".tar", make=_tar_entry("set/null.png", tarfile.CHRTYPE), fate="refused"),
    Kind(name="fifo", suffix=".tar", make=_tar_entry("set/pipe.png", tarfile.FIFOTYPE), fate="refused"),
    Kind(name="sparse", suffix=".tar", make=_tar_before(_header(b"x.png", b"00000000000\0", b"S")), fate="refused"),
    Kind(name="size of 4 exabytes", suffix=".tar", make=_tar_before(_header(b"x.png", BASE_256)), fate="refused"),
    Kind(name="negative size", suffix=".tar", make=_tar_before(_header(b"x.png", b"\xff" * 12)), fate="refused"),
    Kind(name="size that is no number", suffix=".tar", make=_tar_before(_header(b"x.png", b"zzzz\0")), fate="refused"),
    Kind(
        name="pax size of 100 GB", suffix=".tar", fate="refused",
        make=_tar_before(
            _header(b"x", b"%011o\0" % len(PAX_SIZE), b"x"), PAX_SIZE.ljust(512, b"\0"),
            _header(b"x.png", b"00000000000\0"),
        ),
    ),
    Kind(
        name="pax header of 8 GB", suffix=".tar", fate="refused",
        make=_tar_before(_header(b"x", b"77777777777\0", b"x")),
    ),
    Kind(
        name="GNU name of 8 GB", suffix=".tar", fate="refused",
        make=_tar_before(_header(b"././@LongLink", b"77777777777\0", b"L")),
    ),
    Kind(
        name="a thousand pax headers", suffix=".tar", fate="either",
        make=_tar_before(*[_header(b"x", b"00000000000\0", b"x")] * 1000),
    ),
    Kind(name="a name twice", suffix=".tar", make=_twice, fate="refused"),
    Kind(name="rubbish behind it", suffix=".tar", make=_tar_with(b"\x07" * 2048), fate="either"),
    Kind(name="bomb", suffix=".tar.gz", make=_gzip_bomb, fate="refused"),
    Kind(name="cut", suffix=".tar", make=_cut(tarred), fate="either"),
    Kind(name="cut", suffix=".tar.gz", make=_cut(lambda files: gzip.compress(tarred(files))), fate="refused"),
    Kind(name="cut", suffix=".tar.bz2", make=_cut(lambda files: bz2.compress(tarred(files))), fate="refused"),
    Kind(name="cut", suffix=".tar.xz", make=_cut(lambda files: lzma.compress(tarred(files))), fate="refused"),
    Kind(name="bits flipped", suffix=".tar", make=_flipped(tarred), fate="either"),
    Kind(name="bits flipped", suffix=".tar.gz", make=_flipped(lambda f: gzip.compress(tarred(f))), fate="either"),
    Kind(name="bits flipped", suffix=".tar.xz", make=_flipped(lambda f: lzma.compress(tarred(f))), fate="either"),
)  # fmt: skip
