"""The body of one trial: one training at one point of the search space, in a child process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter

from automl.code import load_entry
from automl.data.feed import batches, steps_per_epoch, training_batches
from automl.data.pack import read_index
from automl.data.store import open_pixels, own_words
from automl.data.weights import read_weights
from automl.errors import StageFailed
from automl.nets.build import load_network
from automl.runs.atomic import write_json
from automl.task_table import task_named
from automl.training.fit import Feed, fit
from automl.types import FitSettings, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What tune says of a trial; JSON values when they arrive."""

    number: int
    values: dict[str, float | int | bool | str]  # what the oracle proposed; written down, not used
    settings: FitSettings
    network: Network
    own: Path  # folder of backbones that the user brought
    start: Path  # weights that the training starts from
    pixels: Path  # the store of the network's size
    pack: Path  # folder of PART-rows.npy, PART-labels.npy and, if there are weights, train-weights.npy
    folder: Path  # where the trial writes
    seed: int
    stop_at: float | None  # wall time; None: no limit
    task: str  # a name of task_table.py


def run_trial(arguments: Mapping[str, object]) -> dict[str, object]:
    """Train once and say how the best epoch did on validation.

    Args:
        arguments: the fields of Arguments.
    Returns: accuracy and loss (nats) of the best epoch, seconds, epochs (each as in types.Epoch), and stopped: whether
        stop_at cut the training short. FOLDER/trial.json holds the same, with the arguments.
    Raises: StageFailed: no epoch ended with a finite loss, or the start's weights are of another network.
    """
    began = time.time()
    trial = TypeAdapter(Arguments).validate_python(arguments)
    settings, task = trial.settings, task_named(trial.task)
    pixels = open_pixels(trial.pixels)
    rows, labels = read_index(trial.pack, "train")
    weights = read_weights(trial.pack)
    validation = read_index(trial.pack, "validation")
    fitted = own_words(pixels)(fit)(
        load_network(replace(trial.network, dropout=settings.dropout), trial.start, trial.task, trial.own),
        Feed(
            training=lambda epoch: training_batches(
                pixels, rows, labels, weights=weights, batch_size=settings.batch_size, seed=trial.seed, epoch=epoch
            ),
            steps=steps_per_epoch(len(rows), settings.batch_size),
            validation=lambda: batches(pixels, *validation, settings.batch_size),
        ),
        settings,
        loss=cast("Callable[[object, object], object]", load_entry(task.loss)(settings.label_smoothing)),
        metrics=task.metrics,
        seed=trial.seed,
        stop_at=inf if trial.stop_at is None else trial.stop_at,
    )
    if fitted.best is None:
        raise StageFailed(
            f"trial {trial.number} has no epoch with a finite loss at learning rate {settings.learning_rate:.2g}. "
            "Wanted: at least one. The search goes on without it; lower the top of tune.space.learning_rate."
        )
    result: dict[str, object] = {
        "accuracy": fitted.best.validation_accuracy,
        "loss": fitted.best.validation_loss,
        "seconds": time.time() - began,
        "epochs": [asdict(epoch) for epoch in fitted.epochs],
        "stopped": fitted.ended == "clock",
    }
    write_json(trial.folder / "trial.json", {**arguments, **result, "ended": fitted.ended})
    return result
