"""Image files as an attacker, a broken disk or a careless program leaves them. A row a kind."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from PIL import Image as PillowImage

Fate = Literal["rejected", "whole", "either"]  # what must become of it; whole: the photo's own pixels
FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIX: Final = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "TIFF": "tif"}
PNG_START: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One file."""

    kind: str
    suffix: str
    data: bytes
    fate: Fate
    photo: int = -1  # whole: whose pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to spoil a file."""

    name: str
    make: Callable[[random.Random, PillowImage.Image], tuple[str, bytes]]  # -> suffix, bytes
    fate: Fate
    heavy: bool = False  # takes a tenth of a second or more to make or to read: a few of them are enough


def hostile_files(seed: int, n: int, photos: Sequence[PillowImage.Image]) -> Iterator[Hostile]:
    """So many files; each kind at least once if n allows, then the light ones again and again."""
    draw = random.Random(seed)
    light = [kind for kind in KINDS if not kind.heavy]
    for number in range(n):
        kind = KINDS[number] if number < len(KINDS) else light[number % len(light)]
        photo = draw.randrange(len(photos))
        suffix, data = kind.make(draw, photos[photo])
        yield Hostile(kind=kind.name, suffix=suffix, data=data, fate=kind.fate, photo=photo)


def saved(image: PillowImage.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def _any(draw: random.Random, photo: PillowImage.Image, formats: Sequence[str] = FORMATS) -> tuple[str, bytes]:
    format_ = draw.choice(formats)
    return SUFFIX[format_], saved(photo, format_)


def _truncated(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    suffix, data = _any(draw, photo, ("JPEG", "PNG", "WEBP", "BMP", "GIF"))
    return suffix, data[: int(len(data) * draw.uniform(0.02, 0.9))]


def _flipped(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    suffix, data = _any(draw, photo)
    spoilt = bytearray(data)
    for _ in range(draw.choice((1, 1, 3, 30))):
        spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
    return suffix, bytes(spoilt)


def _flipped_header(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    suffix, data = _any(draw, photo)
    spoilt = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        spoilt[draw.randrange(min(64, len(spoilt)))] = draw.randrange(256)
    return suffix, bytes(spoilt)


def _middle_gone(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    suffix, data = _any(draw, photo)
    at = draw.randrange(len(data) // 2)
    return suffix, data[:at] + data[at + draw.randint(1, len(data) // 3) :]


def _zeros_inside(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    suffix, data = _any(draw, photo)
    at = draw.randrange(len(data) // 2)
    return suffix, data[:at] + bytes(512) + data[at + 512 :]


def _wrong_header(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """One format's first bytes before another's rest."""
    one, other = draw.sample(("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"), 2)
    return SUFFIX[one], saved(photo, one)[:12] + saved(photo, other)[12:]


def _misnamed(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    return draw.choice(("jpg", "gif", "tif", "bmp")), saved(photo, "PNG")


def _empty(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    return draw.choice(tuple(SUFFIX.values())), b""


def _noise(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    return draw.choice(tuple(SUFFIX.values())), b"\x00" + draw.randbytes(draw.randint(1, 5000))


def _web_page(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    return "jpg", b"<!DOCTYPE html><html><title>404</title></html>"


def _script(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """What Pillow hands to Ghostscript, if it is let."""
    return draw.choice(("jpg", "png")), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run quit\n"


def _svg(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    return "png", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


def _tail(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """A whole picture with an archive behind it."""
    return "png", saved(photo, "PNG") + b"PK\x03\x04" + draw.randbytes(3000)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG, its checksum right."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, bits: int, colour: int, packed: bytes, *before: bytes) -> bytes:
    """Args: packed: the scan lines, deflated; before: chunks that come before them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return PNG_START + header + b"".join(before) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _with_chunk(photo: PillowImage.Image, extra: bytes) -> tuple[str, bytes]:
    data = saved(photo, "PNG")
    return "png", data[:33] + extra + data[33:]  # behind the signature and IHDR


def _huge_png(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    edge = draw.choice((20_000, 65_535, 2**31 - 1))
    return "png", png_of(edge, edge, 8, draw.choice((0, 2, 6)), zlib.compress(bytes(1000)))


def _huge_gif(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """A screen of 65,535 px a side, or one frame that is as large on a screen of one pixel."""
    data = bytearray(saved(PillowImage.new("P", (1, 1)), "GIF"))
    at = data.index(b",", 13) + 5 if draw.random() < 0.5 else 6
    data[at : at + 4] = b"\xff\xff\xff\xff"
    return "gif", bytes(data)


def _huge_bmp(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    data = bytearray(saved(photo, "BMP"))
    data[18:26] = struct.pack("<ii", draw.choice((30_000, 2**31 - 1)), draw.choice((30_000, -30_000)))
    return "bmp", bytes(data)


def _huge_jpeg(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    data = bytearray(saved(photo, "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xfd\xff\xfd"
    return "jpg", bytes(data)


def _huge_webp(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """A canvas of 16,384 px a side around a small picture."""
    inner = saved(photo, "WEBP")[12:]
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x00\x00\x00\x00" + 2 * (16_383).to_bytes(3, "little")
    return "webp", b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(inner)) + b"WEBP" + canvas + inner


def tiff_of(tags: dict[int, int], data: bytes = b"", following: int = 0, offsets: int = 0) -> bytes:
    """A little-endian TIFF of one directory with tags of one long each; data lie behind it.

    Args: offsets: the tag that is given the data's place; following: where the next directory lies, 8 for itself.
    """
    if offsets:
        tags = {**tags, offsets: 8 + 2 + 12 * (len(tags) + (offsets not in tags)) + 4}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", following) + data


def _plain_tiff(width: int, height: int) -> dict[int, int]:
    """Grey, 8 bits: width, height, bits, no compression, black is zero, one sample, one strip of all rows."""
    return {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height, 279: width * height}


def _huge_tiff(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    return "tif", tiff_of({**_plain_tiff(60_000, 60_000), 279: 1000}, bytes(1000), offsets=273)


def _tiled_tiff(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """Ten pixels a side, of one tile of 20,000 pixels a side: 400 MB behind a header that says 100 bytes."""
    edge = 20_000
    packed = zlib.compress(bytes(2**20), 9)
    tags = {256: 10, 257: 10, 258: 8, 259: 8, 262: 1, 277: 1, 322: edge, 323: edge, 325: len(packed)}
    return "tif", tiff_of(tags, packed, offsets=324)


def _looping_tiff(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """The next page is this page."""
    grey = photo.convert("L")
    return "tif", tiff_of(_plain_tiff(*grey.size), grey.tobytes(), following=8, offsets=273)


def _odd_tiff(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """A tag or two of another value."""
    tags = _plain_tiff(*photo.size)
    for _ in range(draw.randint(1, 2)):
        tags[draw.choice([*tags, 254, 266, 284, 317, 322, 338, 339])] = draw.choice((0, 2, 3, 32, 65_535, 2**32 - 1))
    return "tif", tiff_of(tags, photo.convert("L").tobytes(), offsets=273)


def _bomb(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """A hundred megapixels of nothing in a few kB, whole."""
    width, height = 10_000, 10_000
    packer = zlib.compressobj(1)
    line = bytes(1 + width // 8)
    return "png", png_of(width, height, 1, 0, b"".join(packer.compress(line) for _ in range(height)) + packer.flush())


def _more_than_it_says(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """Sixteen pixels a side, and 8 MB of scan lines behind them."""
    return "png", png_of(16, 16, 8, 0, zlib.compress(bytes(2**23)))


def _text_bomb(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    packed = zlib.compress(bytes(2**23))
    if draw.random() < 0.5:
        return _with_chunk(photo, chunk(b"zTXt", b"Comment\x00\x00" + packed))
    return _with_chunk(photo, chunk(b"iTXt", b"Comment\x00\x01\x00\x00\x00" + packed))


def _many_texts(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """Each of them as long as is read."""
    packed = zlib.compress(bytes(2**20 - 1))
    return _with_chunk(photo, b"".join(chunk(b"zTXt", b"k%d\x00\x00" % n + packed) for n in range(200)))


def _profile_bomb(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    return _with_chunk(photo, chunk(b"iCCP", b"icc\x00\x00" + zlib.compress(bytes(2**23))))


def _profiles(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """A colour profile in as many pieces as a JPEG can have, and none of them right."""
    return "jpg", saved(photo, "JPEG", icc_profile=draw.randbytes(200_000))


def _chunks(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """Thousands of empty chunks."""
    return _with_chunk(photo, chunk(b"teSt", b"") * 20_000)


def _frames(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """The photo, then three thousand small pictures."""
    small = saved(PillowImage.new("P", (4, 4)), "GIF")
    frame = small[small.index(b",", 13) : -1]
    return "gif", saved(photo, "GIF").removesuffix(b";") + frame * 3000 + b";"


def _pages(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    grey = photo.convert("L")
    tags = _plain_tiff(*grey.size)
    first = tiff_of(tags, grey.tobytes(), offsets=273)
    pages, length = [], 2 + 12 * (len(tags) + 1) + 4
    for number in range(1, 1001):
        page = bytearray(first[8 : 8 + length])
        page[-4:] = struct.pack("<I", len(first) + number * length if number < 1000 else 0)
        pages.append(bytes(page))
    first = first[: 4 + length] + struct.pack("<I", len(first)) + first[8 + length :]
    return "tif", first + b"".join(pages)


def _moving(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    frames = [PillowImage.new("RGB", photo.size, (shade, 0, 0)) for shade in range(50)]
    format_ = draw.choice(("PNG", "WEBP"))
    return SUFFIX[format_], saved(photo, format_, save_all=True, append_images=frames, lossless=True)


def _orientation(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """An EXIF orientation of no meaning."""
    text = b"II*\x00" + struct.pack("<IHHHI4sI", 8, 1, 274, 2, 4, b"up\0\0", 0)
    exif = draw.choice((*(tiff_of({274: value}) for value in (0, 9, 65_535, 2**32 - 1)), text))
    return "png", saved(photo, "PNG", exif=b"Exif\0\0" + exif)


def _exif(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """EXIF that is noise, a directory of 65,535 entries, or one that leads back to itself."""
    loop = tiff_of({34665: 8, 34853: 8, 40965: 8}, following=8)
    many = b"II*\x00" + struct.pack("<IH", 8, 65_535) + draw.randbytes(60_000)
    return "png", saved(photo, "PNG", exif=b"Exif\0\0" + draw.choice((loop, many, draw.randbytes(60_000))))


def _exif_pieces(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """Thousands of EXIF segments, which are laid together."""
    data = saved(photo, "PNG"), saved(photo, "JPEG")
    piece = b"\xff\xe1" + struct.pack(">H", 1002) + b"Exif\0\0" + draw.randbytes(994)
    return "jpg", data[1][:2] + piece * 2000 + data[1][2:]


def _scans(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    """A progressive JPEG of one megapixel whose last scan is there 20,000 times: 20 seconds of work."""
    parts = saved(PillowImage.new("L", (1000, 1000), 90), "JPEG", progressive=True).removesuffix(b"\xff\xd9")
    *first, last = parts.split(b"\xff\xda")
    return "jpg", b"\xff\xda".join([*first, *[last] * 20_000]) + b"\xff\xd9"


def _floats(draw: random.Random, photo: PillowImage.Image) -> tuple[str, bytes]:
    return "tif", saved(photo.convert("F"), "TIFF")


KINDS: Final = (
    Kind(name="truncated", make=_truncated, fate="rejected"),
    Kind(name="bits flipped", make=_flipped, fate="either"),
    Kind(name="header changed", make=_flipped_header, fate="either"),
    Kind(name="a piece is missing", make=_middle_gone, fate="either"),
    Kind(name="zeros inside", make=_zeros_inside, fate="either"),
    Kind(name="another format's header", make=_wrong_header, fate="rejected"),
    Kind(name="misnamed", make=_misnamed, fate="whole"),
    Kind(name="zero bytes", make=_empty, fate="rejected"),
    Kind(name="noise", make=_noise, fate="rejected"),
    Kind(name="web page", make=_web_page, fate="rejected"),
    Kind(name="PostScript", make=_script, fate="rejected"),
    Kind(name="SVG", make=_svg, fate="rejected"),
    Kind(name="archive behind it", make=_tail, fate="whole"),
    Kind(name="huge PNG", make=_huge_png, fate="rejected"),
    Kind(name="huge GIF", make=_huge_gif, fate="rejected"),
    Kind(name="huge BMP", make=_huge_bmp, fate="rejected"),
    Kind(name="huge JPEG", make=_huge_jpeg, fate="rejected"),
    Kind(name="huge WEBP", make=_huge_webp, fate="rejected"),
    Kind(name="huge TIFF", make=_huge_tiff, fate="rejected"),
    Kind(name="TIFF of one huge tile", make=_tiled_tiff, fate="rejected", heavy=True),
    Kind(name="TIFF that loops", make=_looping_tiff, fate="either"),
    Kind(name="odd TIFF", make=_odd_tiff, fate="either"),
    Kind(name="100 megapixels", make=_bomb, fate="rejected", heavy=True),
    Kind(name="more than it says", make=_more_than_it_says, fate="either", heavy=True),
    Kind(name="text bomb", make=_text_bomb, fate="either", heavy=True),
    Kind(name="many texts", make=_many_texts, fate="either", heavy=True),
    Kind(name="profile bomb", make=_profile_bomb, fate="either", heavy=True),
    Kind(name="profile of noise", make=_profiles, fate="either"),
    Kind(name="20,000 chunks", make=_chunks, fate="whole", heavy=True),
    Kind(name="3,000 frames", make=_frames, fate="either", heavy=True),
    Kind(name="1,000 pages", make=_pages, fate="either", heavy=True),
    Kind(name="animated", make=_moving, fate="whole"),
    Kind(name="absurd orientation", make=_orientation, fate="whole"),
    Kind(name="absurd EXIF", make=_exif, fate="either"),
    Kind(name="EXIF in 2,000 pieces", make=_exif_pieces, fate="either", heavy=True),
    Kind(name="20,000 scans", make=_scans, fate="rejected", heavy=True),
    Kind(name="floating point", make=_floats, fate="rejected"),
)
