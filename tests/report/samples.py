"""A whole set of records as a run would leave them, made by hand: the usual case."""

from __future__ import annotations

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
from automl.report.pictures import data_address, samples
from automl.types import (
    Finding,
    FitSettings,
    Network,
    Part,
    Rejected,
    Shortlisted,
    Suspect,
    Trial,
)
from tests.report.pieces import (
    SIZE_PX,
    against,
    backbone,
    baselines,
    confusion_of,
    epochs_of,
    fp32,
    interval,
    learning_curve,
    picture,
    scores,
    variant,
)

FLOWERS: Final = ("daisy", "dandelion", "foxglove", "iris", "rose", "sunflower", "tulip")


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
            probe_accuracy=0.9,
            probe_loss=0.31,
            shortlist=(
                Shortlisted(backbone="efficientnetv2b0", reason="the first choice of the ranking"),
                Shortlisted(backbone="mobilenetv2", reason="the second most accurate probe, 85.3% out of fold"),
            ),
            size_reason="mobilenetv2's probe gains +1.3 points at 160 px over 128 px (95 % interval -0.2 to +2.9): the "
            "images are seen at 160 px",
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
            baselines=baselines(validation.n),
            learning_curve=learning_curve(validation.n),
            more_data="from 329 to 657 training images the probe gained +4.1 points (95 % interval +1.0 to +7.2): more "
            "images should help, twice as many by about 2.6 points, if it goes on so",
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
            against=against(baselines(test.n), test.accuracy.value),
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
