"""Can `automl run` work on this machine? Each question has one answer, in words."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import psutil

from automl.errors import AutomlError
from automl.runs.resources import MEMORY_MB, MODELS_MB
from automl.runtime.children import Children

PACKAGES: Final = (
    "tensorflow",
    "keras",
    "keras-tuner",
    "onnx",
    "onnxruntime",
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
    "pydantic",
    "click",
    "rich",
)
PATIENCE_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question, answered."""

    question: str
    answer: str
    ok: bool


def examine(weights: Path | None, runs: Path) -> list[Answer]:
    """Ask everything; an answer that is not ok means that `run` could not work."""
    answers = [_python(), *map(_package, PACKAGES), *_room(runs), _memory()]
    return answers + _keras(weights)


def _python() -> Answer:
    return Answer(question="Python", answer=platform.python_version(), ok=sys.version_info >= (3, 11))


def _package(name: str) -> Answer:
    try:
        return Answer(question=name, answer=metadata.version(name), ok=True)
    except metadata.PackageNotFoundError:
        return Answer(question=name, answer="not installed; `make setup` installs the pinned set", ok=False)


def _room(runs: Path) -> list[Answer]:
    folder = runs.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e6
    answers = [Answer(question="free disk", answer=f"{free / 1000:,.1f} GB at {folder}", ok=free >= MODELS_MB)]
    try:
        with tempfile.TemporaryFile(dir=folder):
            answers.append(Answer(question="writable", answer=str(folder), ok=True))
    except OSError as error:
        answers.append(Answer(question="writable", answer=f"{folder}: {error.strerror}", ok=False))
    return answers


def _memory() -> Answer:
    free = psutil.virtual_memory().available / 1e6
    return Answer(question="free memory", answer=f"{free / 1000:,.1f} GB", ok=free >= MEMORY_MB)


def _keras(weights: Path | None) -> list[Answer]:
    """What only a Keras process knows: backend, devices, precision, weights."""
    if importlib.util.find_spec("keras") is None:
        return []
    with tempfile.TemporaryDirectory(prefix="automl-doctor-") as scratch:
        log = Path(scratch) / "log.txt"
        try:
            with Children(log, lambda _: None) as children:
                arguments = {"weights": None if weights is None else str(weights.absolute())}
                told = children.run(
                    "keras", "automl.stages.examine:examine_keras", arguments, log=log, limit_s=PATIENCE_S
                )
        except AutomlError as error:
            return [Answer(question="backend", answer=str(error), ok=False)]
    answers = told["answers"]
    assert isinstance(answers, list)
    return [Answer(**answer) for answer in answers]
