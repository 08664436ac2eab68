"""The settings a training starts from before anything is searched: pure, and the search's first trial."""

from __future__ import annotations

from typing import Final

from automl.recipe.model import Train
from automl.types import FitSettings

# AdamW on a pretrained backbone, upper half, BatchNorm frozen, from the probe, validation accuracy with its log loss:
# MobileNetV3Small at 160 px on sign_digits (490 training images) .990 (.05), and .980 (.05) at 1e-3; flowers .894 (.54)
# and .875 (.58); dogcat .983 (.08) and .917 (.19); sign_digits (1,442) .994 (.01), and 1.000 (.01) at 8.6e-4.
GENTLE: Final = 3e-4
# Random weights have nothing to lose: the small net on 1,167 digits, 12 epochs: .992 at 2e-3, .989 at 5e-3.
FROM_NOTHING: Final = 2e-3


def default_settings(train: Train, *, n_images: int, pretrained: bool, flip: bool) -> FitSettings:
    """Settings that beat the probe without a search.

    Args:
        train: the recipe's section; gives epochs, batch size, warm-up, label smoothing and patience.
        n_images: training images.
        pretrained: the backbone starts from ImageNet weights, not from random ones.
        flip: mirrored pictures keep their class here.
    """
    return FitSettings(
        learning_rate=GENTLE if pretrained else FROM_NOTHING,
        weight_decay=1e-2,
        dropout=0.2,
        augmentation=0.5,
        flip=flip,
        # The upper half did as well as all layers on both sets, in about half of the time.
        unfrozen=0.5 if pretrained else 1.0,
        # Batches of one set's pictures are not what ImageNet's statistics were taken from: a first epoch of training
        # BatchNorm took sign_digits' probe from .91 to .78 or lower, at any rate; docs/design.md, decision 16.
        batchnorm="frozen" if pretrained else "trains",
        epochs=train.epochs,
        batch_size=min(train.batch_size, n_images),
        warmup=train.warmup,
        label_smoothing=train.label_smoothing,
        patience=train.patience,
    )
