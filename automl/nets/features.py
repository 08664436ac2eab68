"""What a backbone says of an image: the pooled outputs of its two deepest resolutions. One pass gives them for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from automl.nets.views import See, as_they_are
from automl.types import PixelRows

TAPS: Final = 2  # docs/design.md, decision 6: three or four never gained more than a point, one lost up to 2.4
MOVING: Final = (keras.layers.ZeroPadding2D, keras.layers.Cropping2D)


def tap_layers(backbone: keras.Model) -> list[Any]:
    """The last layer at each of the deepest spatial resolutions, the finer one first.

    A resolution of 1 px is no resolution: squeeze-and-excite tensors live there. Padding and cropping are passed over:
    they make a size of their own (11 px between 10 and 5), or move the image by a pixel, and hold nothing new. x + y
    without a layer is seen as well: at the end of ConvNeXt's stages the last layer is one branch of a block alone.
    Args:
        backbone: a functional model whose layers lie in the order of the graph, input first.
    Returns: two Keras layers or operations, each with an output (batch, s, s, channels), s > 1.
    Raises: ValueError: there are not two such resolutions.
    """
    last: dict[int, Any] = {}
    for layer in backbone.operations:
        shape: tuple[Any, ...] = layer.output.shape
        if len(shape) == 4 and shape[1] > 1 and not isinstance(layer, MOVING):
            last[shape[1]] = layer
    if len(last) < TAPS:
        raise ValueError(f"{backbone.name} has {len(last)} resolution(s) of more than 1 px, and {TAPS} are needed")
    return [last[size] for size in sorted(last)[:TAPS]][::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePass:
    """One pass over all images."""

    features: NDArray[np.float32]  # (n, d)
    seconds: float  # of the passes alone, compilation not counted

    @property
    def images_s(self) -> float:
        """Images a second."""
        return len(self.features) / max(self.seconds, 1e-9)


def extract_features(
    extractor: keras.Model,
    pixels: PixelRows,
    *,
    rows: NDArray[np.int64] | None = None,
    batch_size: int,
    see: See = as_they_are,
    progress: Callable[[int, int], object] = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
) -> FeaturePass:
    """Run the extractor over the images in their order.

    Args:
        extractor: image to features, see build.build_extractor.
        pixels: uint8 (n, size, size, 3); read batch by batch.
        rows: which images, at least one, in which order; None: all.
        see: what is shown of a batch of images in their place, see views.py.
        progress: told (images done, all) after each batch.
    """
    rows = np.arange(len(pixels)) if rows is None else rows
    features = np.empty((len(rows), extractor.outputs[0].shape[1]), np.float32)
    if extractor.predict_function is None:
        _pass(extractor, pixels[rows[:batch_size]], batch_size)  # compiles
    seconds = 0.0
    for start in range(0, len(rows), batch_size):
        started = clock()
        own = rows[start : start + batch_size]
        batch = see(pixels[own], own)
        features[start : start + len(batch)] = _pass(extractor, batch, batch_size)
        seconds += clock() - started
        progress(start + len(batch), len(rows))
    return FeaturePass(features=features, seconds=seconds)


def _pass(extractor: keras.Model, images: NDArray[np.uint8], batch_size: int) -> NDArray[np.float32]:
    # Every call has the same shape, or the network would be compiled once more for the last one.
    padded = np.zeros((batch_size, *images.shape[1:]), np.uint8)
    padded[: len(images)] = images
    return np.asarray(extractor.predict_on_batch(padded), dtype=np.float32)[: len(images)]
