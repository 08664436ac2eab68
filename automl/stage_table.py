"""The ten stages in their order. A row names its code as text, so that the front stays light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ChildKind = Literal["keras", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a run."""

    name: str
    entry: str  # "module:function"; takes a StageContext, returns the stage's record
    record: str  # the record's class in automl.records
    kind: ChildKind  # keras: forked from the preloaded server; plain: spawned
    version: int  # raised when old results of the stage must not be reused
    recipe: tuple[str, ...]  # the recipe's sections that it reads; a change of others does not repeat it
    does: str  # for the console


STAGES: Final = (
    Stage(name="check", entry="automl.stages.check:run", record="Checked", kind="plain", version=4,
          recipe=("task", "data", "check", "pack"), does="open and decode every file"),
    Stage(name="split", entry="automl.stages.split:run", record="Parted", kind="plain", version=3,
          recipe=("seed", "split"), does="cut train, validation and test"),
    Stage(name="pack", entry="automl.stages.pack:run", record="Packed", kind="plain", version=2,
          recipe=("seed", "pack"), does="index the packed pixels by part"),
    Stage(name="pick", entry="automl.stages.pick:run", record="Picked", kind="keras", version=5,
          recipe=("seed", "task", "backbones", "weights", "pick"), does="rank the backbones by their probes"),
    Stage(name="tune", entry="automl.stages.tune:run", record="Tuned", kind="keras", version=2,
          recipe=("seed", "task", "tune", "train"), does="search for the best settings"),
    Stage(name="train", entry="automl.stages.train:run", record="Trained", kind="keras", version=2,
          recipe=("seed", "task", "train"), does="train with the best settings"),
    Stage(name="compress", entry="automl.stages.compress:run", record="Compressed", kind="keras", version=1,
          recipe=("seed", "compress"), does="build and measure the variants"),
    Stage(name="evaluate", entry="automl.stages.evaluate:run", record="Evaluated", kind="plain", version=3,
          recipe=("seed", "task", "evaluate", "pick"), does="read the test set, once"),
    Stage(name="export", entry="automl.stages.export:run", record="Exported", kind="keras", version=1,
          recipe=("seed", "export", "compress"), does="write the bundle and gate it"),
    Stage(name="report", entry="automl.stages.report:run", record="Reported", kind="plain", version=1,
          recipe=("export",), does="write the report and publish"),
)  # fmt: skip

LAYOUTS: Final = "automl.data.layouts:list_dataset"
FINGERPRINT: Final = "automl.data.layouts:listing_fingerprint"
"""List a dataset folder without opening an image; the front calls them, so their module stays light."""

IS_ARCHIVE: Final = "automl.data.archives:is_archive"
ARCHIVE_FILES: Final = "automl.data.archives:count_files"
ARCHIVE_CHANGED: Final = "automl.data.archives:holds_another"
EXTRACT: Final = "automl.data.archives:extract"
OPENED: Final = "automl.data.archives:opened"
"""A dataset that is an archive; light as well."""

IS_NAMED: Final = "automl.data.named:is_named"
NAME_SHOWN: Final = "automl.data.named:shown"
NAMED_FILES: Final = "automl.data.named:count_files"
IS_EXPORTED: Final = "automl.data.named:is_exported"
LEFT_OUT: Final = "automl.data.named:left_out"
"""A dataset that is a name, such as tfds:mnist; light as well."""
EXPORT: Final = "automl.data.exporting:export"
"""Its images become files; in a child, for the packages are heavy."""

NEED_REPLACEABLE: Final = "automl.bundle.publish:need_replaceable"
BUNDLE_FAULTS: Final = "automl.bundle.checksums:faults_by"
"""May a bundle's place be taken, and is a published one whole; light as well."""

NEED_WEIGHTS_FOLDERS: Final = "automl.nets.weights:need_folders"
"""Are --weights and $AUTOML_WEIGHTS folders; light as well."""

NEED_CANDIDATES: Final = "automl.nets.limits:need_candidates"
"""Do the recipe's limits leave a backbone, as far as that is known beforehand; light as well."""

STAGE_NAMES: Final = tuple(stage.name for stage in STAGES)
