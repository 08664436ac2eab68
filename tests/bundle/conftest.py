"""Fixtures of the bundle's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bundle.tiny_bundles import COLOURS, colour_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that names the brightest colour; tests leave it as it is."""
    return colour_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """red/, green/ and blue/ with ten noisy pictures each, of odd sizes, PNG and JPEG by turns."""
    rng = np.random.default_rng(4)
    folder = tmp_path / "pictures"
    for index, colour in enumerate(COLOURS):
        (folder / colour).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 120, (20 + 7 * number, 45 - number, 3), dtype=np.uint8)
            pixels[..., index] += rng.integers(40, 130, pixels.shape[:2], dtype=np.uint8)
            suffix = "jpg" if number % 2 else "png"
            Image.fromarray(pixels).save(folder / colour / f"{number}.{suffix}")
    return folder
