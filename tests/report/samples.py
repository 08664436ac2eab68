"""Whole sets of records as a run would leave them, made by hand: the usual case, and the ones at the edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from automl.records import (
    Checked,
    Compressed,
    Evaluated,
    Exported,
    Gate,
    Mistake,
    Packed,
    Parted,
    Picked,
    Trained,
    Tuned,
)
from automl.report.facts import Facts, Setting, Surroundings
from automl.report.pictures import Pixels, data_address, samples
from automl.types import (
    BackboneScore,
    ClassScore,
    Epoch,
    Finding,
    FitSettings,
    Interval,
    Network,
    Part,
    Rejected,
    Scores,
    Suspect,
    Trial,
    Variant,
    WeightsFound,
)

FLOWERS: Final = ("daisy", "dandelion", "foxglove", "iris", "rose", "sunflower", "tulip")
HOSTILE: Final = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'single'",
    "$\\frac{1}{0}$ {{ 7*7 }} {% raw %}",
    "long " + "name" * 50,
    "ورد أحمر",
    "turned \u202eevil",
    "👩‍🌾 花 🌻",
    "control \x00\x1b[31m \udcff",
    "-->]]></style>",
    " ",
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
        validation_accuracy=accuracy + 0.01,
        validation_loss=1.2 - accuracy,
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


def usual(classes: tuple[str, ...] = FLOWERS, per_class: int = 40, wrong: int = 5, size_px: int = SIZE_PX) -> Facts:
    """A fine run on pictures of flowers, with a few rejected files and one conflicting label."""
    n_classes = len(classes)
    counts = {label: per_class * 5 + 37 * (index % 4) for index, label in enumerate(classes)}
    per_part: dict[str, dict[Part, int]] = {
        label: {"train": n - 2 * per_class, "validation": per_class, "test": per_class} for label, n in counts.items()
    }
    test = scores(confusion_of(n_classes, per_class, wrong), classes, 0.241)
    float_test = scores(confusion_of(n_classes, per_class, wrong, seed=4), classes, 0.233)
    validation = scores(confusion_of(n_classes, per_class, wrong, seed=5), classes, 0.228)
    ranking = (
        backbone("efficientnetv2b0", 0.893, 490, 5.92, 58.0),
        backbone("mobilenetv2", 0.853, 490, 2.26, 131.0),
        backbone("mobilenetv3small", 0.841, 490, 0.94, 302.0),
    )
    settings = FitSettings(
        learning_rate=3.1e-4,
        weight_decay=1e-4,
        dropout=0.2,
        augmentation=0.5,
        flip=True,
        unfrozen=0.5,
        batchnorm="frozen",
        epochs=20,
        batch_size=32,
        warmup=0.1,
        label_smoothing=0.0,
        patience=6,
    )
    trials = tuple(
        Trial(
            number=number,
            values={
                "learning_rate": rate,
                "weight_decay": 1e-4,
                "dropout": 0.2,
                "augmentation": 0.5,
                "unfrozen": share,
            },
            state=state,
            accuracy=accuracy,
            loss=None if accuracy is None else 1.4 - accuracy,
            seconds=seconds,
            epochs=epochs_of(4, 0.85, accuracy or 0.86),
            error="" if accuracy else "killed by signal 9 in /somewhere/private/tune",
        )
        for number, (rate, share, state, accuracy, seconds) in enumerate(
            (
                (3e-4, 0.5, "finished", 0.914, 64.0),
                (1.1e-3, 1.0, "finished", 0.886, 102.0),
                (2.2e-4, 0.3, "finished", 0.907, 48.0),
                (2.9e-3, 1.0, "failed", None, 12.0),
                (3.1e-4, 0.5, "finished", 0.925, 66.0),
                (5e-4, 0.5, "cut short", 0.918, 40.0),
            ),
            1,
        )
    )
    wrong_cells = [
        (truth, said) for truth, row in enumerate(test.confusion) for said, n in enumerate(row) if n and truth != said
    ]
    mistakes = tuple(
        Mistake(
            path=f"{classes[truth]}/IMG_{2031 + 7 * row}.jpg",
            row=row,
            truth=classes[truth],
            predicted=classes[said],
            probability=0.991 - 0.021 * row,
        )
        for row, (truth, said) in enumerate(wrong_cells[:24])
    )
    pixels = np.stack([picture(number, size_px) for number in range(8 * min(n_classes, 12))])
    suspects = suspects_among(classes)
    return Facts(
        name="flowers-quick",
        task="classification",
        description="",
        made=Surroundings(
            created="2026-11-21T09:43:00+00:00",
            dataset="flowers",
            recipe="quick",
            seed=1,
            settings=(
                Setting(key="tune.trials", value="6", default="8"),
                Setting(key="train.epochs", value="12", default="20"),
            ),
            max_accuracy_drop=0.01,
            versions={
                "automl": "0.1.0",
                "python": "3.11.2",
                "tensorflow": "2.21.0",
                "keras": "3.15.1",
                "onnxruntime": "1.31.1",
            },
            hardware={"processor": "AMD EPYC 7B13, AVX2", "cores": "2", "memory": "24.9 GB"},
            stage_seconds={
                "check": 8.2,
                "split": 0.6,
                "pack": 0.9,
                "pick": 41.0,
                "tune": 332.0,
                "train": 121.0,
                "compress": 34.0,
                "evaluate": 3.1,
                "export": 22.0,
            },
            warnings=("trial 4 failed: killed by signal 9; its log is trial-4.log",),
        ),
        checked=Checked(
            layout="folder per class",
            root="/home/ada/flowers",
            classes=classes,
            n_images=sum(counts.values()),
            n_rejected=3,
            per_class=counts,
            sizes_px=(size_px,),
            shorter_side_px=(112, 375, 1_024),
            modes={"RGB": sum(counts.values()) - 4, "CMYK": 4},
            formats={"JPEG": sum(counts.values()) - 9, "PNG": 9},
            findings=(
                Finding(
                    kind="exact duplicates",
                    severity="note",
                    text="2 image(s) are there more than once, "
                    "4 files in all; where the parts are cut here, copies stay in one part.",
                    count=2,
                    advice="Remove the copies: an image that counts twice teaches nothing new.",
                    paths=("iris/1.jpg", "iris/2.jpg"),
                ),
                Finding(
                    kind="conflicting labels",
                    severity="warn",
                    text="1 image(s) lie in more than one class with the "
                    "same bytes, 'rose/9.jpg' for one in 'rose' and 'tulip'; all 2 files are left out of every part.",
                    count=1,
                    paths=("rose/9.jpg", "tulip/4.jpg"),
                ),
            ),
            dataset_fingerprint="3fa9" * 16,
            images_s=212.0,
        ),
        rejected=(
            Rejected(
                path="rose/half.jpg", label="rose", reason="truncated", detail="image file is truncated (43 bytes)"
            ),
            Rejected(path="iris/notes.jpg", label="iris", reason="not an image", detail="no known signature"),
            Rejected(path="iris/empty.jpg", label="iris", reason="empty file", detail=""),
        ),
        parted=Parted(
            per_part={part: sum(row[part] for row in per_part.values()) for part in ("train", "validation", "test")},
            per_class=per_part,
            given=(),
            left_out=2,
            findings=(),
        ),
        packed=Packed(sizes_px=(size_px,), per_part={}, map_bytes=1, mean=(117.2, 106.9, 78.1), std=(68.0, 61.5, 66.2)),
        picked=Picked(
            ranking=ranking,
            chosen="efficientnetv2b0",
            reason="efficientnetv2b0 is 4.0 points ahead of mobilenetv2, more than the noise.",
            network=Network(backbone="efficientnetv2b0", size_px=size_px, classes=classes),
            weights=ranking[0].weights,
            start="first/model.weights.h5",
            flip_is_safe=True,
            flip_accuracy=0.9,
            warnings=(),
            findings=(
                Finding(
                    kind="likely label errors",
                    severity="note",
                    text=f"9 of 700 labels are doubtful: {suspects[0].path!r} is labelled {suspects[0].label!r} and "
                    f"looks like {suspects[0].other!r}, for one; all were used as they are labelled.",
                    count=9,
                    advice="Look at them, and correct the labels that are wrong.",
                    paths=tuple(suspect.path for suspect in suspects[:9]),
                ),
            ),
        ),
        tuned=Tuned(
            trials=trials,
            best=5,
            settings=settings,
            oracle="random",
            reason="trial 5 of 6 did best on validation; the trials were used up",
        ),
        trained=Trained(
            network=Network(backbone="efficientnetv2b0", size_px=size_px, classes=classes, dropout=0.2),
            weights="model.weights.h5",
            winner="trained",
            reason="the trained network is 2.9 points ahead of the probe",
            probe_accuracy=0.9,
            probe_loss=0.39,
            trained_accuracy=0.929,
            trained_loss=0.31,
            validation_accuracy=interval(0.929, validation.n),
            settings=settings,
            epochs=epochs_of(12, 0.87, 0.929),
        ),
        compressed=Compressed(
            variants=(
                fp32(0.929, 23_700_000, 16.4),
                variant("int8_minmax", 0.914, 0.0143, 6_610_000, 7.31),
                variant("int8_percentile", 0.925, 0.0036, 6_612_000, 7.28),
            ),
            chosen="int8_percentile",
            reason="int8_percentile is 2.25 times as fast as fp32 and loses 0.4 points, within the budget of 1.0.",
            noise_ms=0.06,
            cpu="AMD EPYC 7B13, AVX2",
            writer_max_difference=3.1e-6,
        ),
        evaluated=Evaluated(
            scores={"fp32": float_test, "int8_percentile": test},
            chosen="int8_percentile",
            validation=validation,
            mistakes=mistakes,
            read_at="2026-11-21T09:52:11+00:00",
        ),
        exported=Exported(
            gate=Gate(
                verdict="passed",
                n_files=100,
                part="test",
                same_class=98,
                ties=2,
                max_difference=7.1e-2,
                accuracy=0.93,
                selftest_max_difference=1.2e-6,
            ),
            files=(
                "MODEL_CARD.md",
                "bundle.json",
                "golden/1.png",
                "labels.txt",
                "model.onnx",
                "predict.py",
                "resize.py",
            ),
            size_bytes=6_700_000,
        ),
        samples=samples(pixels, np.arange(len(pixels)), np.arange(len(pixels)) // 8, classes),
        mistake_pictures={mistake.row: data_address(picture(mistake.row, size_px)) for mistake in mistakes},
        suspects=suspects,
        n_suspects=29,
        suspect_pictures={
            path: data_address(picture(300 + number, size_px))
            for number, path in enumerate(path for one in suspects for path in (one.path, one.other) if "/" in path)
        },
    )


def suspects_among(classes: tuple[str, ...]) -> tuple[Suspect, ...]:
    """Nine label errors, two pairs of near duplicates and two outliers."""
    one, two = classes[0], classes[1]
    errors = tuple(
        Suspect(path=f"{one}/IMG_{40 + at}.jpg", label=one, kind="label error", score=0.99 - 0.03 * at, other=two)
        for at in range(9)
    )
    twins = tuple(
        Suspect(
            path=f"{two}/a{at}.jpg", label=two, kind="near duplicate", score=0.98 - 0.06 * at, other=f"{two}/b{at}.jpg"
        )
        for at in range(2)
    )
    outliers = tuple(
        Suspect(path=f"{two}/far{at}.jpg", label=two, kind="outlier", score=0.47, other="") for at in range(2)
    )
    return (*errors, *twins, *outliers)


def digits() -> Facts:
    """Small grey pictures, a net from random weights, nothing wrong with the data."""
    facts = usual(tuple("0123456789"), per_class=36, wrong=1, size_px=32)
    found = backbone("smallnet", 0.955, 1_078, 0.31, 2_200.0, source="random")
    return replace(
        facts,
        name="demo",
        checked=replace(facts.checked, findings=(), n_rejected=0, modes={"L": 1_797}, formats={"PNG": 1_797}),
        rejected=(),
        parted=replace(facts.parted, left_out=0),
        picked=replace(
            facts.picked,
            ranking=(found,),
            chosen="smallnet",
            weights=found.weights,
            start="first/model.weights.h5",
            flip_is_safe=False,
            flip_accuracy=0.41,
            reason="the only backbone of the recipe",
            findings=(),
        ),
        suspects=(),
        made=replace(facts.made, warnings=(), recipe="demo", dataset="digits"),
    )


def two_classes() -> Facts:
    return usual(("cat", "dog"), per_class=60, wrong=9)


def sixty_classes() -> Facts:
    return usual(tuple(f"species {number:02}" for number in range(60)), per_class=12, wrong=4)


def no_trial_finished() -> Facts:
    """The search came to nothing, so did training: the probe went on."""
    facts = usual()
    failed = tuple(
        replace(trial, state="failed", accuracy=None, loss=None, epochs=(), error="out of memory")
        for trial in facts.tuned.trials
    )
    return replace(
        facts,
        tuned=replace(
            facts.tuned, trials=failed, best=None, reason="no trial succeeded, so the settings are the defaults"
        ),
        trained=replace(
            facts.trained,
            epochs=(),
            trained_accuracy=None,
            trained_loss=None,
            winner="probe",
            reason="no time was left to train",
        ),
    )


def only_fp32() -> Facts:
    facts = usual()
    broken = variant(
        "int8_minmax", 0.0, 0.0, 0, 0.0, file="", within_budget=False, note="quantisation failed: no ranges"
    )
    return replace(
        facts,
        compressed=replace(
            facts.compressed, variants=(fp32(0.929), broken), chosen="fp32", reason="nothing else was built"
        ),
        evaluated=replace(facts.evaluated, scores={"fp32": facts.test}, chosen="fp32"),
    )


def unverified_gate() -> Facts:
    """A tiny dataset: 9 test images, one class never recognised."""
    facts = usual(("ok", "scratch", "dent"), per_class=3, wrong=0)
    confusion = np.array([[3, 0, 0], [0, 3, 0], [2, 1, 0]])
    test = scores(confusion, ("ok", "scratch", "dent"), 0.71)
    gate = replace(facts.exported.gate, verdict="unverified", n_files=9, same_class=9, ties=0, accuracy=6 / 9)
    return replace(
        facts,
        evaluated=replace(
            facts.evaluated,
            scores={"fp32": test, "int8_percentile": test},
            validation=test,
            mistakes=(Mistake(path="dent/3.png", row=0, truth="dent", predicted="scratch", probability=0.61),),
        ),
        exported=replace(facts.exported, gate=gate),
    )


def no_mistakes() -> Facts:
    facts = usual(wrong=0)
    return replace(facts, samples=(), mistake_pictures={})


def hostile_names() -> Facts:
    """Names made to break the page, in every place that takes one."""
    facts = usual(HOSTILE, per_class=20, wrong=6)
    evil = HOSTILE[0]
    long = HOSTILE[3] * 3
    return replace(
        facts,
        description=evil,
        made=replace(
            facts.made,
            dataset=evil,
            warnings=(long, evil),
            settings=(Setting(key="check.drop_classes", value=long, default="[]"),),
        ),
        checked=replace(
            facts.checked,
            findings=(Finding(kind=evil, severity="warn", text=long, count=1, advice=evil, paths=(long, evil)),),
        ),
        rejected=(
            Rejected(path=long, label=evil, reason="truncated", detail=evil),
            Rejected(path="\udcff/" + evil, label=evil, reason="not an image", detail=long),
        ),
    )


CASES: Final[dict[str, Callable[[], Facts]]] = {
    case.__name__: case
    for case in (
        usual,
        digits,
        two_classes,
        sixty_classes,
        no_trial_finished,
        only_fp32,
        unverified_gate,
        no_mistakes,
        hostile_names,
    )
}
