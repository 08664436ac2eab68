"""A training on disk after each epoch, so that a killed one goes on as an undisturbed one would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from automl.errors import StageFailed
from automl.runs.atomic import write_with
from automl.training.callbacks import Ended
from automl.types import Epoch

Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The whole state of a training between two epochs."""

    epochs: tuple[Epoch, ...]
    ended: Ended | None  # None: it goes on
    kept: Arrays  # the network's weights in Keras' order, of the best epoch
    weights: Arrays  # of the last epoch; empty once the training ended
    optimizer: Arrays  # moments and step count; empty once the training ended


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file, durably: one .npz, so that its parts always belong together."""
    facts = {"epochs": [asdict(epoch) for epoch in checkpoint.epochs], "ended": checkpoint.ended}
    arrays = {
        f"{part}_{number:05}": array
        for part in ("weights", "optimizer", "kept")
        for number, array in enumerate(getattr(checkpoint, part))
    }
    write_with(path, lambda file: np.savez(file, facts=np.array(json.dumps(facts, allow_nan=False)), **arrays))


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Read what save_checkpoint wrote; None where there is no file.

    Raises: StageFailed: the file is there, and is not whole.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            arrays: dict[str, list[NDArray[Any]]] = {"weights": [], "optimizer": [], "kept": []}
            for name in sorted(set(file.files) - {"facts"}):
                arrays[name.rpartition("_")[0]].append(file[name])
        return Checkpoint(
            epochs=tuple(Epoch(**epoch) for epoch in facts["epochs"]),
            ended=facts["ended"],
            weights=arrays["weights"],
            optimizer=arrays["optimizer"],
            kept=arrays["kept"],
        )
    except (BadZipFile, ValueError, KeyError, TypeError, EOFError) as error:
        raise StageFailed(
            f"{path} cannot be read: {error}. Wanted: the state of a training between two epochs. "
            "Delete it and run again: the training starts anew."
        ) from error
