"""What a ranking is made of, by hand."""

from __future__ import annotations

import numpy as np

from automl.nets.ranking import Judged
from automl.types import BackboneScore, Interval, WeightsFound


def ranked_one(name: str, right: np.ndarray, *, images_s: float, params_m: float, top1: float | None = None) -> Judged:
    weights = WeightsFound(backbone=name, source="random", path="", sha256="")
    accuracy = float(right.mean())
    score = BackboneScore(
        backbone=name,
        weights=weights,
        params_m=params_m,
        size_px=32,
        n_features=8,
        images_s=images_s,
        knn_accuracy=accuracy,
        probe_accuracy=Interval(value=accuracy, low=accuracy, high=accuracy),
        probe_c=0.003,
        n_images=len(right),
        seconds=2.0,
        top1=top1,
    )
    return Judged(score=score, out_of_fold=right)


def answers(n_right: int, n: int = 200) -> np.ndarray:
    return np.arange(n) < n_right
