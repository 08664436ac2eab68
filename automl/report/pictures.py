"""Pictures for the page: rows of a store as data: addresses, so that the file needs nothing beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from automl.report.facts import Sample
from automl.types import SUSPECT_KINDS, PixelRows, Suspect

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]

LOSSLESS_PX: Final = 64  # pictures up to this edge stay PNG: they are shown enlarged, where JPEG's blocks would show
SHOWN_PX: Final = 160  # larger ones are made smaller; the page shows them at 144 CSS px at most
JPEG_QUALITY: Final = 85
SAMPLE_CLASSES: Final = 12
SAMPLE_IMAGES: Final = 8
SUSPECTS: Final = 24  # that a page shows
OF_A_KIND: Final = 6  # of each kind at least, where there are so many; label errors get the places that are left first


def data_address(pixels: Pixels) -> str:
    """A picture, uint8 (s, s, 3) red green blue, as data:image/png or data:image/jpeg."""
    picture = PillowImage.fromarray(np.ascontiguousarray(pixels))
    file = io.BytesIO()
    if max(picture.size) <= LOSSLESS_PX:
        picture.save(file, format="PNG", optimize=True)
        kind = "png"
    else:
        picture.thumbnail((SHOWN_PX, SHOWN_PX))
        picture.save(file, format="JPEG", quality=JPEG_QUALITY)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def samples(pixels: PixelRows, rows: Indices, labels: Indices, classes: Sequence[str]) -> tuple[Sample, ...]:
    """Up to SAMPLE_IMAGES pictures of each of the first SAMPLE_CLASSES classes, evenly spread over its images.

    Args:
        pixels: uint8 (n, s, s, 3), the store.
        rows, labels: int64 (m,), of the part to take them from.
    """
    found = []
    for index, label in enumerate(classes[:SAMPLE_CLASSES]):
        own = rows[labels == index]
        places = np.linspace(0, len(own) - 1, min(len(own), SAMPLE_IMAGES)).round().astype(np.int64)
        found.append(Sample(label=label, pictures=tuple(map(data_address, pixels[own[places]]))))
    return tuple(found)


def shown_suspects(suspects: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """At most SUSPECTS of them, each kind in its own order, label errors first."""
    kinds = [[suspect for suspect in suspects if suspect.kind == kind] for kind in SUSPECT_KINDS]
    places = [min(OF_A_KIND, len(kind)) for kind in kinds]
    for number, kind in enumerate(kinds):
        places[number] += min(SUSPECTS - sum(places), len(kind) - places[number])
    return tuple(suspect for kind, n in zip(kinds, places, strict=True) for suspect in kind[:n])


def suspect_pictures(suspects: Sequence[Suspect], pixels: PixelRows, rows: Mapping[str, int]) -> dict[str, str]:
    """Path -> data: address, of the suspects and of near duplicates' twins.

    Args:
        rows: path -> row of the map; a path that is not there gets no picture.
    """
    paths = [path for suspect in suspects for path in (suspect.path, twin_of(suspect)) if path in rows]
    return {path: data_address(pixels[rows[path]]) for path in paths}


def twin_of(suspect: Suspect) -> str:
    """A near duplicate's twin's path; "" for other kinds."""
    return suspect.other if suspect.kind == "near duplicate" else ""
