"""From the bytes of an image file to the pixels a network sees: the one decoder and the one resize.

Packing and predicting share this file: it is copied, as it is, into every bundle, so it needs numpy and Pillow alone.
The same bytes and the same size give the same pixels everywhere.
"""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

Pixels = NDArray[np.uint8]

# Pillow knows some forty formats, several of them through code that hostile files have broken before: none but these.
FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_SCANS: Final = 100
"""Of a JPEG; libjpeg's own script for progressive files makes 10."""
_FILTER: Final = Image.Resampling.BICUBIC  # Pillow widens it when it shrinks, which is what antialiases
_TURN: Final = {  # EXIF tag 274 (Exif 2.32, section 4.6.4): how to turn the stored pixels upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ALLOWED_SIGNATURES: Final = (
    (0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"), (8, b"WEBP"), (0, b"BM"), (0, b"GIF8"),
    (0, b"II*\x00"), (0, b"MM\x00*"), (0, b"II+\x00"), (0, b"MM\x00+"),
)  # fmt: skip
_OTHER_SIGNATURES: Final = (
    (4, b"ftyp", "HEIC or AVIF"), (0, b"\x00\x00\x00\x0cjP", "JPEG 2000"), (0, b"\xffO\xffQ", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"), (0, b"%PDF", "PDF"), (0, b"%!PS", "PostScript"), (0, b"\x00\x00\x01\x00", "icon"),
    (0, b"<svg", "SVG"), (0, b"P5", "PGM"), (0, b"P6", "PPM"), (128, b"DICM", "DICOM"),
)  # fmt: skip


class ImageFault(Exception):
    """A file that cannot be used as an image.

    Attributes:
        reason: short and fixed: "empty file", "not an image", "unsupported format", "unsupported pixel mode",
            "too many pixels", "truncated" or "damaged".
        detail: what was found, in the decoder's own words where it had some.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    width_px: int  # after orientation
    height_px: int
    mode: str  # Pillow's mode in the file
    format: str  # Pillow's name
    turned: bool  # the EXIF orientation was not upright
    transparent: bool  # has an alpha channel or a transparent colour


def load_pixels(data: bytes, size_px: int, max_megapixels: float = 64) -> Pixels:
    """Decode a file and squash it to a square: uint8 (size_px, size_px, 3), red green blue.

    Raises: ImageFault: as `decode` does.
    """
    return decode(data, size_px, max_megapixels)[1]


@dataclass(frozen=True)
class Picture:
    """A whole file, decoded."""

    header: Header
    plain: Image.Image  # mode L or RGB, as stored: not yet turned upright; large JPEGs shrunk while they were decoded
    turn: int  # EXIF orientation that `squash` has yet to undo
    opened: Image.Image  # what Pillow made of the file, its pixels loaded


def decode(data: bytes, size_px: int, max_megapixels: float = 64) -> tuple[Header, Pixels]:
    """Decode a whole file, turn it upright, make it RGB, and resize it once, antialiased.

    The first frame of an animation counts; transparent places become white; 16 bits keep their upper 8.

    Args:
        data: the file's bytes.
        size_px: edge of the square that the picture is squashed to.
        max_megapixels: a picture with more pixels is refused by its header, before anything is decoded.
    Returns: the header's facts, and uint8 (size_px, size_px, 3) in red green blue.
    Raises: ImageFault: not a whole image of an allowed format, or too large a one.
    """
    picture = load_picture(data, size_px, max_megapixels)
    return picture.header, squash(picture, size_px)


def load_picture(data: bytes, size_px: int, max_megapixels: float = 64) -> Picture:
    """The first half of `decode`: the whole picture, as good as a square of `size_px` needs it. Raises: ImageFault."""
    with _QUIET:
        image = _open(data, max_megapixels)
        _refuse_scans(image, data)
        width, height = image.size
        mode = image.mode
        turned = image.format == "TIFF" and _orientation(image) != 1  # newer Pillows turn TIFF themselves, in load()
        try:
            # JPEG alone can shrink by 2, 4 or 8 while it decodes. Left at twice the target or more, the result differs
            # from the full decode by 0.56 grey levels, in a third of the time (docs/design.md, decision 4).
            image.draft(None, (2 * size_px, 2 * size_px))
            image.load()  # the whole file: Image.verify() misses truncated ones
            plain = _without_alpha(image)
        except (ImageFault, MemoryError):
            raise
        except Exception as error:  # Pillow's plugins raise almost anything on damaged bytes
            raise _fault_of(error) from error
        turn = _orientation(image)
    if turn >= 5:
        width, height = height, width
    header = Header(width, height, mode, image.format or "", turned or turn != 1, _has_alpha(mode, image))
    return Picture(header, plain, turn, image)


def squash(picture: Picture, size_px: int) -> Pixels:
    """The second half of `decode`: upright, RGB, a square of uint8 (size_px, size_px, 3)."""
    small = picture.plain.resize((size_px, size_px), _FILTER, reducing_gap=2.0).convert("RGB")
    # The target is a square, so turning after the resize costs less and changes nothing else.
    upright = small.transpose(_TURN[picture.turn]) if picture.turn in _TURN else small
    return np.array(upright, dtype=np.uint8)


def shorter_side_px(path: Path, max_megapixels: float = 64) -> int | None:
    """The shorter side by the file's header, nothing decoded; None where the file cannot be opened as an image."""
    try:
        with _QUIET, path.open("rb") as file:
            return min(_open(file, max_megapixels).size)
    except (ImageFault, OSError):
        return None


def _open(source: bytes | io.BufferedReader, max_megapixels: float) -> Image.Image:
    """The image with its header read and nothing decoded. Raises: ImageFault."""
    start = source[:132] if isinstance(source, bytes) else source.read(132)
    if not start:
        raise ImageFault("empty file", "0 bytes")
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise _unidentified(start) from error
    except Image.DecompressionBombError as error:
        raise ImageFault("too many pixels", str(error)) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise almost anything on damaged headers
        raise _fault_of(error) from error
    width, height = image.size
    if width * height > max_megapixels * 1e6:
        raise ImageFault("too many pixels", f"{width} x {height}, and at most {max_megapixels:g} megapixels are read")
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        width, height = tags.get(322, 0), tags.get(323, 0)  # of a tile, which is decoded whole
        if isinstance(width, int) and isinstance(height, int) and width * height > max_megapixels * 1e6:
            raise ImageFault("too many pixels", f"tiles of {width} x {height}")
    return image


def _refuse_scans(image: Image.Image, data: bytes) -> None:
    """Raises: ImageFault: a JPEG goes over the whole picture again and again: 1.6 MB can hold hours of work.

    A progressive file has about ten scans, each the time of the pixels: 1 ms a megapixel. One whose first scan holds
    all components and that is not progressive has no second.
    """
    file = getattr(image, "fp", None)
    if image.format not in {"JPEG", "MPO"} or file is None:
        return
    layers = int(getattr(image, "layers", 0))
    length = 6 + 2 * layers  # of the first scan's header, if it names all of them; Pillow has read up to its end
    start = file.tell() - length
    if not image.info.get("progressive") and data[start : start + 3] == bytes([0, length, layers]):
        return
    scans = data.count(b"\xff\xda")
    if scans > MAX_SCANS:
        raise ImageFault("damaged", f"{scans} scans, and at most {MAX_SCANS} are read")


def _unidentified(start: bytes) -> ImageFault:
    """Why Pillow did not take a file, by its first bytes."""
    if any(start[at : at + len(magic)] == magic for at, magic in _ALLOWED_SIGNATURES):
        return ImageFault("damaged", "begins as an image, but its header cannot be read")
    for at, magic, name in _OTHER_SIGNATURES:
        if start[at : at + len(magic)] == magic:
            return ImageFault("unsupported format", f"{name}; read are {', '.join(FORMATS)}")
    return ImageFault("not an image", f"begins with {start[:8]!r}")


def _fault_of(error: Exception) -> ImageFault:
    text = str(error) or type(error).__name__
    cut = any(word in text.lower() for word in ("truncated", "not enough", "incomplete", "unexpected end"))
    return ImageFault("truncated" if cut else "damaged", text)


def _without_alpha(image: Image.Image) -> Image.Image:
    """The decoded picture in mode L or RGB. Raises: ImageFault: a mode that has no agreed range."""
    if image.mode.startswith("I;16"):  # the upper byte, as Pillow itself does with 16-bit colour
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if _has_alpha(image.mode, image):
        with_alpha = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(with_alpha, mask=with_alpha.getchannel("A"))
        return white
    if image.mode in {"L", "RGB"}:
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in {"P", "CMYK", "YCbCr"}:
        return image.convert("RGB")
    raise ImageFault("unsupported pixel mode", f"{image.mode}; its values have no fixed range")


def _has_alpha(mode: str, image: Image.Image) -> bool:
    return mode in {"RGBA", "LA", "PA"} or (mode in {"1", "L", "P", "RGB"} and "transparency" in image.info)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 (upright) where there is none, or none that can be read."""
    try:
        value = image.getexif().get(274, 1)
    except Exception:  # noqa: BLE001  # damaged metadata does not make the picture unusable
        return 1
    return value if isinstance(value, int) and value in _TURN else 1


class _QuietPillow:
    """Silences Pillow's warnings (odd metadata, large pictures) while any thread is inside.

    `warnings.catch_warnings` changes the whole process and must not overlap with itself, so the threads count:
    the first one in sets the filter, the last one out takes it away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)


_QUIET: Final = _QuietPillow()
