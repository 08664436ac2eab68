"""What marks a picture as odd: the tests behind the rules, each over all readable files of a set at once.

Each threshold stands with what it was measured on: twelve sets of real pictures ("clean":
28,532 files), and defects planted in the tuning halves of three of them (benchmarks/planted_defects.py; the other
halves' figures are in docs/measurements.md). Where no number fits every set, a picture is compared with its own set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.data.looks import Looks
from automl.types import Image

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SET_LEAST: Final = 10  # pictures that tell what is usual in a set
SUFFIXES_OF: Final = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif"),  # a JPEG with further pictures behind it, as telephones write
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
}
CONVERSIONS: Final = {  # Pillow's mode in the file -> how it became RGB; what is not here was RGB
    "1": "one bit: black and white",
    "L": "grey: three equal channels",
    "LA": "grey with transparency: laid on white",
    "P": "palette: each index its colour",
    "PA": "palette with transparency: laid on white",
    "RGBA": "transparency: laid on white",
    "CMYK": "printing inks: Pillow's plain formula, no colour profile",
    "YCbCr": "luma and chroma: by BT.601",
    "I;16": "16 bits: the upper 8 kept",
    "I;16B": "16 bits: the upper 8 kept",
    "I;16L": "16 bits: the upper 8 kept",
}

NARROW_16: Final = 64  # grey levels of 256: what 14 bits of 16 leave; 12 bits leave 16, and 8 bits one
CONSTANT_CONTRAST: Final = 1.5  # grey levels; clean: 8.2 at the least; one colour with noise of one level: 1.0
CONSTANT_RANGE: Final = 24  # grey levels from darkest to brightest; leaves a small thing on an even ground alone
DARK_HIGH: Final = 64  # clean: 81 at the least; photos at a fifth of their light: 51 at most
BRIGHT_LOW: Final = 224  # clean, with so low a contrast: 223 at most; photos at a tenth of their way from white: 229
BRIGHT_CONTRAST: Final = 20.0  # thin ink on white paper has more: omniglot_small 33 at the least
FLAT_CONTRAST: Final = 5.0  # clean: 8.2 at the least, in steel_defects
EMPTY_BITS: Final = 0.7  # clean photos: 1.5 at the least, a flower in the dark; a photo dithered to one bit: 1.0
BLURRED: Final = 0.085  # a ramp: .0625; dogcat and flowers blurred by 1.5 % of their side: .080 at most; clean: 81 of
# 28,532 pictures are marked, 77 of them small faces of smiles (.6 % of it)
BLURRED_BELOW: Final = 2.0  # spreads below the set's median: most of facial_csv was enlarged, its median is .091
MUCH_BLURRED_BELOW: Final = 5.0  # spreads: sharper than that, but far from its set; clean: 2 of 28,532
LONG: Final = 2.5  # longer side over shorter one, and over the set's usual aspect; clean: 3 of 28,532
SIZE_TIMES: Final = 3.0  # larger or smaller than usual, by the side of a square of the same area
BRIGHTNESS_APART: Final = 40.0  # grey levels
FAR: Final = 4.0  # spreads from the median that make an outlier; of a normal distribution 1 in 16,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """All readable files of a set, and what is known of each."""

    images: Sequence[Image]
    looks: Looks  # of the images, in their order
    turned: frozenset[str] = frozenset()  # paths, as in Scan
    transparent: frozenset[str] = frozenset()
    animated: frozenset[str] = frozenset()

    def look(self, name: str) -> Floats:
        """One field of LOOKS, (n,)."""
        return np.asarray(self.looks[name], dtype=np.float64)

    @property
    def width(self) -> Floats:
        return np.array([image.width_px for image in self.images], dtype=np.float64)

    @property
    def height(self) -> Floats:
        return np.array([image.height_px for image in self.images], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Mark:
    """Why one picture was marked."""

    worse: float  # among those that the same rule marks
    value: str  # what was found: a number with its unit, a format, a mode


Marks = Mapping[int, Mark]  # by the picture's place in Pictures.images


def _marks(marked: Bools, worse: Floats, value: str) -> dict[int, Mark]:
    """Marks of the places where `marked` is true; `value` is formatted with how bad each is."""
    return {int(at): Mark(float(worse[at]), value.format(abs(float(worse[at])))) for at in np.flatnonzero(marked)}


def _spread(values: Floats, tail: float) -> float:
    """The standard deviation of a normal distribution whose quantiles tail and 1 - tail lie as far apart.

    Up to that share of a set may be spoilt at either end and not count.
    """
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(high - low) / {0.1: 2.563, 0.25: 1.349}[tail]


def _few(pictures: Pictures) -> bool:
    return len(pictures.images) < SET_LEAST


def narrow_16(pictures: Pictures) -> Marks:
    """Pictures of 16 bits whose upper 8 hold next to nothing: a few bright pixels do not count, an offset does not."""
    deep = np.array([image.mode.startswith("I;16") for image in pictures.images])
    spans = pictures.look("brightest") - pictures.look("darkest")
    levels = 1 + np.minimum(spans, pictures.look("high"))
    return _marks(deep & (levels <= NARROW_16), -levels, "{:.0f} of 256 grey levels")


def constant(pictures: Pictures) -> Marks:
    spans = pictures.look("brightest") - pictures.look("darkest")
    contrast = pictures.look("contrast")
    return _marks((contrast <= CONSTANT_CONTRAST) & (spans <= CONSTANT_RANGE), -contrast, "contrast {:.1f}")


def dark(pictures: Pictures) -> Marks:
    high = pictures.look("high")
    return _marks((high <= DARK_HIGH) & (high < np.median(high) / 2), -high, "99 % below {:.0f}")


def bright(pictures: Pictures) -> Marks:
    low = pictures.look("low")
    usual = np.median(low) >= BRIGHT_LOW - 24
    # A page with next to nothing on it is bright too, but that is not what is wrong with it.
    faint = (pictures.look("contrast") <= BRIGHT_CONTRAST) & (pictures.look("entropy") > EMPTY_BITS)
    return _marks((low >= BRIGHT_LOW) & faint & ~usual, low, "95 % above {:.0f}")


def low_information(pictures: Pictures) -> Marks:
    contrast, bits = pictures.look("contrast"), pictures.look("entropy")
    flat = (contrast <= FLAT_CONTRAST) & (contrast < np.median(contrast) / 3)
    empty = (bits <= EMPTY_BITS) & (bits < np.median(bits) / 4)
    return _marks(flat | empty, -bits, "{:.1f} bits")


def blurry(pictures: Pictures) -> Marks:
    if _few(pictures):
        return {}
    sharp = np.log(pictures.look("sharpness"))
    # At least .05: in a set of drawings the pictures are equally sharp to the third decimal.
    below = (np.median(sharp) - sharp) / max(_spread(sharp, 0.25), 0.05)
    blurred = (sharp < np.log(BLURRED)) & (below > BLURRED_BELOW)
    return _marks(blurred | (below > MUCH_BLURRED_BELOW), -np.exp(sharp), "sharpness {:.3f}")


def odd_aspect(pictures: Pictures) -> Marks:
    aspect = np.log(pictures.width / pictures.height)
    away = np.minimum(np.abs(aspect), np.abs(aspect - np.median(aspect)))
    marks = _marks(away >= np.log(LONG), away, "")
    return {at: Mark(mark.worse, _size(pictures.images[at])) for at, mark in marks.items()}


def size_outlier(pictures: Pictures) -> Marks:
    if _few(pictures):
        return {}
    side = np.log(pictures.width * pictures.height) / 2
    away = np.abs(side - np.median(side))
    marks = _marks(away >= max(np.log(SIZE_TIMES), FAR * _spread(side, 0.1)), away, "")
    return {at: Mark(mark.worse, _size(pictures.images[at])) for at, mark in marks.items()}


def brightness_outlier(pictures: Pictures) -> Marks:
    if _few(pictures):
        return {}
    grey = pictures.look("brightness")
    away = np.abs(grey - np.median(grey))
    marks = _marks(away >= max(BRIGHTNESS_APART, FAR * _spread(grey, 0.1)), away, "")
    return {at: Mark(mark.worse, f"brightness {grey[at]:.0f}") for at, mark in marks.items()}


def misnamed(pictures: Pictures) -> Marks:
    return {
        at: Mark(0.0, image.format)
        for at, image in enumerate(pictures.images)
        if not image.path.lower().endswith(SUFFIXES_OF[image.format])
    }


def converted(pictures: Pictures) -> Marks:
    """Rarest first: in a set of RGB and 15 grey pictures these are the ones to look at."""
    counts = Counter(image.mode for image in pictures.images)
    return {
        at: Mark(-counts[image.mode], f"{image.mode} ({CONVERSIONS[image.mode]})")
        for at, image in enumerate(pictures.images)
        if image.mode in CONVERSIONS
    }


def listed(paths: Callable[[Pictures], frozenset[str]], value: str) -> Callable[[Pictures], Marks]:
    """A test for what the scan itself lists."""
    return lambda pictures: {
        at: Mark(0.0, value) for at, image in enumerate(pictures.images) if image.path in paths(pictures)
    }


def _size(image: Image) -> str:
    return f"{image.width_px}x{image.height_px}"
