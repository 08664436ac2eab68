"""The settings a training starts from before anything is searched: pure, and the search's first trial."""

from __future__ import annotations

from typing import Final

from automl.recipe.model import Train
from automl.types import FitSettings

# Learning rates of AdamW. A pretrained backbone: MobileNetV3Small, upper half, from the probe with C = 0.003 (test
# accuracy): flowers (490 training images) .814 -> .850 at 3e-4 and .807 at 1e-3; sign_digits (1,442) .923 -> .949 at
# 3e-4 and .988 at 1e-3. So the rate grows with the images between those two sets, and not beyond.
GENTLE: Final = 3e-4
FIRM: Final = 1e-3
GENTLE_UP_TO: Final = 500  # training images
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
    rate = min(FIRM, GENTLE * max(1.0, n_images / GENTLE_UP_TO))
    return FitSettings(
        learning_rate=rate if pretrained else FROM_NOTHING,
        weight_decay=1e-2,
        dropout=0.2,
        augmentation=0.5,
        flip=flip,
        # The upper half did as well as all layers on both sets, in about half of the time.
        unfrozen=0.5 if pretrained else 1.0,
        epochs=train.epochs,
        batch_size=min(train.batch_size, n_images),
        warmup=train.warmup,
        label_smoothing=train.label_smoothing,
        patience=train.patience,
    )
