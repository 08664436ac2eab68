"""A dataset that is a name, `tfds:mnist` or `hf:ylecun/mnist`: what a name may be, and what was exported of it. Light.

The export itself needs the package of that catalogue, and is done in a child (exporting.py); what comes of it is a
folder of image files and a manifest, and all that is downstream reads that.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from automl.errors import UsageError

STAMP: Final = "exported.json"
"""Beside the files: which dataset they are of. It is written last."""
FILES: Final = "files"  # the folder that holds them
_PREFIX: Final = re.compile(r"([a-z]+):(?=.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Where a name is looked up."""

    prefix: str
    title: str
    package: str  # as pip calls it
    name: re.Pattern[str]  # what may stand behind the prefix
    looks_like: str  # for messages
    examples: str  # "module:function", imported in the child alone; see exporting.py


CATALOGUES: Final = (
    Catalogue(
        prefix="tfds",
        title="TensorFlow Datasets",
        package="tensorflow-datasets",
        # Without ":" in it: "namespace:name" would fetch a builder's code.
        name=re.compile(r"[a-z][a-z0-9_]*(/[\w.+-]+)?(:\d+\.\d+\.\d+)?"),
        looks_like="tfds:NAME[/CONFIG][:VERSION], for example tfds:rock_paper_scissors",
        examples="automl.data.from_tfds:open_dataset",
    ),
    Catalogue(
        prefix="hf",
        title="Hugging Face datasets",
        package="datasets",
        name=re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(:[\w.+-]+)?|/.+"),
        looks_like="hf:[OWNER/]NAME[:CONFIG], for example hf:AI-Lab-Makerere/beans; or hf:/ABSOLUTE/FOLDER",
        examples="automl.data.from_hf:open_dataset",
    ),
)


def catalogue_of(dataset: Path) -> Catalogue | None:
    """Where the dataset is looked up; None: it is a path. A prefix always means a name, whatever lies in a folder."""
    found = _PREFIX.match(str(dataset))
    return next((row for row in CATALOGUES if found and row.prefix == found[1]), None)


def is_named(dataset: Path) -> bool:
    return catalogue_of(dataset) is not None


def shown(dataset: Path) -> str:
    """The name as it may be published, without folders; "": it is no name."""
    row = catalogue_of(dataset)
    if row is None:
        return ""
    name = str(dataset).removeprefix(f"{row.prefix}:")
    return f"{row.prefix}:{Path(name).name if name.startswith('/') else name}"


def need_catalogue(dataset: Path) -> Catalogue:
    """Where a name is looked up, and can be. Raises: UsageError: it is no name of it, or the package is missing."""
    row = catalogue_of(dataset)
    assert row is not None
    if not row.name.fullmatch(str(dataset).removeprefix(f"{row.prefix}:")):
        raise UsageError(
            f"{str(dataset)!r} is no name of {row.title}. Wanted: {row.looks_like}. "
            "If it is a folder, give its absolute path."
        )
    try:
        metadata.version(row.package)  # not the module: a folder "datasets" of the user's could pose as one
    except metadata.PackageNotFoundError:
        raise UsageError(
            f"{dataset} is a name of {row.title}, and its package is not installed. Wanted: the package "
            f"{row.package}. Install it by: pip install 'automl[{row.prefix}]'"
        ) from None
    return row


def stamp_of(folder: Path) -> dict[str, Any] | None:
    """What was written of the export in that folder; None: there is none that is whole."""
    try:
        found = json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("files"), int) else None


def is_exported(dataset: Path, folder: Path) -> bool:
    """Whether the folder holds this dataset, whole."""
    stamp = stamp_of(folder)
    return stamp is not None and stamp.get("dataset") == str(dataset)


def count_files(dataset: Path, folder: Path) -> int:
    """How many files were exported to the folder; 0: not yet. Raises: UsageError: see need_catalogue."""
    if is_exported(dataset, folder):
        return int((stamp_of(folder) or {})["files"])
    need_catalogue(dataset)
    return 0


def left_out(folder: Path) -> tuple[str, ...]:
    """What the export in that folder did without, in words."""
    told = (stamp_of(folder) or {}).get("left_out", [])
    return tuple(str(text) for text in told) if isinstance(told, list) else ()
