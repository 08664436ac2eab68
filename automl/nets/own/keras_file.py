"""A .keras file from outside, as a network: its config is judged and written anew before Keras sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from automl.nets.own import archive
from automl.nets.own.allowed import checked_model, read_config
from automl.nets.own.brought import LICENCE, Brought, filled, need_image
from automl.nets.own.build import revived


def from_file(file: Path, weights: Path) -> Brought:
    """The file's own network, filled.

    Args: weights: a place for the weights while they are read; its name ends in .weights.h5.
    Raises: NotAllowed: something in the file is not on the lists; ValueError: it makes no sense; OSError.
    """
    try:
        with archive.opened(file) as (members, sha256):
            archive.need_keras_3(archive.read_member(members, archive.METADATA))
            config = checked_model(read_config(archive.read_member(members, archive.CONFIG)))
            with weights.open("wb") as out:
                archive.copy_member(members, archive.WEIGHTS, out)
        return Brought(model=filled(lambda: _built(config), weights), sha256=sha256, licence=LICENCE)
    finally:
        weights.unlink(missing_ok=True)


def _built(config: dict[str, Any]) -> keras.Model:
    model = revived(config)
    if isinstance(model, keras.Sequential) and not model.built:
        model.build((None, None, None, 3))
    need_image(model)
    return model
