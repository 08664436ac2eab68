"""What the report is made of: the run's records, its surroundings, and pictures as data: addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automl.records import Checked, Compressed, Evaluated, Exported, Packed, Parted, Picked, Trained, Tuned
from automl.types import Rejected, Scores, Suspect, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A class and some of its training images."""

    label: str
    pictures: tuple[str, ...]  # data: addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of the recipe that differs from its default, both as text."""

    key: str
    value: str
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where, when and with what the run was made. Nothing here names a folder's path or the machine."""

    created: str  # ISO time; "" where unknown
    dataset: str  # the dataset folder's own name
    recipe: str  # its name
    seed: int
    settings: tuple[Setting, ...]
    max_accuracy_drop: float  # compress.max_accuracy_drop, a fraction
    versions: Mapping[str, str]  # package -> version
    hardware: Mapping[str, str]  # what -> in words
    stage_seconds: Mapping[str, float]  # finished stages, in their order
    warnings: tuple[str, ...]  # what the stages said while they ran; may hold paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the page shows."""

    name: str
    task: str
    description: str
    made: Surroundings
    checked: Checked
    rejected: tuple[Rejected, ...]
    parted: Parted
    packed: Packed
    picked: Picked
    tuned: Tuned
    trained: Trained
    compressed: Compressed
    evaluated: Evaluated
    exported: Exported
    samples: tuple[Sample, ...]
    mistake_pictures: Mapping[int, str]  # row of the map -> data: address
    suspects: tuple[Suspect, ...] = ()  # those that the page shows, of train and validation
    n_suspects: int = 0  # all of them
    suspect_pictures: Mapping[str, str] = field(default_factory=dict)  # path -> data: address

    @property
    def test(self) -> Scores:
        """The chosen variant's scores on the test part."""
        return self.evaluated.scores[self.evaluated.chosen]

    @property
    def variant(self) -> Variant:
        """The chosen variant as it was measured."""
        return next(row for row in self.compressed.variants if row.name == self.compressed.chosen)
