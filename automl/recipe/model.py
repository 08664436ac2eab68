"""The recipe: every setting of a run, its default, its limits and its meaning. Frozen once loaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator


def low_first(pair: tuple[float, float]) -> tuple[float, float]:
    """The range, if it is one. Raises: ValueError: low is above high."""
    if pair[0] > pair[1]:
        raise ValueError("the lower end first")
    return pair


def no_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if each is there once. Raises: ValueError: one is repeated."""
    if len(set(names)) < len(names):
        raise ValueError("each name once")
    return names


Share = Annotated[float, Field(ge=0, le=1)]
ShareRange = Annotated[tuple[Share, Share], AfterValidator(low_first)]
Rate = Annotated[float, Field(gt=0, le=1)]  # a logarithm is taken of it
RateRange = Annotated[tuple[Rate, Rate], AfterValidator(low_first)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
DropoutRange = Annotated[tuple[Dropout, Dropout], AfterValidator(low_first)]
Names = Annotated[tuple[str, ...], AfterValidator(no_repeats)]
Most = Literal["none"] | Annotated[float, Field(gt=0)]  # an upper limit; "none": there is none


class Section(BaseModel):
    """A part of a recipe: unknown keys are faults, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Data(Section):
    """How the dataset is laid out, where that is not to be found out from its names."""

    layout: Literal["auto", "flat", "nested", "parts", "manifest", "metadata"] = Field(
        "auto", description="a row of automl/data/layouts.py; auto: the one that fits, which is always said"
    )
    level: int = Field(
        1, ge=1, le=3, description="how many folder levels make a label; 2: `Greek/character05` of nested folders"
    )
    manifest: str = Field("", description="the manifest's file in the dataset's folder; empty: the one that fits")
    path: str = Field("", description="its column of the images' paths; empty: by convention (docs/design.md, 17)")
    label: str = Field("", description="its column of the labels; empty: by convention")
    part: str = Field("", description="its column of train, val and test; empty: by convention; none: there is none")
    group: str = Field(
        "", description="its column of groups, which stay in one part; empty: by convention; none: there is none"
    )
    weight: str = Field(
        "", description="its column of the images' weights in training; empty: by convention; none: there is none"
    )
    merge_labels: bool = Field(
        False, description="true: labels that differ only by case, white space or Unicode form are one class"
    )


class Check(Section):
    """What counts as a usable image."""

    drop_classes: Names = Field((), description="classes (folders) to leave out")
    min_images_per_class: int = Field(4, ge=4, description="a class with fewer different readable images stops")
    max_megapixels: float = Field(64, gt=0, le=178, description="larger images are rejected before they are decoded")
    max_rejected: Share = Field(
        0.2, description="a larger share of unreadable files, or of a manifest's rows without their file, stops"
    )
    stop_on: Names = Field(
        (),
        description="kinds of findings that end the run before training, besides those that stop by themselves; warn: "
        "all warnings; note: all findings",
    )
    allow: Names = Field(
        (), description="kinds of findings that end no run; what nothing could be trained with still does"
    )


class Split(Section):
    """Which share of the images each part gets, where the dataset's own folders do not say."""

    validation: float = Field(0.15, gt=0, lt=0.5, description="share of the images that choices are made on")
    test: float = Field(0.15, gt=0, lt=0.5, description="share of the images that is read once, at the end")
    folds: Literal[0] | Annotated[int, Field(ge=2, le=20)] = Field(
        0, description="cut all but test into so many folds, one of which is validation; 0: by the share above"
    )
    fold: int = Field(
        1, ge=1, le=20, description="which fold is validation", json_schema_extra={"besides": "within split.folds"}
    )
    near: bool = Field(True, description="near duplicates stay in one part; false: exact copies alone")

    @field_validator("fold")
    @classmethod
    def _is_there(cls, fold: int, found: ValidationInfo) -> int:
        if fold > max(1, found.data.get("folds", fold)):
            raise ValueError("there are fewer folds")
        return fold


class Pack(Section):
    """The size that images are resized to, and where their pixels lie."""

    size_px: Literal["auto"] | Annotated[int, Field(ge=16, le=1024)] = Field(
        "auto",
        description="edge of the square input; auto: from the images' sizes, at least 160 where max_size_px allows, "
        "or the next smaller one if a probe is as good",
    )
    max_size_px: int = Field(160, ge=32, le=1024, description="auto never chooses more")
    store: Literal["auto", "raw", "files"] = Field(
        "auto",
        description="raw: packed, on the run's disk; files: the same pixels, decoded from the files at each reading; "
        "auto: raw where the disk and max_disk_mb hold it",
    )
    max_disk_mb: float = Field(100_000, gt=0, description="megabytes that packed pixels may take where store is auto")

    @property
    def possible_px(self) -> tuple[int, int]:
        """The smallest and the largest size that images may be packed at, before they were seen."""
        return (1, self.max_size_px) if self.size_px == "auto" else (self.size_px, self.size_px)


class Weights(Section):
    """Where pretrained weights may come from."""

    pretrained: bool = Field(True, description="false: random weights, nothing is looked for")
    download: bool = Field(True, description="false: never ask the network for weights")
    pixels: Literal["auto", "0..255", "0..1", "-1..1", "caffe", "torch"] = Field(
        "auto",
        description="what backbones of your own were trained on, where they do not rescale pixels themselves; caffe: "
        "BGR, ImageNet's mean taken off; torch: that, divided by its deviation; auto: told by the first BatchNorm",
    )


class Pick(Section):
    """How backbones are ranked."""

    folds: int = Field(5, ge=2, le=20, description="folds of the probe's cross-validation on the training part")
    neighbours: int = Field(5, ge=1, le=100, description="k of the kNN probe")
    sample: int = Field(
        4000, ge=16, le=100_000, description="training images that backbones are judged by, a class by its share"
    )
    minutes: float = Field(
        10,
        gt=0,
        le=10_000,
        description="judging them may take so long; where it would take longer, the better half of "
        "a quarter of the sample goes on to the half, and so on",
    )
    max_params_m: float = Field(1000, gt=0, description="leave out backbones with more parameters, in millions")
    max_latency_ms: Most = Field(
        "none",
        description="leave out backbones that take longer for an image of the packed size in onnxruntime on this "
        "machine, at 1 thread, in fp32; measured once a backbone, and remembered",
    )
    max_memory_mb: Most = Field(
        "none",
        description="leave out backbones whose network takes more memory: what a fresh process gains at most when it "
        "opens the model in onnxruntime and answers an image; measured with the latency",
    )
    licences: Names = Field(
        (),
        description="licences of pretrained weights that are accepted, as in [Apache-2.0, MIT]; empty: all. What a "
        "weights.yaml says of the file goes before docs/cli.md; one that is not known is not accepted, but a .keras "
        "file is its owner's",
    )


class Space(Section):
    """The ranges that the search proposes from."""

    learning_rate: RateRange = Field((1e-4, 3e-3), description="log scale")
    weight_decay: RateRange = Field((1e-5, 1e-2), description="log scale")
    dropout: DropoutRange = Field((0.0, 0.5), description="in front of the head")
    augmentation: ShareRange = Field((0.0, 1.0), description="strength of shifts, zooms, turns and light changes")
    unfrozen: tuple[Share, ...] = Field(
        (0.3, 0.5, 1.0), min_length=1, description="shares of the backbone's layers that train, counted from the head"
    )


class Tune(Section):
    """The search."""

    trials: int = Field(8, ge=1, le=1000, description="how many trials at most, the defaults being the first")
    minutes: float = Field(20, gt=0, le=10_000, description="how long at most")
    epochs: int = Field(4, ge=1, le=500, description="epochs of one trial")
    trial_minutes: float = Field(10, gt=0, description="a trial that takes longer is cut short; its best epoch counts")
    parallel: int = Field(1, ge=1, le=64, description="trials at a time")
    oracle: Literal["random", "bayesian"] = Field("random", description="KerasTuner's oracle that proposes")
    space: Space = Space()


class Train(Section):
    """The training that makes the model."""

    epochs: int = Field(20, ge=1, le=10_000, description="epochs at most; early stopping may end sooner")
    minutes: float = Field(30, gt=0, le=10_000, description="how long at most; the best epoch so far counts")
    batch_size: int = Field(32, ge=1, le=4096, description="images of one training step")
    warmup: float = Field(
        0.1, ge=0, lt=1, description="share of all steps with a rising learning rate; cosine after it"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of each label that is spread over all classes")
    patience: int = Field(
        6, ge=1, description="epochs without a better validation accuracy or loss before training ends"
    )
    flip: Literal["auto", "on", "off"] = Field(
        "auto", description="mirror left and right; auto: when the probe reads mirrored validation images as well"
    )


class Prune(Section):
    """How the pruned variants' network is pruned; read where compress.variants names one of them."""

    sparsity: float = Field(0.5, gt=0, lt=1, description="share of each convolution's weights that become zero")
    epochs: int = Field(8, ge=1, le=500, description="epochs of training on while they do; fewer where time is short")
    learning_rate: Rate = Field(1e-3, description="at the first step; falls to zero along a cosine")
    minutes: float = Field(10, gt=0, le=10_000, description="how long at most; else the pruned variants are left out")


class Compress(Section):
    """The variants that are built, and which of them may be chosen."""

    variants: Names = Field(
        ("fp32", "int8_minmax", "int8_percentile"),
        min_length=1,
        description="what is built and measured; rows of automl/compressors/table.py",
    )
    calibration_images: int = Field(128, ge=8, le=10_000, description="training images that int8 takes its ranges from")
    max_accuracy_drop: Share = Field(0.01, description="what a variant may lose on validation against fp32")
    prefer: Literal["latency", "size", "gzip"] = Field(
        "latency", description="what to minimise within the budget; gzip: the size after gzip, as files are sent"
    )
    latency_repeats: int = Field(60, ge=10, le=10_000, description="timed calls of each variant, interleaved")
    prune: Prune = Prune()


class Evaluate(Section):
    """The one reading of the test set."""

    bootstrap: int = Field(2000, ge=100, le=100_000, description="resamples behind each 95 % interval")


class Export(Section):
    """The bundle."""

    pictures: bool = Field(False, description="true: pictures of the data may go into the bundle's report")
    gate_files: int = Field(
        100, ge=20, description="held-out files that the gate reads as a user would (all, if fewer)"
    )
    description: str = Field("", description="a sentence for the model card")


class Recipe(Section):
    """All settings of a run."""

    task: Literal["classification"] = Field(
        "classification", description="what is predicted; one row a task in automl/task_table.py"
    )
    seed: int = Field(1, ge=1, le=2**31 - 1, description="same seed, same result")
    backbones: Names = Field(
        ("mobilenetv3small", "mobilenetv2", "efficientnetv2b0"),
        min_length=1,
        description="candidates: names of the table below; .keras files of your own, whose paths are relative to the "
        "recipe's file (with --set, to the current folder); hub:PRESET of KerasHub",
    )
    weights: Weights = Weights()
    data: Data = Data()
    check: Check = Check()
    split: Split = Split()
    pack: Pack = Pack()
    pick: Pick = Pick()
    tune: Tune = Tune()
    train: Train = Train()
    compress: Compress = Compress()
    evaluate: Evaluate = Evaluate()
    export: Export = Export()
