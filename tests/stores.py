"""Packed pixels for tests, as check leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.data.store import RawWriter, StoreFacts, rows_per_shard, store_name, write_facts


def write_store(check: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write check/pixels-SIZE with these pictures, uint8 (n, size, size, 3), by row."""
    n_images, size_px = pixels.shape[:2]
    folder = check / store_name(size_px)
    writer = RawWriter(folder, size_px, 0)
    for picture in pixels:
        writer.write(picture)
    writer.close()
    write_facts(
        folder, StoreFacts(kind="raw", n_images=n_images, size_px=size_px, rows_per_shard=rows_per_shard(size_px))
    )
    return folder
