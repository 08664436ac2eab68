"""Pictures that look like photos to whoever compares them: light, blobs, texture at all scales; and altered copies."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

Pixels = NDArray[np.uint8]


def a_photo(number: int, width_px: int = 160, height_px: int = 120) -> Pixels:
    """uint8 (height, width, 3), another for each number: a slant of light, blobs, and noise of four scales."""
    rng = np.random.default_rng([number, 11])
    y, x = np.mgrid[0 : 1 : height_px * 1j, 0 : 1 : width_px * 1j]
    slope = rng.normal(0, 50, (2, 3))
    picture = rng.uniform(90, 170, 3) + x[..., None] * slope[0] + y[..., None] * slope[1]
    for _ in range(12):
        across, down, size = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.03, 0.3)
        blob = np.exp(-((x - across) ** 2 + (y - down) ** 2) / size**2)
        picture += blob[..., None] * rng.normal(0, 60, 3)
    for cells in (6, 12, 24, 48):
        noise = rng.normal(0, 15, (cells, cells)).astype(np.float32)
        texture = PillowImage.fromarray(noise).resize((width_px, height_px), PillowImage.Resampling.BICUBIC)
        picture += np.asarray(texture)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def png(pixels: Pixels) -> bytes:
    """As a file."""
    return _encoded(PillowImage.fromarray(pixels), "PNG")


def re_encoded(pixels: Pixels) -> bytes:
    """A JPEG of quality 60."""
    return _encoded(PillowImage.fromarray(pixels), "JPEG", quality=60)


def resized(pixels: Pixels) -> bytes:
    """0.7 times as wide and high."""
    image = PillowImage.fromarray(pixels)
    size = (round(image.width * 0.7), round(image.height * 0.7))
    return _encoded(image.resize(size, PillowImage.Resampling.LANCZOS), "PNG")


def shifted(pixels: Pixels) -> bytes:
    """One pixel to the right and down; the border is repeated."""
    return png(np.pad(pixels, ((1, 0), (1, 0), (0, 0)), mode="edge")[:-1, :-1])


ALTERATIONS = (re_encoded, resized, shifted)


def _encoded(image: PillowImage.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
