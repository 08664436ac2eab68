"""Which range of pixel values a network was trained on, told by its first BatchNorm.

Its moving mean and variance are those of what reached it in training. So photograph-like noise is sent there under each
usual normalisation: under the right one, mean and variance come out as they are remembered. Right for six ImageNet
networks, their first layer rewritten for each of five normalisations, 30 of 30 times (benchmarks/pixel_ranges.py).
"""

from __future__ import annotations

from typing import Any, Final, get_args

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from automl.nets.build import normalised
from automl.nets.catalogue import Pixels

LIKENESS: Final = 3.0
"""Of the right normalisation at most; ImageNet networks have 0.04 to 1.2, their next best ones 0.8 and more."""
IMAGES: Final = 16
LEVEL, LEVEL_SPREAD = 115.0, 40.0  # of a photograph's mean over photographs, 0..255
CONTRAST: Final = (25.0, 65.0)  # a photograph's deviation
TINT: Final = 12.0  # deviation of a channel's mean from the picture's
SHARED: Final = (0.95, 0.3)  # how much the channels have in common, and each of its own
LEAST: Final = 1e-6  # of the largest variance: a channel below it is dead


def told_by_batchnorm(flat: keras.Model) -> Pixels | None:
    """The normalisation under which the network's first BatchNorm sees what it remembers; None: none, or no such layer.

    Args: flat: input (batch, size, size, 3), filled with its weights.
    """
    unlike = unlikeness(flat)
    best = min(unlike, key=unlike.__getitem__, default=None)
    return best if best is not None and unlike[best] <= LIKENESS else None


def unlikeness(flat: keras.Model) -> dict[Pixels, float]:
    """For each normalisation, how far what reaches the first BatchNorm is from what it remembers; {}: there is none.

    Jeffreys' divergence of two normal distributions, both ways of Kullback and Leibler's; the median over channels.
    """
    first = next((layer for layer in flat.layers if isinstance(layer, layers.BatchNormalization)), None)
    if first is None:
        return {}
    mean, variance = np.asarray(first.moving_mean, np.float64), np.asarray(first.moving_variance, np.float64)
    alive = variance > LEAST * variance.max()
    before = keras.Model(flat.inputs[0], first.input)
    pictures = noise(flat.inputs[0].shape[1])
    found: dict[Pixels, float] = {}
    for pixels in get_args(Pixels):
        reached = np.asarray(before.predict(_seen_as(pictures, pixels), verbose=0), np.float64)
        axes = tuple(range(reached.ndim - 1))
        divergence = _jeffreys(reached.mean(axis=axes), reached.var(axis=axes), mean, variance)
        found[pixels] = float(np.median(divergence[alive]))
    return found


def noise(size_px: int) -> NDArray[np.float32]:
    """Pictures with the spectrum of photographs (amplitude 1/f: Field 1987, JOSA A 4(12)), and about their light.

    Returns: float32 (IMAGES, size, size, 3), 0..255; always the same.
    """
    rng = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(size_px)[:, None], np.fft.fftfreq(size_px))
    frequency[0, 0] = 1 / size_px

    def field() -> NDArray[np.float64]:
        drawn = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size_px, size_px))) / frequency).real
        standard: NDArray[np.float64] = (drawn - drawn.mean()) / drawn.std()
        return standard

    pictures = np.empty((IMAGES, size_px, size_px, 3), np.float32)
    for picture in pictures:
        common, level, contrast = field(), rng.normal(LEVEL, LEVEL_SPREAD), rng.uniform(*CONTRAST)
        for channel in range(3):
            mixed = SHARED[0] * common + SHARED[1] * field()
            picture[..., channel] = level + rng.normal(0, TINT) + contrast * mixed
    return np.clip(pictures, 0, 255)


def _seen_as(pictures: NDArray[np.float32], pixels: Pixels) -> Any:
    image = keras.Input(pictures.shape[1:])
    return keras.Model(image, normalised(image, pixels))(pictures)


def _jeffreys(m: Any, v: Any, mean: Any, variance: Any) -> Any:
    """Between N(m, v) and N(mean, variance), elementwise."""
    v, variance = np.maximum(v, np.finfo(np.float64).tiny), np.maximum(variance, np.finfo(np.float64).tiny)
    return ((v + (m - mean) ** 2) / variance + (variance + (m - mean) ** 2) / v - 2) / 2
