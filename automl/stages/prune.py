"""The pruning of the trained network, in a plain child of its own: the import of tfmot spoils the process it is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from automl.bridge.equalise import equalise
from automl.bridge.prune import prune
from automl.bridge.schedule import Plan
from automl.data.feed import steps_per_epoch, training_batches
from automl.data.pack import read_index
from automl.data.store import open_pixels, own_words
from automl.data.weights import read_weights
from automl.nets.build import load_network, save_weights
from automl.training.fit import variation
from automl.training.unfreeze import unfreeze
from automl.types import FitSettings, Network

CHECKED: Final = 16  # images on which the two sides of the bridge are compared
AHEAD: Final = 2  # batches that are made while the network works


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What compress says; JSON values when they arrive."""

    network: Network
    own: Path  # folder of backbones that the user brought
    weights: Path  # of the trained network
    target: Path  # where the pruned network's weights go
    pixels: Path  # the store of the network's size
    pack: Path  # folder of train-rows.npy, train-labels.npy and, if there are weights, train-weights.npy
    settings: FitSettings  # of the training: batch size, augmentation, flip, label smoothing
    sparsity: float
    learning_rate: float
    epochs: int  # at most
    stop_at: float  # wall time, by which all must be done
    seed: int
    task: str  # a name of task_table.py


def prune_network(arguments: Mapping[str, object]) -> dict[str, object]:
    """Prune the trained network while it trains on, and write its weights.

    Args: arguments: the fields of Arguments.
    Returns: the fields of bridge.prune.Pruned.
    Raises: StageFailed, VariantFailed: see bridge.prune.prune; or the weights are of another network.
    """
    order = TypeAdapter(Arguments).validate_python(arguments)
    settings = order.settings
    pixels = open_pixels(order.pixels)
    rows, labels = read_index(order.pack, "train")
    weights = read_weights(order.pack)
    model = load_network(order.network, order.weights, order.task, order.own)
    equalise(model)
    unfreeze(model, 1.0, "trains")  # every convolution loses weights, so every one must adapt

    vary = variation(settings)

    def training(epoch: int) -> Any:
        plain = training_batches(
            pixels, rows, labels, weights=weights, batch_size=settings.batch_size, seed=order.seed, epoch=epoch
        )
        return plain.map(vary, num_parallel_calls=AHEAD).prefetch(AHEAD)

    pruned = own_words(pixels)(prune)(
        model,
        training,
        Plan(
            sparsity=order.sparsity,
            learning_rate=order.learning_rate,
            epochs=order.epochs,
            steps=steps_per_epoch(len(rows), settings.batch_size),
            label_smoothing=settings.label_smoothing,
            seed=order.seed,
        ),
        images=pixels[rows[:CHECKED]],
        stop_at=order.stop_at,
    )
    save_weights(model, order.target)
    return asdict(pruned)
