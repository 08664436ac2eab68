"""The gate: a bundle is used as its user would use it, and judged before anything is published (decision 9).

Three answers to the same held-out files are compared: the trained network's in Keras on the packed pixels, the
bundle's model on the packed pixels, and what the bundle's own predict.py says of the original files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from automl.errors import GateRefused
from automl.metrics.bootstrap import paired_difference
from automl.records import Gate

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

TOLERANCE: Final = 1e-3
"""Largest difference of probabilities where two answers should be the same."""
FEW_FILES: Final = 20
"""With fewer the verdict is "unverified"."""
SHUFFLES: Final = 2000
RESAMPLES: Final = 2000
SEED: Final = 1
FRAMEWORKS: Final = frozenset({"keras", "tensorflow", "tf_keras", "jax", "torch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Answers to the same n held-out files, each float32 (n, classes) of probabilities."""

    part: str  # which part's files
    paths: tuple[str, ...]
    labels: IntArray  # (n,)
    trained: FloatArray  # Keras, on the packed pixels
    packed: FloatArray  # the bundle's model, on the packed pixels
    used: FloatArray  # the bundle's predict.py, on the files
    selftest_max_difference: float
    selftest_faults: tuple[str, ...]


def judge(evidence: Evidence, *, variant: str, max_accuracy_drop: float) -> Gate:
    """Let the bundle pass, or say all that speaks against it.

    Args:
        variant: "fp32" must give Keras' probabilities; any other must keep its accuracy within the budget.
        max_accuracy_drop: the budget, a share.
    Raises: GateRefused, with the figures.
    """
    n = len(evidence.labels)
    if n == 0:
        raise GateRefused("the bundle was refused: there is no held-out file to try it on. Add images.")
    right = evidence.used.argmax(axis=1) == evidence.labels
    faults = [f"self-test: {fault}" for fault in evidence.selftest_faults]
    faults += difference(
        evidence, evidence.packed, "predict.py on the original files against the same model on the packed pixels"
    )
    if variant == "fp32":
        faults += difference(evidence, evidence.trained, "predict.py against the trained network")
    else:
        faults += drop(evidence, right, max_accuracy_drop)
    if n >= FEW_FILES:
        faults += chance(evidence, right)
    if faults:
        raise GateRefused(
            f"the bundle was refused on {n} {evidence.part} file(s): {'; '.join(faults)}. Wanted: what predict.py says "
            "is what the trained network says, and better than chance. Nothing was published."
        )
    same, ties, worst = compared(evidence.trained, evidence.used)
    return Gate(
        verdict="passed" if n >= FEW_FILES else "unverified",
        n_files=n,
        part=evidence.part,
        same_class=same,
        ties=ties,
        max_difference=worst,
        accuracy=float(right.mean()),
        selftest_max_difference=evidence.selftest_max_difference,
    )


def compared(expected: FloatArray, found: FloatArray) -> tuple[int, int, float]:
    """How many rows name the same class, how many others are ties, and the largest difference of probabilities.

    A tie: the two classes' expected probabilities lie within the tolerance.
    """
    rows, named = np.arange(len(expected)), found.argmax(axis=1)
    same = named == expected.argmax(axis=1)
    ties = ~same & (expected.max(axis=1) - expected[rows, named] <= TOLERANCE)
    return int(same.sum()), int(ties.sum()), float(np.abs(expected - found).max())


def difference(evidence: Evidence, expected: FloatArray, what: str) -> list[str]:
    """What is wrong where the used answers should be the expected ones."""
    same, ties, worst = compared(expected, evidence.used)
    if same + ties == len(expected) and worst <= TOLERANCE:  # false for NaN as well
        return []
    row = int(np.abs(expected - evidence.used).max(axis=1).argmax())
    return [
        f"{what}: {same} of {len(expected)} classes are the same and {ties} are ties, probabilities differ by up to "
        f"{worst:.3g} ({evidence.paths[row]!r}), allowed are {TOLERANCE:g}"
    ]


def drop(evidence: Evidence, right: npt.NDArray[np.bool_], max_accuracy_drop: float) -> list[str]:
    """A compressed variant's loss of accuracy against the trained network, where it is surely beyond the budget."""
    trained = evidence.trained.argmax(axis=1) == evidence.labels
    lost = paired_difference(trained, right, resamples=RESAMPLES, seed=SEED)
    if lost.low <= max_accuracy_drop:
        return []
    return [
        f"accuracy fell from {trained.mean():.3f} to {right.mean():.3f} "
        f"(95 % interval of the loss: {lost.low:.3f} to {lost.high:.3f}), allowed are {max_accuracy_drop:g}"
    ]


def chance(evidence: Evidence, right: npt.NDArray[np.bool_]) -> list[str]:
    """A model whose answers have nothing to do with the labels, however well all the answers agree.

    A permutation test: its accuracy must beat that of the same answers against shuffled labels in 97.5 of 100
    shuffles. Unlike the largest class's share, this refuses neither a good model of unbalanced classes nor lets a
    collapsed one pass. Source: Ojala and Garriga 2010, J. Mach. Learn. Res. 11:1833, test 1.
    """
    rng = np.random.default_rng(SEED)
    if len(np.unique(evidence.labels)) == 1:  # nothing to shuffle
        return []
    shuffled = rng.permuted(np.tile(evidence.labels, (SHUFFLES, 1)), axis=1)
    bound = float(np.percentile((shuffled == evidence.used.argmax(axis=1)).mean(axis=1), 97.5))
    if right.mean() > bound:
        return []
    return [
        f"accuracy {right.mean():.3f} is chance level: the same answers reach {bound:.3f} with shuffled labels "
        "(look at the labels first; else give it more images a class, or more epochs by train.epochs and a longer "
        "train.minutes)"
    ]


def use_bundle(arguments: Mapping[str, Any]) -> dict[str, object]:
    """The user's side, in a fresh process: the bundle's own predict.py on original files, and its self-test.

    Args:
        arguments: bundle (folder), files (paths, in order), probabilities (a .npy file to write, float32 (n, classes)).
    Returns: {"max_difference", "faults"} of the self-test.
    Raises: GateRefused: a framework is loaded in this process, or a file cannot be read any more.
    """
    own = load_own_code(Path(arguments["bundle"]))
    predictor = own.Predictor(Path(arguments["bundle"]))
    try:
        probabilities = predictor.probabilities([Path(file) for file in arguments["files"]])
    except own.ImageFault as fault:
        raise GateRefused(
            f"the gate could not read a file that check had read: {fault}. Wanted: the dataset as it was. Put it back."
        ) from fault
    np.save(arguments["probabilities"], probabilities)
    tested = own.selftest(predictor)
    if loaded := FRAMEWORKS & {name.partition(".")[0] for name in sys.modules}:
        raise GateRefused(f"{', '.join(sorted(loaded))} is loaded where a bundle is used. Wanted: onnxruntime alone.")
    return {"max_difference": tested.max_difference, "faults": list(tested.faults)}


def load_own_code(bundle: Path) -> ModuleType:
    """The bundle's predict.py, with the resize.py beside it, as a module of this process."""
    spec = spec_from_file_location("predict", bundle / "predict.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.dont_write_bytecode = True  # a cache would end up among the bundle's files
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module
