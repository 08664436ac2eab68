"""What each stage leaves behind in its record.json: the facts that later stages, the summary and the report read.

Large things lie in files beside the record; a record names them relative to the stage's folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from automl.types import (
    Against,
    BackboneScore,
    BaselineScore,
    CurvePoint,
    Epoch,
    Finding,
    FitSettings,
    Interval,
    Network,
    Part,
    Scores,
    Shortlisted,
    SizeScore,
    Trial,
    Variant,
    Weighting,
    WeightsFound,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """check: what the dataset holds. Files: images.csv, rejected.csv, pixels-SIZE/ (a store a size, data/store.py),

    looks.npy (LOOKS of data/looks.py, by map row), flags.csv (path,label,rule,value: what rules marked or rejected).
    """

    layout: str
    root: str  # absolute path of the folder that every image's path begins at
    classes: tuple[str, ...]  # sorted; the order of every label index from here on
    n_images: int  # readable ones, and so the rows of each store
    n_rejected: int
    per_class: dict[str, int]
    sizes_px: tuple[int, ...]  # edges of the squares, ascending
    shorter_side_px: tuple[int, int, int]  # smallest, median, largest
    modes: dict[str, int]
    formats: dict[str, int]
    findings: tuple[Finding, ...]
    dataset_fingerprint: str  # sha256 over (path, label, sha256 of the bytes) of all readable files
    images_s: float  # decoding speed, images a second
    store: Literal["raw", "files"] = "raw"  # where the pixels lie: packed, or decoded from the files at each reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """split: who learns from what. Files: split.csv (path,label,part,row,fold,group,weight; sorted by path),

    near.csv (first,second,bits,detail,mirrored: pairs of near copies).
    """

    per_part: dict[Part, int]
    per_class: dict[str, dict[Part, int]]
    given: tuple[Part, ...]  # parts that the dataset's own folders fixed
    left_out: int  # readable images in no part: conflicting labels, or copies of what a given part judges by
    findings: tuple[Finding, ...]
    leakage: dict[str, int] = field(
        default_factory=dict
    )  # counted after the cut, by kind ("near copies"); empty: not yet
    weighting: Weighting | None = None  # of the training part; None: its images count alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """pack: arrays that training reads. Files: PART-rows.npy (int64), PART-labels.npy (int64), samples.png;

    train-weights.npy (float32, mean 1) where the training images do not count alike. Those of weight 0 are in no part.
    """

    sizes_px: tuple[int, ...]
    per_part: dict[Part, int]
    map_bytes: int  # of the disk that the pixels take; 0 where they are decoded from the files
    mean: tuple[float, float, float]  # of the training part, 0..255, red green blue
    std: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """pick: the ranking, best first. Files: of each backbone and size that was judged BACKBONE-SIZE/, with

    sample-START-STOP.npz (its features of the training images that it was judged by), probe.npz (mean, scale, kernel,
    bias), out_of_fold.npy, inputs.json (what these were computed from), score.json; of the chosen one chosen/, with
    features.npy (float32, n_images x n_features, by map row), probe.npz, held_out.npy (float32, training images x
    classes, in pack's order: probabilities by fits that had not seen the image); baselines.npz (the colours' probe:
    mean, scale, kernel, bias), suspects.csv, first/model.weights.h5 (the best probe as a whole network),
    first/start.weights.h5 (where the backbone is random: the same backbone, a head that knows the class shares alone).
    """

    ranking: tuple[BackboneScore, ...]
    chosen: str
    reason: str
    network: Network
    start: str  # file that trainings begin with, relative to the stage's folder
    weights: WeightsFound
    probe_accuracy: float  # of the chosen one's probe on validation
    probe_loss: float  # nats, likewise
    flip_is_safe: bool  # mirrored validation images are classified as well as the plain ones
    flip_accuracy: float
    warnings: tuple[str, ...]
    shortlist: tuple[Shortlisted, ...] = ()  # the chosen one first
    left_out: tuple[str, ...] = ()  # in words: which backbones went before the last round, and why
    sizes: tuple[SizeScore, ...] = ()  # that were compared, the smaller first; empty: there was one to see
    size_reason: str = ""  # in a sentence, why the images are seen at that size; "": there was no choice
    findings: tuple[Finding, ...] = ()  # of train and validation; the test images are not looked at
    taken_over: tuple[str, ...] = ()  # BACKBONE-SIZE that an earlier pick of the run had judged
    baselines: tuple[BaselineScore, ...] = ()  # the plainest first; empty: by an earlier version
    learning_curve: tuple[CurvePoint, ...] = ()  # the fewest images first; the last has all
    more_data: str = ""  # in words, whether more images would help; "": too few to say anything of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """tune: the trials, in order. Files: journal.jsonl."""

    trials: tuple[Trial, ...]
    best: int | None  # number of the best trial; None: none finished
    settings: FitSettings
    reason: str
    oracle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """train: the model that goes on. Files: model.weights.h5 of the winner, curve in the record."""

    network: Network
    weights: str  # file, relative to the stage's folder
    winner: str  # "trained" or "probe"
    reason: str
    probe_accuracy: float  # both on validation
    probe_loss: float
    trained_accuracy: float | None  # None: nothing was trained (no time)
    trained_loss: float | None
    validation_accuracy: Interval  # of the winner
    settings: FitSettings
    epochs: tuple[Epoch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """compress: the variants. Files: NAME.onnx for each."""

    variants: tuple[Variant, ...]
    chosen: str
    reason: str
    noise_ms: float  # A/A noise of the timings
    cpu: str
    writer_max_difference: float  # fp32 file against Keras, probabilities, on validation
    sparsity: float | None = None  # share of zeros in the pruned network's kernels; None: there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A test image that the chosen model got wrong, the surest first."""

    path: str
    row: int
    truth: str
    predicted: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """evaluate: the test set, read once. Files: predictions.csv."""

    scores: dict[str, Scores]  # "fp32" and the chosen variant's name
    chosen: str
    validation: Scores  # of the chosen variant
    mistakes: tuple[Mistake, ...]  # at most 24
    read_at: str  # ISO time; the test set was not read before
    against: tuple[Against, ...] = ()  # the chosen variant and each baseline, in their order
    unbeaten: str = ""  # in words, those that it does not beat by more than the interval; "": it beats all


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What the gate saw when it used the bundle as a user would."""

    verdict: str  # "passed", or "unverified": fewer than 20 held-out files
    n_files: int
    part: str  # which part's files
    same_class: int
    ties: int  # differing classes whose two probabilities lie within the tolerance
    max_difference: float  # of probabilities, against Keras on the packed pixels
    accuracy: float  # on the labels of the same files
    selftest_max_difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """export: the bundle, inside the run. Files: bundle/."""

    gate: Gate
    files: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """report: the page, and where the bundle was published. Files: report.html (with pictures)."""

    report: str  # absolute path of the run's own page
    bundle: str  # absolute path of the published bundle
    checksums: dict[str, str] = field(default_factory=dict)  # file in the bundle -> sha256
