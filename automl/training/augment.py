"""Random variations of a training batch, without state: the same seed gives the same pixels.

One projective transform per image does shift, zoom, turn and mirror together, so that a picture is resampled once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any, Final

import tensorflow as tf


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """How far each variation goes at strength 1; a strength below scales all of them alike."""

    shift: float  # of the edge, either way
    zoom_in: float  # the window shrinks by up to this share of the edge
    zoom_out: float  # the window grows by up to this share; what lies outside is mirrored at the border
    turn: float  # radians, either way
    brightness: float  # grey levels, either way
    contrast: float  # factor 1 - contrast .. 1 + contrast, about the image's own mean


# Zooming in goes further than out: it is the usual random crop, and shows nothing that is not in the picture.
# A turn stays far below 45 degrees and a shift below a fifth, so that a 6 is no 9 and the object stays in view.
FULL: Final = Ranges(shift=0.15, zoom_in=0.4, zoom_out=0.1, turn=20 * pi / 180, brightness=60.0, contrast=0.4)


def augment(pixels: Any, seed: Any, *, strength: float, flip: bool) -> Any:
    """Vary each image of a batch at random.

    Args:
        pixels: uint8 tensor (b, s, s, 3).
        seed: int32 tensor (2,); the only source of randomness.
        strength: 0 (no variation but the mirror) .. 1.
        flip: mirror left and right in half of the images.
    Returns: float32 tensor (b, s, s, 3), values 0..255. Strength 0 without flip changes nothing.
    """
    images = tf.cast(pixels, tf.float32)
    if strength == 0 and not flip:
        return images
    n_images, edge = tf.shape(images)[0], tf.cast(tf.shape(images)[1], tf.float32)
    shift_x, shift_y, zoom, turn, brightness, contrast, mirror = tf.unstack(
        tf.random.stateless_uniform((n_images, 7), seed, -1.0, 1.0), axis=1
    )
    zoom = 1 + strength * zoom * tf.where(zoom < 0, FULL.zoom_in, FULL.zoom_out)
    turn = strength * FULL.turn * turn
    shift = strength * FULL.shift * edge
    side = tf.where(mirror < 0, -1.0, 1.0) if flip else tf.ones_like(mirror)
    images = _move(images, zoom, turn, shift * shift_x, shift * shift_y, side)
    if strength == 0:
        return images
    mean = tf.reduce_mean(images, axis=(1, 2, 3))
    factor = 1 + strength * FULL.contrast * contrast
    offset = mean * (1 - factor) + strength * FULL.brightness * brightness
    images = images * factor[:, None, None, None] + offset[:, None, None, None]
    return tf.clip_by_value(images, 0.0, 255.0)


def _move(images: Any, zoom: Any, turn: Any, shift_x: Any, shift_y: Any, side: Any) -> Any:
    """Resample each image; zoom, turn (radians), shifts (px) and side (-1: mirrored) are float32 (b,).

    An output point p shows the input point centre + side * zoom * rotation(turn) (p - centre) + shift.
    """
    edges = tf.shape(images)[1:3]
    centre = (tf.cast(edges[0], tf.float32) - 1) / 2
    along, across = zoom * tf.cos(turn), zoom * tf.sin(turn)
    zeros = tf.zeros_like(zoom)
    transforms = tf.stack(
        [
            side * along,
            -side * across,
            centre - side * (along - across) * centre + shift_x,
            across,
            along,
            centre - (along + across) * centre + shift_y,
            zeros,
            zeros,
        ],
        axis=1,
    )  # (b, 8): the rows of the 3x3 matrix from output to input, its last entry 1 left out
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=edges,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
