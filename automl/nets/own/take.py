"""What a user brought becomes the run's copy: flat, without its head, its weights beside its config.

A .keras file (keras_file.py) or a preset of KerasHub (hub.py): from here on they are the same.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import keras
import numpy as np

from automl.errors import WrongBackbone
from automl.nets.build import normalised
from automl.nets.catalogue import Pixels
from automl.nets.counting import multiply_adds
from automl.nets.features import tap_layers
from automl.nets.own.allowed import NotAllowed, checked_model, read_config
from automl.nets.own.brought import Brought, LeftOut, shapes_alone
from automl.nets.own.build import revived
from automl.nets.own.flat import (
    SAME,
    beheaded,
    folded,
    inlined,
    largest_difference,
    rescaled,
    rescales,
    with_front,
)
from automl.nets.own.hub import from_preset
from automl.nets.own.keras_file import from_file
from automl.nets.own.pixels import told_by_batchnorm
from automl.nets.own.rows import CONFIG, WEIGHTS, Facts, read_facts, write_facts
from automl.recipe.backbones import HUB, is_hub
from automl.runs.atomic import TEMPORARY, sync_file, write_text

NATIVE_PX: Final = (224, 160, 128, 96, 64, 48, 32, 256, 320, 384, 512)
"""Edges at which a network that takes any is looked at: the first that it can be built at."""
MEANING: Final[dict[Pixels, str]] = {
    "0..255": "they are, 0..255",
    "0..1": "0..1",
    "-1..1": "-1..1",
    "caffe": "'caffe' (BGR, ImageNet's mean taken off)",
    "torch": "'torch' (ImageNet's mean taken off, divided by its deviation)",
}
COMPARED: Final = 4  # images on which the copy is compared with what was brought


def take(entry: str, folder: Path, *, pixels: Pixels | Literal["auto"], download: bool = True) -> Facts:
    """Make the run's copy. Nothing is left where it fails.

    Args:
        entry: of the recipe's `backbones`: a .keras file's absolute path, or a preset.
        folder: of the copy; what is there is replaced.
        pixels: the recipe's weights.pixels.
        download: whether a preset may be fetched.
    Raises: WrongBackbone: it is refused, in words why; LeftOut: it cannot be had, or not be written by the ONNX writer;
        UsageError: KerasHub is missing; DiskFull and the like.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with _in_words(entry):
            if is_hub(entry):
                brought = from_preset(entry, download=download)
            else:
                brought = from_file(Path(entry), folder / f"{TEMPORARY}{WEIGHTS}")
            facts = _copied(entry, brought, folder, pixels)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return facts


def _copied(entry: str, brought: Brought, folder: Path, pixels: Pixels | Literal["auto"]) -> Facts:
    size_px = _native_px(brought.model)
    flat = folded(inlined(brought.model, size_px))
    _need_same(brought.model, flat, size_px)
    flat, told = _normalised(flat, brought, pixels)
    cut = beheaded(flat)
    written = checked_model(json.loads(json.dumps(keras.saving.serialize_keras_object(cut))))
    write_text(folder / CONFIG, json.dumps(written))
    cut.save_weights(folder / WEIGHTS)
    sync_file(folder / WEIGHTS)
    fine, deep = tap_layers(cut)
    facts = Facts(
        file=entry,
        sha256=brought.sha256,
        licence=brought.licence,
        pixels=pixels,
        told=told,
        size_px=size_px,
        params_m=cut.count_params() / 1e6,
        gmacs=multiply_adds(cut) / 1e9,
        taps=(fine.name, deep.name),
        n_features=fine.output.shape[-1] + deep.output.shape[-1],
    )
    write_facts(folder, facts)
    return facts


def _native_px(source: keras.Model) -> int:
    """The edge that its image has, or the first at which one that takes any can be built."""
    fixed: int | None = source.inputs[0].shape[1]
    why = ""
    for size_px in NATIVE_PX if fixed is None else (fixed,):
        try:
            with shapes_alone():
                flat = inlined(source, size_px, fill=False)
                _need_writable(flat)
                beheaded(flat)
        except ValueError as error:
            why = why or str(error)
        else:
            return size_px
    raise ValueError(why)


def _need_writable(flat: keras.Model) -> None:
    """Raises: LeftOut: a block of KerasHub came to something that is no plain layer."""
    try:
        checked_model(json.loads(json.dumps(keras.saving.serialize_keras_object(flat))))
    except NotAllowed as error:
        raise LeftOut(f"{error}, which the ONNX writer does not know") from error


def _need_same(source: keras.Model, flat: keras.Model, size_px: int) -> None:
    """Raises: ValueError: the flat network says something else; it would be a fault of ours."""
    pixels = np.random.default_rng(1).uniform(0, 255, (COMPARED, size_px, size_px, 3)).astype(np.float32)
    if not (worst := largest_difference(source, flat, pixels)) <= SAME:
        raise ValueError(f"written out flat, it differs by {worst:.2g} of the largest value from what it was")


def _normalised(flat: keras.Model, brought: Brought, pixels: Pixels | Literal["auto"]) -> tuple[keras.Model, str]:
    """The network for pixel values 0..255, and in words how they reach its first layer; "": it says so itself."""
    if rescales(flat):
        return flat, ""
    if brought.scale is not None and pixels == "auto":
        scale, offset = brought.scale
        return with_front(flat, lambda image: rescaled(image, scale, offset)), ""
    told = told_by_batchnorm(flat) if pixels == "auto" else pixels
    if told is None:
        return flat, "it gets pixel values as they are, 0..255, for nothing in it says on which it was trained"
    says = "its first BatchNorm says so" if pixels == "auto" else "weights.pixels says so"
    return with_front(flat, lambda image: normalised(image, told)), f"it gets pixel values as {MEANING[told]}: {says}"


def sizes_that_fit(folder: Path, wanted: Sequence[int]) -> tuple[int, ...]:
    """Of these edges, and its native one, those at which the copy can be built with the weights that it has."""
    facts = read_facts(folder)
    config = checked_model(read_config((folder / CONFIG).read_bytes()))
    with shapes_alone():
        native = [tuple(one.shape) for one in revived(config, size_px=facts.size_px).weights]
    fitting = []
    for size_px in sorted({*wanted, facts.size_px}):
        with contextlib.suppress(ValueError), shapes_alone():
            model = revived(config, size_px=size_px)
            tap_layers(model)
            if [tuple(one.shape) for one in model.weights] == native:
                fitting.append(size_px)
    return tuple(fitting)


@contextlib.contextmanager
def _in_words(entry: str) -> Iterator[None]:
    """Whatever the content of what was brought leads to is said of it. Raises: WrongBackbone."""
    try:
        yield
    except NotAllowed as error:
        wanted = (
            "a preset of KerasHub, or a folder that its save_to_preset wrote. Take another"
            if is_hub(entry)
            else "a network of plain Keras 3 layers, saved by model.save(). Build it from such layers and save it again"
        )
        raise WrongBackbone(f"{entry} is refused: {error}. Wanted: {wanted}, or leave it out of backbones.") from error
    except OSError as error:
        if error.errno is not None and not str(error.filename or "").startswith(entry.removeprefix(HUB)):
            raise  # the disk that the copy is written to
        raise _wrong(entry, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        # What Keras and HDF5's library raise of networks and weights that make no sense.
        raise _wrong(entry, " ".join(str(error).split())[:400]) from error


def _wrong(entry: str, why: str) -> WrongBackbone:
    wanted = (
        "the backbone of an image classifier, as KerasHub's save_to_preset writes it"
        if is_hub(entry)
        else "a .keras file that Keras 3 saved of a network from one square image to feature maps, with or without a "
        "head on top"
    )
    return WrongBackbone(
        f"{entry} cannot be a backbone: {why}. Wanted: {wanted}. Correct it, or leave it out of backbones."
    )
