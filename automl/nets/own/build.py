"""The network of a run's copy of a user's backbone, from its config; the config is checked each time."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import keras

from automl.errors import StageFailed
from automl.nets.own.allowed import NotAllowed, checked_model, read_config
from automl.nets.own.rows import CONFIG


def build_own(*, input_tensor: Any, folder: Path) -> keras.Model:
    """Image to last feature map, random weights drawn from Keras' global seed.

    Args:
        input_tensor: symbolic (batch, size, size, 3), values 0..255; its size alone is read.
        folder: of the run's copy.
    Returns: a functional model with an input "image" of its own.
    Raises: StageFailed: the copy is damaged; ValueError: it cannot be built at that size.
    """
    path = folder / CONFIG
    try:
        config = checked_model(read_config(path.read_bytes()))
    except (OSError, NotAllowed) as error:
        raise StageFailed(
            f"{path} cannot be read: {error}. Wanted: what the rehearsal writes of a backbone of the user's own. "
            "--redo pick takes it from its file again."
        ) from error
    return revived(config, size_px=input_tensor.shape[1])


def revived(config: dict[str, Any], *, size_px: int | None = None) -> keras.Model:
    """The model of a config that was checked. Args: size_px: edge of its image; None: as the config says.

    Raises: ValueError: it makes no model, or none for that size.
    """
    config = copy.deepcopy(config)  # Keras takes it apart
    if size_px is not None:
        image = next(one for one in config["config"]["layers"] if one["class_name"] == "InputLayer")
        image["config"]["batch_shape"][1:3] = [size_px, size_px]
    try:
        return cast("keras.Model", keras.saving.deserialize_keras_object(config, safe_mode=True))
    except (TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        # Of arguments that a layer does not take, graphs that lead nowhere and the like. Keras puts the cause last.
        raise ValueError(str(error).rpartition("Exception encountered: ")[2]) from error
