"""Use a bundle from Python. Its data alone are read: the code is this package's predict.py, never the bundle's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from automl.bundle.predict import BundleFault, Prediction, Predictor, find_images
from automl.errors import DataError, UsageError


def predict_images(bundle: Path, inputs: Sequence[Path]) -> list[Prediction]:
    """What the bundle says of these images, and of all images in these folders; one that cannot be read has a fault.

    Raises: UsageError: the folder is no bundle that can be used; DataError: no image could be read.
    """
    try:
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
