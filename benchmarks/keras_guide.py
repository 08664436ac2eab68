"""Keras' transfer-learning guide as a command: what vs_keras_guide.py measures automl against.

    .venv/bin/python benchmarks/keras_guide.py DATASET SPLIT.csv BACKBONE WEIGHTS_FILE SIZE SEED

After https://keras.io/guides/transfer_learning/, pinned: base called with training=False, RandomFlip and
RandomRotation(0.1), dropout 0.2, batch 32, 20 epochs of the head with Adam 1e-3, then 10 epochs of all layers at 1e-5,
the last epoch's weights. Validation images are evaluated after each epoch, as there. Pictures are decoded and resized
once, and kept in memory. Prints one JSON object: test accuracy, number of test images, each epoch's seconds.
"""

from __future__ import annotations

import csv
import json
import time
from itertools import pairwise
from pathlib import Path

import click
import keras
import numpy as np

from automl.nets.catalogue import backbone_named

BATCH, FROZEN_EPOCHS, FINE_EPOCHS = 32, 20, 10


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("split", type=click.Path(path_type=Path))
@click.argument("backbone")
@click.argument("weights", type=click.Path(path_type=Path))
@click.argument("size_px", type=int)
@click.argument("seed", type=int)
def main(dataset: Path, split: Path, backbone: str, weights: Path, size_px: int, seed: int) -> None:
    """Train as the guide does, and evaluate once."""
    keras.utils.set_random_seed(seed)
    rows = list(csv.DictReader(split.open(encoding="utf-8")))
    classes = sorted({row["label"] for row in rows})
    parts = {part: load(dataset, rows, part, classes, size_px) for part in ("train", "validation", "test")}
    base = getattr(keras.applications, backbone_named(backbone).keras_class)(
        weights=str(weights), include_top=False, input_shape=(size_px, size_px, 3)
    )
    base.trainable = False
    model = whole(base, size_px, len(classes), rescale=backbone_named(backbone).pixels == "-1..1")
    seconds = [*fit(model, parts, FROZEN_EPOCHS, 1e-3)]
    base.trainable = True
    seconds += fit(model, parts, FINE_EPOCHS, 1e-5)
    _, accuracy = model.evaluate(*parts["test"], batch_size=BATCH, verbose=0)
    click.echo(json.dumps({"accuracy": float(accuracy), "n": len(parts["test"][1]), "epoch_seconds": seconds}))


def load(dataset: Path, rows: list[dict], part: str, classes: list[str], size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (n, size, size, 3), resized as keras.utils does by default in the guide, and labels."""
    mine = [row for row in rows if row["part"] == part]
    pictures = [
        keras.utils.load_img(dataset / row["path"], target_size=(size_px, size_px), interpolation="bilinear")
        for row in mine
    ]
    return np.stack([np.asarray(one, np.uint8) for one in pictures]), np.array(
        [classes.index(row["label"]) for row in mine]
    )


def whole(base: keras.Model, size_px: int, n_classes: int, *, rescale: bool) -> keras.Model:
    """Augmentation, base, pooling, dropout, softmax."""
    image = keras.Input((size_px, size_px, 3))
    x = keras.layers.RandomFlip("horizontal")(image)
    x = keras.layers.RandomRotation(0.1)(x)
    if rescale:  # the backbones of Keras that do not bring it
        x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(image, keras.layers.Dense(n_classes, activation="softmax")(x))


def fit(model: keras.Model, parts: dict, epochs: int, rate: float) -> list[float]:
    """Train; seconds of each epoch."""
    ends = [time.perf_counter()]
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=False)
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    model.fit(
        *parts["train"], batch_size=BATCH, epochs=epochs, validation_data=parts["validation"], verbose=0,
        callbacks=[clock],
    )  # fmt: skip
    return [round(after - before, 2) for before, after in pairwise(ends)]


if __name__ == "__main__":
    main()
