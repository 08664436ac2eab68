"""The leakage test: 20 exact and 20 altered copies across given parts are found, and hardly anything else is."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from automl.bundle.resize import load_pixels
from automl.data.duplicates import find_copies
from automl.data.shared import find_in_split, leakage
from automl.data.split import assign_parts
from automl.recipe.model import Split
from automl.types import PARTS
from tests.photos import ALTERATIONS, a_photo, png
from tests.strategies import an_image


def test_planted_copies_across_given_parts_are_found_and_left_out() -> None:
    photos = [a_photo(number) for number in range(120)]
    files = {f"{PARTS[at % 3]}/{'ab'[at // 3 % 2]}/{at}": png(photo) for at, photo in enumerate(photos)}
    exact, altered = {}, {}
    for at, original in enumerate(list(files)[:40]):
        part = PARTS[(at + 1) % 3]
        copy = f"{part}/{original.split('/')[1]}/copy-{at}"
        planted = exact if at < 20 else altered
        planted[copy] = original
        files[copy] = files[original] if at < 20 else ALTERATIONS[at % 3](photos[at])
    images = [
        replace(
            an_image(path, path.split("/")[1], "", part=path.split("/")[0], row=row),
            sha256=hashlib.sha256(data).hexdigest(),
            width_px=160,
            height_px=120,
        )
        for row, (path, data) in enumerate(files.items())
    ]
    pixels = np.stack([load_pixels(data, 96) for data in files.values()])

    copies = find_copies(images, pixels)
    cut = assign_parts(images, copies, Split(), seed=1)

    by_path = {image.path: image for image in images}
    assert all(copies.key(by_path[one]) == copies.key(by_path[other]) for one, other in exact.items())
    found = {frozenset((pair.first, pair.second)) for pair in copies.near}
    wanted = {frozenset(pair) for pair in altered.items()}
    assert len(found & wanted) >= 18
    assert len(found - wanted) <= 2
    assert leakage(images, copies, {image.path: image.part for image in images if image.part})["same pixels"] == 20
    assert leakage(images, copies, cut.parts) == {"same pixels": 0, "near copies": 0, "groups": 0}
    kinds = {finding.kind for finding in find_in_split(images, copies, cut)}
    assert {"same images in train and test", "near copies in train and test"} <= kinds
