"""The bars up to the point where training begins: checked, split, packed, and a network that knows nothing yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras

from automl.nets.build import build_network, save_weights
from automl.recipe.model import Pack, Recipe, Train
from automl.records import Checked, Picked, Tuned
from automl.runtime.context import StageContext
from automl.stages import check, pack, split
from automl.types import BackboneScore, FitSettings, Interval, Network, WeightsFound
from tests.conftest import MakeContext

# Keras 3.15 copies variables in the way of numpy 1; numpy 2 warns.
RECIPE = Recipe(train=Train(epochs=6), pack=Pack(size_px=16))
SETTINGS = FitSettings(
    learning_rate=3e-3,
    weight_decay=1e-3,
    dropout=0.1,
    augmentation=0.2,
    flip=False,
    unfrozen=1.0,
    batchnorm="trains",
    epochs=6,
    batch_size=16,
    warmup=0.1,
    label_smoothing=0.0,
    patience=6,
)


def up_to_training(make_context: MakeContext, dataset: Path, settings: FitSettings = SETTINGS) -> StageContext:
    """The train stage's context, with all records before it; the probe is an untrained small net."""
    for stage in (check, split, pack):
        ctx = make_context(stage.__name__.split(".")[-1], dataset, RECIPE)
        ctx.folder.write_record(stage.run(ctx))
    pick = make_context("pick", dataset, RECIPE)
    checked = pick.record(Checked)
    network = Network(backbone="smallnet", size_px=checked.sizes_px[0], classes=checked.classes)
    keras.utils.set_random_seed(1)
    save_weights(build_network(network), pick.output("first/model.weights.h5"))
    weights = WeightsFound(backbone="smallnet", source="folder", path="", sha256="")  # as if pretrained
    score = BackboneScore(
        backbone="smallnet",
        weights=weights,
        params_m=0.2,
        size_px=network.size_px,
        n_features=192,
        images_s=500.0,
        knn_accuracy=0.3,
        probe_accuracy=Interval(value=0.3, low=0.2, high=0.4),
        probe_c=0.003,
        n_images=100,
        seconds=2.0,
        top1=None,
    )
    pick.folder.write_record(
        Picked(
            ranking=(replace(score, backbone="other"), score),
            chosen="smallnet",
            reason="",
            network=network,
            weights=weights,
            start="first/model.weights.h5",
            probe_accuracy=0.3,
            probe_loss=1.1,
            flip_is_safe=False,
            flip_accuracy=0.3,
            warnings=(),
        )
    )
    pick.folder.write_record(Tuned(trials=(), best=None, settings=settings, reason="", oracle="random"))
    return make_context("train", dataset, RECIPE)
