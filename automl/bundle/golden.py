"""Golden pictures: synthetic, seeded, awkward ones, with the probabilities that the bundle's own model gives them.

They travel with the bundle, so that `predict.py --selftest` can say on any machine whether decoding, resizing and
running come out as they did where the bundle was made. Nothing of the user's data is in them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from automl.bundle.predict import Predictor, sampled
from automl.runs.atomic import write_json

FLOAT_TOLERANCE: Final = 1e-3
"""Largest difference of probabilities between machines; float32 sums in another order stay far below it."""
INT8_TOLERANCE: Final = 0.15
"""The same where the graph is quantised: a value between two steps is rounded up on one processor and down on another,
and the step carries on through the layers. Measured on one processor, onnxruntime's integer kernels against the same
graph in float arithmetic, MobileNetV3Small and V2 at 160 px: 0.067 and 0.017. This is twice the larger."""

ORIENTATION: Final = 274  # the EXIF tag


def write_golden(folder: Path, *, seed: int, tolerance: float) -> None:
    """Write golden/ into a bundle that has its model and its bundle.json: the pictures, and expected.json."""
    predictor = Predictor(folder)
    pictures = golden_pictures(predictor.size_px, seed)
    golden = folder / "golden"
    golden.mkdir()
    for name, data in pictures.items():
        (golden / name).write_bytes(data)
    rows = predictor.probabilities(golden / name for name in pictures)
    expected = [
        {
            "file": name,
            "pixels": sampled(predictor.read(golden / name)).astype(np.uint8).tobytes().hex(),
            "probabilities": [float(value) for value in row],
        }
        for name, row in zip(pictures, rows, strict=True)
    ]
    write_json(golden / "expected.json", {"tolerance": tolerance, "pictures": expected})


def golden_pictures(size_px: int, seed: int) -> dict[str, bytes]:
    """Picture files by name: each takes another way through decoding and resizing."""
    rng = np.random.default_rng(seed)
    see_through = Image.fromarray(paint(rng, size_px + 21, size_px + 8)).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    return {
        "exact.png": encoded(Image.fromarray(paint(rng, size_px, size_px)), "PNG"),
        "small.png": encoded(Image.fromarray(paint(rng, 11, 13)), "PNG"),
        "wide.png": encoded(Image.fromarray(paint(rng, 2 * size_px + 1, size_px // 2 + 1)), "PNG"),
        "grey.png": encoded(Image.fromarray(paint(rng, size_px + 5, size_px + 2)).convert("L"), "PNG"),
        "see-through.png": encoded(see_through, "PNG"),
        "large.jpg": encoded(Image.fromarray(paint(rng, 4 * size_px + 3, 4 * size_px + 9)), "JPEG"),
        "turned.jpg": encoded(Image.fromarray(paint(rng, size_px + 31, size_px + 4)), "JPEG", exif=turned),
    }


def paint(rng: np.random.Generator, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    """A field of smooth colours under bars and a little noise: uint8 (height, width, 3)."""
    colours = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    field = np.asarray(colours.resize((width_px, height_px), Image.Resampling.BICUBIC), dtype=np.float64)
    y, x = np.mgrid[:height_px, :width_px]
    down, across = rng.uniform(-20, 20, 2)
    bars = 40 * np.sin(2 * np.pi * (down * y / height_px + across * x / width_px))
    noise = rng.normal(0, 4, field.shape)
    pixels: npt.NDArray[np.uint8] = np.clip(field + bars[..., None] + noise, 0, 255).astype(np.uint8)
    return pixels


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The image as a file's bytes."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
