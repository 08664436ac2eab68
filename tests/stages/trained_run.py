"""A run of the bars dataset as the stages up to compress leave it: real pixels, a real small network, a real file."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

from automl.bundle.resize import decode
from automl.data.images import write_images
from automl.data.pack import write_index
from automl.graph.writer import write_onnx
from automl.nets.baselines import colours
from automl.nets.build import build_network, save_weights
from automl.nets.head import set_head
from automl.nets.probe import fit_probe
from automl.records import Checked, Compressed, Packed, Parted, Picked, Trained
from automl.runs.folder import RunFolder
from automl.runtime.context import ChildEnded
from automl.types import BackboneScore, FitSettings, Image, Interval, Network, Variant, WeightsFound
from tests.conftest import QuietFront
from tests.stores import write_store

SIZE_PX = 16
CLASSES = ("across", "down", "slant")
SETTINGS = FitSettings(
    learning_rate=1e-3, weight_decay=1e-4, dropout=0.0, augmentation=0.0, flip=False, unfrozen=0.0,
    batchnorm="frozen", epochs=1,
    batch_size=32, warmup=0.1, label_smoothing=0.0, patience=3,
)  # fmt: skip
WEIGHTS = WeightsFound(backbone="smallnet", source="random", path="", sha256="")
ONE = Interval(value=1, low=0.9, high=1)
SCORE = BackboneScore(
    backbone="smallnet", weights=WEIGHTS, params_m=0.3, size_px=SIZE_PX, n_features=192, images_s=500.0,
    knn_accuracy=0.9, probe_accuracy=ONE, probe_c=0.003, n_images=100, seconds=2.0, top1=None,
)  # fmt: skip
# Keras 3.15 copies variables in the way of numpy 1; numpy 2 warns.


@dataclass
class RealChildFront(QuietFront):
    """Runs plain children in processes of their own, as the real front does; Keras is loaded in this one."""

    def run_child(
        self, kind: str, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        assert kind == "plain"
        program = (
            "import json, sys\nfrom automl.code import load_entry\n"
            "print(json.dumps(load_entry(sys.argv[1])(json.loads(sys.argv[2]))))"
        )
        command = [sys.executable, "-c", program, entry, json.dumps(arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
        log.write_text(done.stderr)
        ok = done.returncode == 0
        error = "" if ok else done.stderr.strip().splitlines()[-1]
        result = json.loads(done.stdout) if ok else {}
        return ChildEnded(ok=ok, result=result, error=error, exit_code=done.returncode, timed_out=False, seconds=0.0)


def lay_run(folder: RunFolder, dataset: Path, *, n_validation: int = 24, learned: bool = True) -> None:
    """Write the files and records of check, split, pack, pick, train and compress.

    Every third image is of the same class; validation takes the first n, test the next 18, train the rest.
    """
    images, pixels = read_dataset(dataset)
    check = folder.stage("check")
    check.mkdir(parents=True)
    write_images(check / "images.csv", images)
    write_store(check, pixels)
    labels = np.array([CLASSES.index(image.label) for image in images])
    cuts = {"validation": (0, n_validation), "test": (n_validation, n_validation + 18)}
    cuts["train"] = (n_validation + 18, len(images))
    for part, (start, stop) in cuts.items():
        write_index(folder.stage("pack"), part, np.arange(start, stop), labels[start:stop])
    network = Network(backbone="smallnet", size_px=SIZE_PX, classes=CLASSES)
    weights, onnx = network_files(network, pixels.tobytes(), (labels if learned else 0 * labels).tobytes())
    for stage, name, data in (("train", "model.weights.h5", weights), ("compress", "fp32.onnx", onnx)):
        folder.stage(stage).mkdir()
        (folder.stage(stage) / name).write_bytes(data)
    per_part = {part: stop - start for part, (start, stop) in cuts.items()}
    per_class = {name: {part: n // 3 for part, n in per_part.items()} for name in CLASSES}
    write_records(folder, network, dataset, len(images), per_part, per_class)
    write_probes(folder, pixels, labels, cuts["train"])


def write_probes(folder: RunFolder, pixels: np.ndarray, labels: np.ndarray, train: tuple[int, int]) -> None:
    """pick's features (the colours stand for them), and the probes that the baselines need."""
    features = colours(pixels, np.arange(len(pixels)))
    pick = folder.stage("pick")
    (pick / "chosen").mkdir()
    np.save(pick / "chosen" / "features.npy", features)
    own = slice(*train)
    probe = fit_probe(features[own], labels[own], len(CLASSES), folds=3, neighbours=5, seed=1).probe
    for path in (pick / "chosen" / "probe.npz", pick / "baselines.npz"):
        np.savez(path, **asdict(probe))


def read_dataset(dataset: Path) -> tuple[list[Image], np.ndarray]:
    """The images, classes by turns, and their pixels uint8 (n, s, s, 3)."""
    files = sorted(dataset.glob("*/*.png"), key=lambda path: (path.stem, path.parent.name))
    images, pixels = [], []
    for row, path in enumerate(files):
        data = path.read_bytes()
        header, square = decode(data, SIZE_PX)
        pixels.append(square)
        images.append(
            Image(
                path=path.relative_to(dataset).as_posix(), label=path.parent.name, part=None,
                sha256=hashlib.sha256(data).hexdigest(), width_px=header.width_px, height_px=header.height_px,
                mode=header.mode, format=header.format, size_bytes=len(data), row=row,
            )
        )  # fmt: skip
    return images, np.stack(pixels)


@cache
def network_files(network: Network, pixel_bytes: bytes, label_bytes: bytes) -> tuple[bytes, bytes]:
    """Weights file and ONNX file of random features under a head fitted to all images.

    Labels of one class alone give a head that names it always.
    """
    labels = np.frombuffer(label_bytes, dtype=np.int64)
    pixels = np.frombuffer(pixel_bytes, dtype=np.uint8).reshape(len(labels), SIZE_PX, SIZE_PX, 3)
    keras.utils.set_random_seed(3)
    model = build_network(network)
    features = model.predict(pixels, verbose=0)[1].astype(np.float64)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    kernel, bias = np.zeros((features.shape[1], 3)), np.eye(3)[0]
    if len(np.unique(labels)) > 1:
        fit = LogisticRegression(C=0.01, max_iter=1000).fit((features - mean) / scale, labels)
        kernel, bias = fit.coef_.T, fit.intercept_
    set_head(model, mean=mean, scale=scale, kernel=kernel, bias=bias)
    with TemporaryDirectory() as scratch:
        weights, onnx = Path(scratch, "model.weights.h5"), Path(scratch, "fp32.onnx")
        save_weights(model, weights)
        write_onnx(model, onnx, class_names=CLASSES, metadata={})
        return weights.read_bytes(), onnx.read_bytes()


def write_records(
    folder: RunFolder,
    network: Network,
    dataset: Path,
    n_images: int,
    per_part: dict[str, int],
    per_class: dict[str, dict[str, int]],
) -> None:
    """The records of check, split, pack, pick, train and compress."""
    file = folder.stage("compress") / "fp32.onnx"
    variant = Variant(
        name="fp32", file=file.name, accuracy=0.9, accuracy_drop=Interval(value=0, low=0, high=0), flips=0,
        size_bytes=file.stat().st_size, gzip_bytes=1, latency_ms=1.0, latency_spread_ms=0.1, within_budget=True,
        note="",
    )  # fmt: skip
    records = (
        Checked(
            layout="folder per class", root=str(dataset), classes=CLASSES, n_images=n_images, n_rejected=2,
            per_class=dict.fromkeys(CLASSES, n_images // 3), sizes_px=(SIZE_PX,), shorter_side_px=(24, 24, 24),
            modes={"RGB": n_images}, formats={"PNG": n_images}, findings=(), dataset_fingerprint="d" * 64,
            images_s=100.0,
        ),
        Parted(per_part=per_part, per_class=per_class, given=(), left_out=0, findings=()),
        Packed(sizes_px=(SIZE_PX,), per_part=per_part, map_bytes=1, mean=(1, 1, 1), std=(1, 1, 1)),
        Picked(
            ranking=(SCORE,), chosen="smallnet", reason="", network=network, weights=WEIGHTS,
            start="first/model.weights.h5", probe_accuracy=0.9, probe_loss=0.3, flip_is_safe=False,
            flip_accuracy=0.5, warnings=(),
        ),
        Trained(
            network=network, weights="model.weights.h5", winner="probe", reason="", probe_accuracy=0.9, probe_loss=0.3,
            trained_accuracy=None, trained_loss=None, validation_accuracy=ONE, settings=SETTINGS, epochs=(),
        ),
        Compressed(
            variants=(variant,), chosen="fp32", reason="", noise_ms=0.1, cpu="a test", writer_max_difference=1e-6
        ),
    )  # fmt: skip
    for record in records:
        folder.write_record(record)


def choose_variant(folder: RunFolder, name: str, file: Path) -> None:
    """Add a variant to compress' record, with this file, and choose it."""
    compressed = folder.record(Compressed)
    (folder.stage("compress") / f"{name}.onnx").write_bytes(file.read_bytes())
    fp32 = compressed.variants[0]
    changes = {field: getattr(fp32, field) for field in fp32.__dataclass_fields__}
    variant = Variant(**{**changes, "name": name, "file": f"{name}.onnx"})
    changes = {field: getattr(compressed, field) for field in compressed.__dataclass_fields__}
    folder.write_record(Compressed(**{**changes, "variants": (fp32, variant), "chosen": name}))
