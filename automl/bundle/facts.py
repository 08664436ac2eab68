"""What a bundle says of itself: the facts behind bundle.json and the model card, and bundle.json's schema."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any, Final

from automl.bundle.predict import SCHEMA
from automl.records import Gate
from automl.types import Part, Scores, Variant, Weighting, WeightsFound

RESIZE: Final = {
    "code": "resize.py",
    "fit": "the whole picture squashed to the square",
    "filter": "bicubic, antialiased",
    "orientation": "by EXIF",
    "transparency": "on white",
}
"""In words, for those who write their own preprocessing; the golden pictures show whether it is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """Everything that is said of a bundle."""

    name: str
    created: str  # ISO time
    versions: dict[str, str]  # of the packages it was made with
    task: str
    classes: tuple[str, ...]  # in the order of the outputs
    size_px: int
    n_features: int
    max_megapixels: float  # larger pictures are refused
    test: Scores  # of the chosen variant
    test_fp32: Scores
    validation: Scores  # of the chosen variant
    variants: tuple[Variant, ...]
    chosen: str
    backbone: str
    weights: WeightsFound
    weights_licence: str
    dataset_fingerprint: str
    images: dict[str, dict[Part, int]]  # class -> part -> how many
    rejected: int  # files that could not be read
    description: str  # the owner's words
    gate: Gate | None = field(default=None)  # None: not yet judged
    weighting: Weighting | None = None  # of the training images; None: they count alike


def bundle_json(facts: BundleFacts) -> dict[str, Any]:
    """bundle.json's content: JSON values, no path of the machine it was made on."""
    return {
        "schema": SCHEMA,
        "name": facts.name,
        "created": facts.created,
        "versions": facts.versions,
        "task": facts.task,
        "description": facts.description,
        "classes": list(facts.classes),
        "input": {
            "name": "image",
            "size_px": facts.size_px,
            "layout": "NHWC",
            "dtype": "uint8",
            "colour": "RGB",
            "max_megapixels": facts.max_megapixels,
        },
        "outputs": [
            {"name": "probabilities", "dtype": "float32", "shape": ["batch", len(facts.classes)]},
            {"name": "features", "dtype": "float32", "shape": ["batch", facts.n_features]},
        ],
        "resize": RESIZE,
        "metrics": {
            "test": _scores(facts.test),
            "test_fp32": _scores(facts.test_fp32),
            "validation": _scores(facts.validation),
        },
        "variants": [_variant(variant) for variant in facts.variants],
        "chosen": facts.chosen,
        "backbone": facts.backbone,
        "weights": {
            "source": facts.weights.source,
            "file": facts.backbone if facts.weights.source == "own" else PurePath(facts.weights.path).name,
            "sha256": facts.weights.sha256,
            "licence": facts.weights_licence,
        },
        "dataset_fingerprint": facts.dataset_fingerprint,
        "gate": None if facts.gate is None else asdict(facts.gate),
    }


def _scores(scores: Scores) -> dict[str, Any]:
    """All but the confusion counts, which the report shows."""
    return {key: value for key, value in asdict(scores).items() if key != "confusion"}


def _variant(variant: Variant) -> dict[str, Any]:
    """All but the file's name in the run."""
    return {key: value for key, value in asdict(variant).items() if key != "file"}
