"""Records that rooms exchange: plain frozen dataclasses, standard library only.

What a whole stage leaves behind is in records.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

Part = Literal["train", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")
Severity = Literal["stop", "warn", "note"]  # stop: nothing is trained; warn: it is said aloud; note: it is written down
SEVERITIES: Final[tuple[Severity, ...]] = ("stop", "warn", "note")
N_EXAMPLES: Final = 20  # paths that a finding names at most


class PixelRows(Protocol):
    """Packed pictures, read by row: an array, or a store of data/store.py, wherever its pictures lie."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, size, size, 3)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """uint8 (m, size, size, 3), red green blue, of int64 rows (m,); (size, size, 3) of a single row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about the dataset that its owner should know."""

    kind: str  # short and fixed: "exact duplicates", "conflicting labels", ...
    severity: Severity
    text: str  # one sentence: what was found, and what was done about it
    count: int  # of what the text speaks of: files, pairs or classes
    advice: str = ""  # what the owner can do about it, in a sentence
    paths: tuple[str, ...] = ()  # at most N_EXAMPLES examples


def gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By severity; otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One candidate image as the layout lists it, not yet opened."""

    path: str  # relative to the dataset folder, POSIX separators
    label: str
    part: Part | None  # where the dataset itself put it; None: not given
    size_bytes: int
    mtime_ns: int
    group: str = ""  # images of one group stay in one part; "": none was given
    weight: float = 1.0  # factor of its loss in training; at least 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A dataset folder as found: which layout, which classes, which files."""

    layout: str  # a title of data/layouts.py's table, and what it was read from
    root: str  # absolute path of the folder that the files' paths begin at
    classes: tuple[str, ...]  # sorted
    files: tuple[ListedFile, ...]  # sorted by path
    ignored: dict[str, int]  # why files were passed over -> how many ("hidden file", "suffix .txt", ...)
    ignored_paths: tuple[str, ...] = ()  # at most N_EXAMPLES of those, what may surprise first
    outside: tuple[str, ...] = ()  # top folders of images that have no class's folder; "": the dataset's own folder
    findings: tuple[Finding, ...] = ()  # of the names and the manifest alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One file that was decoded fully."""

    path: str
    label: str
    part: Part | None  # given by the dataset itself
    sha256: str  # of the file's bytes
    width_px: int  # after EXIF orientation
    height_px: int
    mode: str  # Pillow's mode in the file
    format: str  # Pillow's name of the file's format
    size_bytes: int
    row: int  # its row in every store of pixels
    group: str = ""  # as in ListedFile
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One file that check quarantined."""

    path: str
    label: str
    reason: str  # short and fixed: "truncated", "not an image", "too many pixels", ...
    detail: str  # the decoder's own words


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """The weights of the training part's images, as the dataset gives them."""

    n: int  # images with a weight above 0
    zero: int  # images of weight 0, from which nothing is learned
    total: float
    smallest: float  # above 0
    largest: float
    effective: dict[str, float]  # class -> Kish's effective sample size, (sum w)^2 / sum w^2


SuspectKind = Literal["label error", "near duplicate", "outlier"]
SUSPECT_KINDS: Final[tuple[SuspectKind, ...]] = ("label error", "near duplicate", "outlier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One image of train or validation that its features make doubtful."""

    path: str
    label: str
    kind: SuspectKind
    score: float  # label error: 1 - probability of its label; near duplicate: cosine; outlier: distance to the 20th
    other: str  # label error: the class it looks like; near duplicate: its twin's path; outlier: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measured value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """How one class fared."""

    label: str
    n: int  # images of the class
    precision: float  # 0 where the class was never predicted
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A classifier's results on one part."""

    n: int
    accuracy: Interval
    macro_f1: Interval
    log_loss: float  # nats
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]  # [true][predicted], counts


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFound:
    """Where a backbone's weights come from."""

    backbone: str
    source: Literal["folder", "cache", "download", "own", "random"]
    path: str  # "" for random; of a user's own backbone the run's copy
    sha256: str  # "" for random; of a user's own backbone that of the file that the copy was taken from
    licence: str = ""  # of this file, as the weights.yaml beside it says; "": it says none
    topped: bool = False  # the file has ImageNet's top as well, which is thrown away


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a backbone's network takes on this machine in onnxruntime: medians of equal measurements."""

    latency_ms: float  # for one image, 1 thread, fp32
    latency_spread_ms: float  # between the largest and the smallest of the equal measurements: nothing but noise
    memory_mb: float  # that a fresh process gains at most by opening the file and answering one image
    memory_spread_mb: float
    measured: str  # ISO time


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneScore:
    """What pick measured of one backbone."""

    backbone: str
    weights: WeightsFound
    params_m: float  # millions, without the head
    size_px: int
    n_features: int
    images_s: float  # forward pass, images a second on this machine
    knn_accuracy: float  # leave-one-out, on the images that it was judged by
    probe_accuracy: Interval  # out of fold, on as many training images
    probe_c: float | None  # the inverse regularisation that was chosen; None: few images, the probe is a discriminant
    n_images: int  # training images that it was judged by
    seconds: float  # that judging it took
    top1: float | None  # published, of its ImageNet weights with their own head; None: there is no figure
    latency_ms: float | None = None  # as in Footprint; None: the recipe limits neither latency nor memory
    memory_mb: float | None = None
    measured: str = ""  # when these two were: ISO time, before the run where they were remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeScore:
    """One backbone's probe at one of the packed sizes."""

    size_px: int
    backbone: str
    accuracy: Interval  # out of fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortlisted:
    """A backbone that may be the best one after fine-tuning."""

    backbone: str
    reason: str  # a sentence without its full stop


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The chosen backbone's probe, fitted on so many of the training images."""

    images: int
    accuracy: Interval  # on validation
    gain: Interval | None  # paired: over the point before it; None: it is the first


BaselineName = Literal["majority class", "colour thumbnail", "kNN on features", "linear probe"]
ON_FEATURES: Final[frozenset[BaselineName]] = frozenset(("kNN on features", "linear probe"))
"""Baselines that know what the backbone knows; with few test images good models do not beat them for sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineScore:
    """How a plain classifier fares, fitted on the training part."""

    name: BaselineName
    accuracy: Interval  # on validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The chosen model against a baseline, on the same test images."""

    baseline: BaselineName
    accuracy: Interval  # the baseline's, on test
    gain: Interval  # paired: the model's accuracy minus the baseline's


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All that is needed to build a trained network again: our own config, then weights alone."""

    backbone: str  # a name of nets/catalogue.py's table, or of a backbone in the run's folder of the user's own
    size_px: int
    classes: tuple[str, ...]
    dropout: float = 0.0


BatchNorm = Literal["frozen", "trains"]  # running statistics, scale and shift stay as they are, or follow the batches


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """One training's settings; the search proposes rate, decay, dropout, augmentation and the unfrozen share."""

    learning_rate: float
    weight_decay: float
    dropout: float  # 0..1
    augmentation: float  # strength, 0 (none) .. 1
    flip: bool  # mirror left and right at random
    unfrozen: float  # share of the backbone's layers that train, counted from the head; 0: the head alone
    batchnorm: BatchNorm  # what the unfrozen part's BatchNorm layers do
    epochs: int
    batch_size: int
    warmup: float  # share of all steps
    label_smoothing: float
    patience: int  # epochs without a better validation accuracy or loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch as it ended."""

    number: int  # from 1
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One finished (or failed) trial of the search."""

    number: int  # from 1
    values: dict[str, float | int | bool | str]  # what the oracle proposed
    state: Literal["finished", "failed", "cut short"]  # cut short: a deadline stopped it; its best epoch counts
    accuracy: float | None  # on validation, of the best epoch; None where failed
    loss: float | None
    seconds: float
    epochs: tuple[Epoch, ...]
    error: str  # "" unless failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The trained model after one compressor, measured on validation and on this machine."""

    name: str  # a name of compressors/table.py's table: "fp32", "int8_minmax", ...
    file: str  # relative to the stage's folder; "" where the compressor failed
    accuracy: float  # on validation
    accuracy_drop: Interval  # paired, fp32 minus this one, on the same validation images
    flips: int  # validation images whose predicted class differs from fp32's
    size_bytes: int
    gzip_bytes: int
    latency_ms: float  # median, 1 thread, batch 1, in onnxruntime
    latency_spread_ms: float  # |difference| of the two halves of its own A/A repeat
    within_budget: bool
    note: str  # why it is out, or what its row cannot say; "" where all is well


JobState = Literal["waiting", "running", "done", "refused", "locked", "failed", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job of a batch, in a line."""

    name: str  # of its run and bundle
    dataset: str  # absolute path
    recipe: str
    state: JobState  # refused: the dataset was; locked: another process works on the run
    exit_code: int | None = None  # what `automl run` would have ended with; None: it has not ended
    error: str = ""  # in words for the user
    seconds: float | None = None  # done: of its stages, whenever they ran; else of this attempt
    accuracy: Interval | None = None  # of the chosen variant, on the test set
    chosen: str = ""  # the variant's name
    size_bytes: int | None = None
    latency_ms: float | None = None
    bundle: str = ""  # absolute path
    report: str = ""  # absolute path of the run's own page
    warnings: tuple[str, ...] = ()  # done: what its stages warned of, in their order
    lacking: str = ""  # which weights could not be had before the first job, in a sentence; "": none
