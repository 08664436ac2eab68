"""Records of a run, one by one, made by hand: scores, pictures, backbones, epochs, variants."""

from __future__ import annotations

from typing import Final

import numpy as np

from automl.report.pictures import Pixels
from automl.types import (
    Against,
    BackboneScore,
    BaselineScore,
    ClassScore,
    CurvePoint,
    Epoch,
    Interval,
    Scores,
    Variant,
    WeightsFound,
)

SIZE_PX: Final = 160


def scores(confusion: np.ndarray, classes: tuple[str, ...], log_loss: float) -> Scores:
    """Scores that fit a confusion matrix, int (classes, classes)."""
    hits, truth, said = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall, precision = hits / np.maximum(truth, 1), hits / np.maximum(said, 1)
    f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-9)
    n = int(confusion.sum())
    return Scores(
        n=n,
        accuracy=interval(float(hits.sum() / n), n),
        macro_f1=interval(float(f1.mean()), n),
        log_loss=log_loss,
        per_class=tuple(
            ClassScore(
                label=label, n=int(truth[i]), precision=float(precision[i]), recall=float(recall[i]), f1=float(f1[i])
            )
            for i, label in enumerate(classes)
        ),
        confusion=tuple(tuple(int(value) for value in row) for row in confusion),
    )


def interval(value: float, n: int) -> Interval:
    half = 1.96 * (max(value * (1 - value), 1e-4) / n) ** 0.5
    return Interval(value=value, low=max(0.0, value - half), high=min(1.0, value + half))


def confusion_of(n_classes: int, per_class: int, wrong: int, seed: int = 3) -> np.ndarray:
    """`per_class` images of each class, of which up to `wrong` are taken for other classes."""
    rng = np.random.default_rng(seed)
    matrix = np.zeros((n_classes, n_classes), dtype=int)
    for truth in range(n_classes):
        missed = rng.integers(0, wrong + 1)
        matrix[truth, truth] = per_class - missed
        for _ in range(missed):
            matrix[truth, (truth + 1 + rng.integers(0, n_classes - 1)) % n_classes] += 1
    return matrix


def picture(number: int, size_px: int = SIZE_PX) -> Pixels:
    """A coloured wave, another for each number."""
    y, x = np.mgrid[:size_px, :size_px] / size_px
    rng = np.random.default_rng(number)
    tone = rng.uniform(60, 230, 3)
    wave = 0.65 + 0.35 * np.sin(2 * np.pi * (rng.uniform(1, 4) * x + rng.uniform(1, 4) * y))
    return np.asarray(wave[..., None] * tone, dtype=np.uint8)


def backbone(
    name: str, accuracy: float, n: int, params_m: float, speed: float, source: str = "folder"
) -> BackboneScore:
    weights = WeightsFound(
        backbone=name,
        source=source,
        path="" if source == "random" else f"/somewhere/private/{name}.h5",
        sha256="" if source == "random" else "5e" * 32,
    )
    return BackboneScore(
        backbone=name,
        weights=weights,
        params_m=params_m,
        size_px=SIZE_PX,
        n_features=1_472,
        images_s=speed,
        knn_accuracy=accuracy - 0.06,
        probe_accuracy=interval(accuracy, n),
        probe_c=0.003,
        n_images=n,
        seconds=14.2,
        top1={"efficientnetv2b0": 0.787, "mobilenetv2": 0.713, "mobilenetv3small": 0.681}.get(name),
    )


def baselines(n: int) -> tuple[BaselineScore, ...]:
    return (
        BaselineScore(name="majority class", accuracy=interval(0.15, n)),
        BaselineScore(name="colour thumbnail", accuracy=interval(0.43, n)),
        BaselineScore(name="kNN on features", accuracy=interval(0.82, n)),
        BaselineScore(name="linear probe", accuracy=interval(0.87, n)),
    )


def learning_curve(n: int) -> tuple[CurvePoint, ...]:
    gains = (None, Interval(value=0.059, low=0.02, high=0.098), Interval(value=0.041, low=0.01, high=0.072))
    sizes, accuracies = (164, 329, 657), (0.77, 0.829, 0.87)
    return tuple(
        CurvePoint(images=size, accuracy=interval(accuracy, n), gain=gain)
        for size, accuracy, gain in zip(sizes, accuracies, gains, strict=True)
    )


def against(found: tuple[BaselineScore, ...], accuracy: float) -> tuple[Against, ...]:
    """A model of that accuracy against them."""
    gains = ((one, accuracy - one.accuracy.value) for one in found)
    return tuple(
        Against(baseline=one.name, accuracy=one.accuracy, gain=Interval(value=gain, low=gain - 0.03, high=gain + 0.03))
        for one, gain in gains
    )


def epochs_of(n: int, start: float, end: float) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            number=number,
            loss=2.2 * (1 - at) ** 2 + 0.08,
            accuracy=min(1.0, start - 0.12 + (end - start + 0.16) * at),
            validation_loss=0.9 * (1 - at) ** 2 + 0.3 + 0.05 * at,
            validation_accuracy=start + (end - start) * at + 0.012 * np.sin(4 * number),
            seconds=8.5,
        )
        for number, at in ((k, (k - 1) / max(1, n - 1)) for k in range(1, n + 1))
    )


def variant(name: str, accuracy: float, drop: float, size: int, latency: float, **more: object) -> Variant:
    facts: dict[str, object] = {
        "name": name,
        "file": f"{name}.onnx",
        "accuracy": accuracy,
        "accuracy_drop": Interval(value=drop, low=drop - 0.008, high=drop + 0.009),
        "flips": round(300 * abs(drop)) + 2,
        "size_bytes": size,
        "gzip_bytes": int(size * 0.9),
        "latency_ms": latency,
        "latency_spread_ms": 0.04,
        "within_budget": drop <= 0.01,
        "note": "",
    }
    return Variant(**(facts | more))


def fp32(accuracy: float, size: int = 9_412_000, latency: float = 6.93) -> Variant:
    exact = Interval(value=0.0, low=0.0, high=0.0)
    return variant("fp32", accuracy, 0.0, size, latency, accuracy_drop=exact, flips=0)
