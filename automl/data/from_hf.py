"""Hugging Face datasets by their own API: the images' bytes as they are stored. In a child alone.

Of the package's builders the three that read plain tables and folders are taken. A dataset that brings code of its own
is refused: from version 4 on the package itself runs none, and older ones are refused too.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import datasets

from automl.data.exporting import Example, Opened
from automl.data.members import MAX_MEMBER_BYTES
from automl.errors import DataError, UsageError

BUILDERS: Final = ("parquet", "arrow", "imagefolder")
"""Of the package's packaged_modules: what they read is data alone (others unpickle, or split texts)."""
OLDEST: Final = 4  # the first major version without datasets' own scripts
A_BATCH: Final = 64  # rows that are in memory together


def open_dataset(name: str) -> Opened:
    """Download and prepare the dataset in the package's own folder (HF_HOME), unless it is there.

    Args: name: [OWNER/]NAME[:CONFIG], or the absolute path of a folder.
    Raises: DataError: it has not exactly one image an example, or another builder would read it; and what the package
        raises. UsageError: the package is too old.
    """
    if int(datasets.__version__.split(".")[0]) < OLDEST:
        raise UsageError(
            f"hf:{name}: datasets {datasets.__version__} is installed, which may run a dataset's own code. Wanted: "
            f"version {OLDEST} or later. Install it by: pip install 'automl[hf]'"
        )
    place, _, config = (name, "", "") if name.startswith("/") else name.partition(":")
    if name.startswith("/") and not Path(name).is_dir():
        raise DataError(f"hf:{name}: there is no such folder. Wanted: a folder that datasets can load. Check the path.")
    datasets.disable_progress_bars()
    builder = datasets.load_dataset_builder(place, config or None)
    kind = type(builder).__module__.rpartition(".")[2]
    if not type(builder).__module__.startswith("datasets.packaged_modules.") or kind not in BUILDERS:
        raise DataError(
            f"hf:{name} would be read by the builder {kind!r}. Wanted: one of {', '.join(BUILDERS)}, which read data "
            "alone. Download it and unpack it yourself, and give the folder."
        )
    builder.download_and_prepare()
    features = dict(builder.info.features)
    images = [key for key, feature in features.items() if isinstance(feature, datasets.Image)]
    if len(images) != 1:
        raise DataError(
            f"hf:{name} has {len(images)} images an example ({', '.join(sorted(features))}). Wanted: exactly one."
        )
    texts = {
        key: feature for key, feature in features.items() if isinstance(feature, datasets.ClassLabel | datasets.Value)
    }
    classes = [key for key, feature in texts.items() if isinstance(feature, datasets.ClassLabel)]

    def examples(split: str) -> Iterator[Example]:
        rows = builder.as_dataset(split=split).select_columns([images[0], *texts]).with_format("arrow")
        for table in rows.iter(batch_size=A_BATCH):
            for row in table.to_pylist():
                yield Example(
                    split=split,
                    encoded=_encoded(row[images[0]], from_paths=kind == "imagefolder"),
                    cells={key: _text(feature, row[key]) for key, feature in texts.items()},
                )

    return Opened(
        version=f"{builder.dataset_name} {builder.config.name}, {builder.hash}",
        columns=tuple(texts),
        label=classes[0] if len(classes) == 1 else None,
        splits={str(split): int(info.num_examples) for split, info in builder.info.splits.items()},
        size_bytes=int(builder.info.dataset_size or 0),
        examples=examples,
    )


def _encoded(cell: Mapping[str, Any] | None, *, from_paths: bool) -> bytes | None:
    """An image's bytes. A path is followed where the package itself found the file; in a table it may lead anywhere."""
    if cell is None:
        return None
    if cell["bytes"] is not None:
        return bytes(cell["bytes"]) or None
    if not from_paths or not cell["path"]:
        return None
    facts = Path(cell["path"]).stat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_MEMBER_BYTES:
        return None
    return Path(cell["path"]).read_bytes() or None


def _text(feature: Any, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(feature, datasets.ClassLabel):
        return str(feature.int2str(value)) if value >= 0 else ""  # -1: not told, as of many test splits
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
