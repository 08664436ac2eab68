"""Small datasets with planted faults. Files are BMP where it can be: their bytes are no encoder's own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from tests.photos import ALTERATIONS, Pixels, a_photo


def bmp(pixels: Pixels) -> bytes:
    """As a file."""
    file = io.BytesIO()
    PillowImage.fromarray(pixels).save(file, "BMP")
    return file.getvalue()


def put(root: Path, path: str, data: bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


def leaking(root: Path) -> None:
    """Three given parts; exact, re-encoded, resized and shifted copies across them; one picture in two classes."""
    for at in range(90):
        part, label = ("train", "val", "test")[at % 3 if at < 30 else 0], "cat" if at % 2 else "dog"
        put(root, f"{part}/{label}/{at:02}.bmp", bmp(a_photo(at, 64, 64)))
    for at in (2, 8):
        put(root, f"train/{'cat' if at % 2 else 'dog'}/exact-{at:02}.bmp", bmp(a_photo(at, 64, 64)))
    put(root, "train/dog/twice.bmp", bmp(a_photo(30, 64, 64)))
    for number, (alter, at) in enumerate(zip(ALTERATIONS, (5, 11, 14), strict=True)):
        put(
            root,
            f"train/{'cat' if at % 2 else 'dog'}/near-{number}.{'png' if number else 'jpg'}",
            alter(a_photo(at, 160, 160)),
        )
        put(root, f"test/{'cat' if at % 2 else 'dog'}/{at:02}.bmp", bmp(a_photo(at, 160, 160)))
    put(root, "train/cat/both.bmp", bmp(a_photo(40, 64, 64)))


def listed(root: Path) -> None:
    """A manifest: spellings of one label, groups in two parts, rows without a file or a label, one path twice."""
    lines = ["file_name,emotion,split,patient"]
    for at in range(60):
        put(root, f"images/{at:02}.bmp", bmp(a_photo(at, 48, 48)))
        label = ("happy", "HAPPY", "sad")[at % 3]
        lines.append(
            f"images/{at:02}.bmp,{label},{('train', 'train', 'val', 'test')[at % 4]},p{at // 4 if at < 8 else at}"
        )
    put(root, "images/unlisted.bmp", bmp(a_photo(99, 48, 48)))
    put(root, "images/broken.bmp", bmp(a_photo(98, 48, 48))[:2000])
    lines += [
        "images/broken.bmp,sad,train,p98", "images/00.bmp,happy,train,p0", "images/05.bmp,happy,train,p1",
        "images/none.bmp,sad,train,p97", "../out.bmp,sad,train,p96", "images/10.bmp,,train,p10",
    ]  # fmt: skip
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


def hopeless(root: Path) -> None:
    """A class of two images, one of broken files alone, and half of all files broken."""
    for at in range(24):
        put(root, f"cat/{at:02}.bmp", bmp(a_photo(at, 48, 48)))
        put(root, f"cow/{at:02}.bmp", bmp(a_photo(at, 48, 48))[:1000])
        put(root, f"dog/{at:02}.bmp", bmp(a_photo(100 + at, 48, 48)) if at < 2 else b"")


def uneven(root: Path) -> None:
    """Two folder levels, one class with thirteen times the images of another, hidden and odd files."""
    for at in range(52):
        put(root, f"Greek/character{at % 2}/{at:02}.bmp", bmp(a_photo(at, 40, 40)))
    for at in range(26):
        put(root, f"Korean/character{at % 2}/{at:02}.bmp", bmp(a_photo(100 + at, 40, 40)))
    for at in range(4):
        put(root, f"Latin/character{at % 2}/{at:02}.bmp", bmp(np.ascontiguousarray(a_photo(200 + at, 40, 40)[:, ::-1])))
    put(root, "Greek/character0/mirrored.bmp", bmp(np.ascontiguousarray(a_photo(0, 40, 40)[:, ::-1])))
    put(root, ".DS_Store", b"x")
    put(root, "Greek/Thumbs.db", b"x")
    put(root, "Greek/raw.cr2", b"x")


SETS = (leaking, listed, hopeless, uneven)
