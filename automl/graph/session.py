"""Opening and running ONNX files: our own as they are, foreign ones after a check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from automl.errors import DataError, StageFailed

FOREIGN_MB: Final = 1024  # the largest network of keras.applications' table (NASNetLarge) has 343 MB
QUIET: Final = 3  # onnxruntime's severity: errors alone


def open_session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open one of our files for the CPU, its nodes run one after the other.

    Args:
        threads: how many share the work inside a node; 0: as many as there are cores.
    Raises: StageFailed: onnxruntime cannot open the file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = QUIET
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class but this
        raise StageFailed(
            f"onnxruntime {onnxruntime.__version__} cannot open {path}: {error}. Wanted: an ONNX file as "
            "`automl run` writes it. Redo the stage that wrote it."
        ) from error


def predict(
    session: onnxruntime.InferenceSession, pixels: NDArray[np.uint8], batch: int = 32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run a file of our writer over pictures.

    Args:
        pixels: uint8 (n, h, w, c) of the network's size, n >= 1; a memory map is read batch by batch.
        batch: pictures a call.
    Returns: probabilities (n, classes), features (n, d). Raises: ValueError: there is no picture.
    """
    if len(pixels) == 0:
        raise ValueError("no pictures to predict; give at least one")
    parts = [
        session.run(["probabilities", "features"], {"image": np.ascontiguousarray(pixels[start : start + batch])})
        for start in range(0, len(pixels), batch)
    ]
    probabilities, features = (np.concatenate(column) for column in zip(*parts, strict=True))
    return probabilities, features


def check_foreign(path: Path, limit_mb: int = FOREIGN_MB) -> None:
    """Refuse an ONNX file from elsewhere that is too large or would read other files.

    Raises: DataError: it is no ONNX file, is larger than limit_mb (MB of 10^6 bytes), or keeps tensors outside.
    """
    size = path.stat().st_size
    if size > limit_mb * 10**6:
        raise DataError(f"{path} has {size / 1e6:.0f} MB, and at most {limit_mb} are read. Give a smaller network.")
    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError:
        model = onnx.ModelProto()
    if not model.HasField("graph"):
        raise DataError(f"{path} is no ONNX file: no graph can be read from it. Give a file that onnx.checker accepts.")
    outside = sorted(
        tensor.name
        for tensor in _tensors(model)
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data
    )
    if outside:
        raise DataError(
            f"{path} keeps {len(outside)} tensor(s) in other files ({', '.join(outside[:3])}), and other files are not "
            "read. Save it as one file: onnx.save(model, path, save_as_external_data=False)."
        )


def _tensors(message: Message) -> Iterator[Any]:
    """Every tensor anywhere in a model: constants, attributes, subgraphs, functions, sparse ones."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for _, value in message.ListFields():
        for part in [value] if isinstance(value, Message) else value if isinstance(value, Iterable) else ():
            if isinstance(part, Message):
                yield from _tensors(part)
