"""Use a bundle from Python. Its data alone are read: the code is this package's predict.py, never the bundle's."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from automl.bundle.checksums import DECIDE, NAME, listed_checksums
from automl.bundle.predict import (
    MODEL_LIMIT_BYTES,
    WORDS_LIMIT_BYTES,
    BundleFault,
    Prediction,
    Predictor,
    find_images,
    read_facts,
    read_file,
)
from automl.errors import DataError, UsageError

WANTED: Final = f"Wanted: the bundle as it was published, whole, with its {NAME}. Copy it anew."


def predict_images(bundle: Path, inputs: Sequence[Path]) -> list[Prediction]:
    """What the bundle says of these images, and of all images in these folders; one that cannot be read has a fault.

    Raises: UsageError: the folder is no bundle that can be used, or not as it was published; DataError: no image could
        be read.
    """
    try:
        read_facts(bundle)  # first: a folder that is no bundle has no checksums either
        check_files(bundle)
        predictor = Predictor(bundle)
    except BundleFault as fault:
        raise UsageError(str(fault)) from fault
    found = list(predictor.predictions(find_images(inputs)))
    if all(prediction.fault for prediction in found):
        faults = "; ".join(f"{prediction.path}: {prediction.fault}" for prediction in found[:3])
        raise DataError(
            f"none of {len(found)} image(s) could be read ({faults}). Wanted: image files, or folders of them. "
            "Check the paths."
        )
    return found


def check_files(bundle: Path) -> None:
    """Compare the files of DECIDE with SHA256SUMS, which every published bundle has.

    It tells damage and careless edits, not a forger, who would write the checksums anew.

    Raises: BundleFault: a file, or SHA256SUMS, is missing, not listed, changed, too large, or no regular file.
    """
    listed = listed_checksums(_read(bundle / NAME, WORDS_LIMIT_BYTES).decode(errors="replace"))
    for name in DECIDE:
        path = bundle / name
        limit_bytes = MODEL_LIMIT_BYTES if name == "model.onnx" else WORDS_LIMIT_BYTES
        found = sha256(_read(path, limit_bytes)).hexdigest()
        if name not in listed:
            raise BundleFault(f"{path} is not listed in {NAME}. {WANTED}")
        if found != listed[name]:
            raise BundleFault(f"{path} has changed: its SHA-256 is not the one in {NAME}. {WANTED}")


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        return read_file(path, limit_bytes)
    except OSError as error:
        raise BundleFault(f"{path} cannot be read: {error.strerror}. {WANTED}") from error
