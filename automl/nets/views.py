"""What a backbone is shown of images in their place: their mirror images, or crops of them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Ints = NDArray[np.int64]
See = Callable[[Pixels, Ints], Pixels]
"""Of images, uint8 (n, size, size, 3), and their rows (n,), others of the same shape."""

CROPS: Final = 2  # of an image, beside itself, where a class has few; docs/design.md, decision 6
SIDES: Final = (0.8, 0.95)  # of a crop, as a share of the image's


def as_they_are(images: Pixels, rows: Ints) -> Pixels:
    """The images themselves."""
    return images


def mirrored(images: Pixels, rows: Ints) -> Pixels:
    """Each image mirrored left and right."""
    return images[:, :, ::-1]


def cropped(images: Pixels, rows: Ints, *, number: int, seed: int) -> Pixels:
    """A square crop of each image, enlarged to its size; the same for the same row, number and seed."""
    size, crops = images.shape[1], np.empty_like(images)
    for place, row in enumerate(rows):
        rng = np.random.default_rng((seed, number, int(row)))
        side = size * rng.uniform(*SIDES)
        left, top = rng.uniform(0, size - side, 2)
        box = (left, top, left + side, top + side)
        image = Image.fromarray(images[place])
        crops[place] = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))
    return crops
