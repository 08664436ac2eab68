"""export: the bundle is assembled inside the run, used as its user would use it, kept only if it passes its gate."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from automl.bundle.facts import BundleFacts
from automl.bundle.gate import Evidence, judge
from automl.bundle.write import write_bundle, write_words
from automl.data.images import read_images
from automl.data.pack import read_index
from automl.data.store import open_pixels, store_name
from automl.errors import StageFailed
from automl.graph.session import open_session, predict
from automl.nets.build import load_network
from automl.nets.own.rows import row_named
from automl.records import Checked, Compressed, Evaluated, Exported, Parted, Picked, Trained
from automl.runs.atomic import TEMPORARY, sync_folder
from automl.runtime.context import StageContext

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

BATCH: Final = 32
USER_LIMIT_S: Final = 1800
"""The gate's user reads some hundred files: a process that is not done by then hangs."""
PACKAGES: Final = ("automl", "keras", "onnx", "onnxruntime", "numpy", "pillow")


def run(ctx: StageContext) -> Exported:
    """Build the bundle under a temporary name, gate it, and give it its name.

    Reads: the records before it; train's weights; compress' chosen file; validation rows of the store; and, in a
    process of its own, validation files of the dataset. Writes: export/bundle/ without report and checksums.
    Raises: GateRefused; nothing is left under the final name then.
    """
    compressed = ctx.record(Compressed)
    chosen = next(variant for variant in compressed.variants if variant.name == compressed.chosen)
    model = ctx.input("compress", chosen.file)
    candidate = ctx.output(f"{TEMPORARY}bundle")
    shutil.rmtree(candidate, ignore_errors=True)
    facts = gather(ctx, n_features=open_session(model).get_outputs()[1].shape[1])
    ctx.progress(0, 3, "writing the bundle")
    write_bundle(candidate, model=model, facts=facts, seed=ctx.recipe.seed)
    gate = judge(
        gather_evidence(ctx, candidate),
        variant=compressed.chosen,
        max_accuracy_drop=ctx.recipe.compress.max_accuracy_drop,
    )
    if gate.verdict == "unverified":
        ctx.warn(f"the bundle is unverified: {gate.n_files} held-out file(s) are too few to judge it by")
    write_words(candidate, replace(facts, gate=gate))
    bundle = ctx.output("bundle")
    shutil.rmtree(bundle, ignore_errors=True)
    candidate.rename(bundle)
    sync_folder(bundle.parent)
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    return Exported(
        gate=gate,
        files=tuple(path.relative_to(bundle).as_posix() for path in files),
        size_bytes=sum(path.stat().st_size for path in files),
    )


def gather(ctx: StageContext, *, n_features: int) -> BundleFacts:
    """What the records say, as the bundle says it."""
    checked, picked, trained = ctx.record(Checked), ctx.record(Picked), ctx.record(Trained)
    compressed, evaluated = ctx.record(Compressed), ctx.record(Evaluated)
    return BundleFacts(
        name=ctx.folder.name,
        created=datetime.fromtimestamp(ctx.now(), UTC).isoformat("T", "seconds"),
        versions={name: version(name) for name in PACKAGES},
        task=ctx.recipe.task,
        classes=trained.network.classes,
        size_px=trained.network.size_px,
        n_features=n_features,
        max_megapixels=ctx.recipe.check.max_megapixels,
        test=evaluated.scores[evaluated.chosen],
        test_fp32=evaluated.scores["fp32"],
        validation=evaluated.validation,
        variants=compressed.variants,
        chosen=compressed.chosen,
        backbone=trained.network.backbone,
        weights=picked.weights,
        weights_licence=picked.weights.licence or row_named(picked.chosen, ctx.folder.backbones).licence,
        dataset_fingerprint=checked.dataset_fingerprint,
        images=ctx.record(Parted).per_class,
        weighting=ctx.record(Parted).weighting,
        rejected=checked.n_rejected,
        description=ctx.recipe.export.description,
    )


def gather_evidence(ctx: StageContext, bundle: Path) -> Evidence:
    """The three answers to the same validation files: Keras, the bundle's model, and the bundle's user."""
    checked, trained = ctx.record(Checked), ctx.record(Trained)
    network = trained.network
    rows, labels = read_index(ctx.folder.stage("pack"), "validation")
    taken = some_of(len(rows), ctx.recipe.export.gate_files, seed=ctx.recipe.seed)
    rows, labels = rows[taken], labels[taken]
    pixels = open_pixels(ctx.input("check", store_name(network.size_px)))[rows]
    path_of = {image.row: image.path for image in read_images(ctx.input("check", "images.csv"))}
    paths = tuple(path_of[int(row)] for row in rows)
    ctx.progress(1, 3, "asking the trained network")
    model = load_network(network, ctx.input("train", trained.weights), ctx.recipe.task, ctx.folder.backbones)
    from_keras = model.predict(pixels, batch_size=BATCH, verbose=0)[0]
    from_file, _ = predict(open_session(bundle / "model.onnx"), pixels)
    ctx.progress(2, 3, f"using the bundle on {len(paths)} files")
    used, tested = ask_user(ctx, bundle, [Path(checked.root) / path for path in paths])
    return Evidence(
        part="validation",
        paths=paths,
        labels=labels,
        trained=from_keras,
        packed=from_file,
        used=used,
        selftest_max_difference=tested[0],
        selftest_faults=tested[1],
    )


def ask_user(ctx: StageContext, bundle: Path, files: list[Path]) -> tuple[FloatArray, tuple[float, tuple[str, ...]]]:
    """The bundle's own predict.py in a fresh process: probabilities (n, classes), and its self-test."""
    target = ctx.output(f"{TEMPORARY}used.npy")
    arguments = {"bundle": str(bundle), "files": [str(file) for file in files], "probabilities": str(target)}
    ended = ctx.run_child("plain", "automl.bundle.gate:use_bundle", arguments, log="gate.log", limit_s=USER_LIMIT_S)
    if not ended.ok:
        why = f"it was not done after {USER_LIMIT_S} s" if ended.timed_out else ended.error
        raise StageFailed(
            f"the bundle could not be used as its user would use it: {why} Wanted: predict.py's answer to "
            f"{len(files)} files in a fresh process. See {ctx.output('gate.log')}."
        )
    used = np.load(target)
    target.unlink()
    faults = ended.result["faults"]
    worst = ended.result["max_difference"]
    assert isinstance(faults, list)
    assert isinstance(worst, float)
    return used, (worst, tuple(faults))


def some_of(n: int, wanted: int, *, seed: int) -> IntArray:
    """Indices of `wanted` of n things, all where there are fewer; ascending, drawn by the seed."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:wanted])
