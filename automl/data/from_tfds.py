"""TensorFlow Datasets by their own API: the images' bytes as they are stored. In a child alone: TensorFlow comes along.

The code of a builder is that of the installed package; a dataset that was prepared before is read from its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from automl.data.exporting import Example, Opened
from automl.errors import DataError


def open_dataset(name: str) -> Opened:
    """Download and prepare the dataset in the package's own folder (TFDS_DATA_DIR), unless it is there.

    Raises: DataError: it has not exactly one image an example; and what the package raises.
    """
    tf.config.set_visible_devices([], "GPU")  # nothing here computes
    builder = tfds.builder(name, try_gcs=False)
    features = dict(builder.info.features.items())
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    if len(images) != 1:
        raise DataError(
            f"tfds:{name} has {len(images)} images an example ({', '.join(sorted(features))}). Wanted: exactly one."
        )
    builder.download_and_prepare()
    keys = builder.info.supervised_keys
    told = keys[1] if keys and len(keys) > 1 and isinstance(keys[1], str) else None
    texts = {key: feature for key, feature in features.items() if _is_scalar(feature)}

    def examples(split: str) -> Iterator[Example]:
        wanted = tfds.decode.PartialDecoding(
            dict.fromkeys((*texts, images[0]), True), decoders={images[0]: tfds.decode.SkipDecoding()}
        )
        # One reader: the order is the files', and the same each time.
        config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        data = builder.as_dataset(split=split, decoders=wanted, shuffle_files=False, read_config=config)
        for row in tfds.as_numpy(data):
            yield Example(split=split, encoded=bytes(row[images[0]]) or None, cells=_cells(texts, row))

    return Opened(
        version=builder.info.full_name,
        columns=tuple(texts),
        label=told if told in texts else None,
        splits={split: int(info.num_examples) for split, info in builder.info.splits.items()},
        size_bytes=int(builder.info.dataset_size or 0),
        examples=examples,
    )


def _is_scalar(feature: Any) -> bool:
    """Whether a feature is one text, number or class."""
    if isinstance(feature, tfds.features.ClassLabel | tfds.features.Text):
        return True
    return type(feature) in (tfds.features.Scalar, tfds.features.Tensor) and feature.shape == ()


def _cells(features: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, str]:
    return {key: _text(feature, row[key]) for key, feature in features.items()}


def _text(feature: Any, value: Any) -> str:
    if isinstance(feature, tfds.features.ClassLabel):
        return feature.int2str(int(value)) if int(value) >= 0 else ""  # -1: not told, as of many test splits
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(np.asarray(value).item())
