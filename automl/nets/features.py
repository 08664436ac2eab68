"""What a backbone says of an image: the pooled outputs of its two deepest resolutions. One pass gives them for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

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
    images_s: float  # images a second, compilation not counted


def extract_features(
    extractor: keras.Model,
    pixels: PixelRows,
    *,
    rows: NDArray[np.int64] | None = None,
    batch_size: int,
    mirror: bool = False,
    progress: Callable[[int, int], object] = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
) -> FeaturePass:
    """Run the extractor over the images in their order.

    Args:
        extractor: image to features, see build.build_extractor.
        pixels: uint8 (n, size, size, 3); read batch by batch.
        rows: which images, at least one, in which order; None: all.
        mirror: show each image mirrored left and right.
        progress: told (images done, all) after each batch.
    """
    rows = np.arange(len(pixels)) if rows is None else rows
    batches = _Batches(extractor, pixels, rows, batch_size, mirror)
    features = np.empty((len(rows), batches.width()), np.float32)

    def keep(start: int, batch: NDArray[np.float32]) -> None:
        features[start : start + len(batch)] = batch

    return FeaturePass(features=features, images_s=batches.run(keep, progress, clock))


def write_features(
    file: IO[bytes],
    extractor: keras.Model,
    pixels: PixelRows,
    *,
    batch_size: int,
    progress: Callable[[int, int], object] = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Write the features of all images as a .npy file, float32 (n, d), holding no more than a batch of them.

    Returns: images a second, compilation and writing not counted.
    """
    batches = _Batches(extractor, pixels, np.arange(len(pixels)), batch_size, mirror=False)
    shape = (len(pixels), batches.width())
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return batches.run(lambda _, batch: file.write(batch.astype("<f4").tobytes()), progress, clock)


@dataclass(frozen=True, slots=True)
class _Batches:
    """The forward passes over some images, in their order."""

    extractor: keras.Model
    pixels: PixelRows
    rows: NDArray[np.int64]
    batch_size: int
    mirror: bool

    def width(self) -> int:
        """How many features there are. The first call compiles, so that `run` does not."""
        return int(self._pass(0).shape[1])

    def run(
        self,
        keep: Callable[[int, NDArray[np.float32]], object],
        progress: Callable[[int, int], object],
        clock: Callable[[], float],
    ) -> float:
        """Give each batch to `keep` with the place of its first image. Returns: images a second of the passes alone."""
        n, seconds = len(self.rows), 0.0
        for start in range(0, n, self.batch_size):
            started = clock()
            batch = self._pass(start)
            seconds += clock() - started
            keep(start, batch)
            progress(min(start + self.batch_size, n), n)
        return n / max(seconds, 1e-9)

    def _pass(self, start: int) -> NDArray[np.float32]:
        batch = self.pixels[self.rows[start : start + self.batch_size]]
        batch = batch[:, :, ::-1] if self.mirror else batch
        # Every call has the same shape, or the network would be compiled once more for the last one.
        padded = np.zeros((self.batch_size, *batch.shape[1:]), np.uint8)
        padded[: len(batch)] = batch
        return np.asarray(self.extractor.predict_on_batch(padded), dtype=np.float32)[: len(batch)]
