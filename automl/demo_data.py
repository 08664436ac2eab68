"""The demonstration's data: 1,797 real handwritten digits that ship inside scikit-learn, as one folder of PNGs a class.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998
(CC BY 4.0), the test part: 8x8 pixels, grey values 0..16.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from automl.errors import UsageError
from automl.runs.atomic import TEMPORARY, sync_folder

PER_DIGIT: Final = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
"""How many pictures of 0, 1, ... 9 there are."""
WRITTEN: Final = 899_251_200
"""The files' time, 1 July 1998: a run recognises its dataset by names, sizes and times, also when written anew."""


def write_digits(folder: Path) -> int:
    """Write the digits, unless they are there: folder/DIGIT/NUMBER.png, 8x8, grey 0..255.

    Returns: how many there are.
    Raises: UsageError: the folder holds something else, which is left alone.
    """
    if not is_complete(folder):
        _refuse_stranger(folder)
        new = folder.with_name(f"{TEMPORARY}{folder.name}")
        _remove(new)
        _write(new)
        _remove(folder)
        new.rename(folder)
        sync_folder(folder.parent)
    return sum(PER_DIGIT)


def is_complete(folder: Path) -> bool:
    """Whether all the pictures, and nothing else, are there (by their names)."""
    return folder.is_dir() and {path.relative_to(folder) for path in folder.rglob("*.*")} == _names()


def _names() -> set[Path]:
    return {_name(digit, number) for digit, n in enumerate(PER_DIGIT) for number in range(n)}


def _name(digit: int, number: int) -> Path:
    return Path(str(digit), f"{number:03}.png")


def _write(folder: Path) -> None:
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    grey = np.rint(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    for digit in range(len(PER_DIGIT)):
        (folder / str(digit)).mkdir(parents=True)
        for number, picture in enumerate(grey[labels == digit]):
            path = folder / _name(digit, number)
            Image.fromarray(picture).save(path)
            os.utime(path, (WRITTEN, WRITTEN))
    os.sync()  # once for all: 1,797 syncs of single files took 10 s, this 0.05 s


def _refuse_stranger(folder: Path) -> None:
    """Raises: UsageError: the folder holds files that are none of ours, so that it must not be replaced."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()} if folder.exists() else set()
    if strange := sorted(found - _names()):
        raise UsageError(
            f"{folder} holds {strange[0].as_posix()!r}, which is no part of the demonstration's digits. Wanted: an "
            "empty or new folder. Name another with --data."
        )


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
