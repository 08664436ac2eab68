"""A user's .keras file becomes the run's copy: checked, flattened, without its head, its weights beside its config."""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np

from automl.errors import WrongBackbone
from automl.nets.build import normalised
from automl.nets.catalogue import Pixels
from automl.nets.counting import multiply_adds
from automl.nets.features import tap_layers
from automl.nets.hdf5 import need_self_contained
from automl.nets.own import archive
from automl.nets.own.allowed import NotAllowed, checked_model, read_config
from automl.nets.own.build import revived
from automl.nets.own.flat import SAME, beheaded, folded, inlined, largest_difference, rescales, with_front
from automl.nets.own.pixels import told_by_batchnorm
from automl.nets.own.rows import CONFIG, WEIGHTS, Facts, read_facts, write_facts
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
COMPARED: Final = 4  # images on which the copy is compared with the file's network


def take(file: Path, folder: Path, *, pixels: Pixels | Literal["auto"]) -> Facts:
    """Make the run's copy. Nothing is left where it fails.

    Args:
        file: the user's .keras file.
        folder: of the copy; what is there is replaced.
        pixels: the recipe's weights.pixels.
    Raises: WrongBackbone: the file is refused, in words why; DiskFull and the like.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with _in_words(file):
            facts = _take(file, folder, pixels)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return facts


def _take(file: Path, folder: Path, pixels: Pixels | Literal["auto"]) -> Facts:
    config, sha256, weights = _unpacked(file, folder)
    source = _filled(config, weights)
    weights.unlink()
    size_px = _native_px(source)
    flat = folded(inlined(source, size_px))
    _need_same(source, flat, size_px)
    del source
    flat, told = _normalised(flat, pixels)
    cut = beheaded(flat)
    written = checked_model(json.loads(json.dumps(keras.saving.serialize_keras_object(cut))))
    write_text(folder / CONFIG, json.dumps(written))
    cut.save_weights(folder / WEIGHTS)
    sync_file(folder / WEIGHTS)
    fine, deep = tap_layers(cut)
    facts = Facts(
        file=str(file),
        sha256=sha256,
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


def _unpacked(file: Path, folder: Path) -> tuple[dict[str, Any], str, Path]:
    """The checked config, the file's sha256, and its weights as a file of their own."""
    weights = folder / f"{TEMPORARY}{WEIGHTS}"
    with archive.opened(file) as (members, sha256):
        archive.need_keras_3(archive.read_member(members, archive.METADATA))
        config = checked_model(read_config(archive.read_member(members, archive.CONFIG)))
        with weights.open("wb") as out:
            archive.copy_member(members, archive.WEIGHTS, out)
    return config, sha256, weights


def _filled(config: dict[str, Any], weights: Path) -> keras.Model:
    """The file's own network with its numbers. Nothing is allocated before it is known that the file holds as many."""
    held = need_self_contained(weights)
    if held.bytes > weights.stat().st_size:
        raise ValueError(f"its weights say that they hold {held.bytes:,} bytes, and have {weights.stat().st_size:,}")
    with shapes_alone():
        n = _built(config).count_params()
    if n > held.numbers:
        raise ValueError(f"its layers have {n:,} weights, and the file holds {held.numbers:,}")
    source = _built(config)
    try:
        with warnings.catch_warnings():
            # Where the file lacks a layer, Keras warns and leaves it random.
            warnings.filterwarnings("error", message="Skipping nested container", category=UserWarning)
            source.load_weights(weights)
    except (ValueError, KeyError, TypeError, UserWarning) as error:
        raise ValueError(f"its weights do not fit its layers: {' '.join(str(error).split())[:300]}") from error
    if not all(np.isfinite(values).all() for values in source.get_weights()):
        raise ValueError("it holds weights that are not finite")
    return source


def _built(config: dict[str, Any]) -> keras.Model:
    """Raises: ValueError: it does not take one square image of three channels."""
    source = revived(config)
    if isinstance(source, keras.Sequential) and not source.built:
        source.build((None, None, None, 3))
    shapes = [tuple(one.shape) for one in source.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3 or shapes[0][1] != shapes[0][2]:
        raise ValueError(
            f"it takes {' and '.join(map(str, shapes)) or 'nothing'}; wanted: one square image, (None, size, size, 3) "
            "or (None, None, None, 3)"
        )
    return source


def _native_px(source: keras.Model) -> int:
    """The edge that its image has, or the first at which one that takes any can be built."""
    fixed: int | None = source.inputs[0].shape[1]
    why = ""
    for size_px in NATIVE_PX if fixed is None else (fixed,):
        try:
            with shapes_alone():
                beheaded(inlined(source, size_px, fill=False))
        except ValueError as error:
            why = why or str(error)
        else:
            return size_px
    raise ValueError(why)


def _need_same(source: keras.Model, flat: keras.Model, size_px: int) -> None:
    """Raises: ValueError: the flat network says something else; it would be a fault of ours."""
    pixels = np.random.default_rng(1).uniform(0, 255, (COMPARED, size_px, size_px, 3)).astype(np.float32)
    if not (worst := largest_difference(source, flat, pixels)) <= SAME:
        raise ValueError(f"written out flat, it differs by {worst:.2g} of the largest value from what it was")


def _normalised(flat: keras.Model, pixels: Pixels | Literal["auto"]) -> tuple[keras.Model, str]:
    """The network for pixel values 0..255, and in words how they reach its first layer, and why so."""
    if rescales(flat):
        return flat, ""
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
def shapes_alone() -> Iterator[None]:
    """What is built within has shapes, and no numbers in its weights; it is of no use afterwards."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.utils.clear_session(free_memory=False)  # forgets that the weights still wait for their numbers


@contextlib.contextmanager
def _in_words(file: Path) -> Iterator[None]:
    """Whatever a file's content leads to is said of the file. Raises: WrongBackbone."""
    try:
        yield
    except NotAllowed as error:
        raise WrongBackbone(
            f"{file} is refused: {error}. Wanted: a network of plain Keras 3 layers, saved by model.save(). Build it "
            "from such layers and save it again, or leave it out of backbones."
        ) from error
    except OSError as error:
        if error.errno is not None and error.filename != str(file):
            raise  # the disk that the copy is written to
        raise _wrong(file, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        # What Keras and HDF5's library raise of networks and weights that make no sense.
        raise _wrong(file, " ".join(str(error).split())[:400]) from error


def _wrong(file: Path, why: str) -> WrongBackbone:
    return WrongBackbone(
        f"{file} cannot be a backbone: {why}. Wanted: a .keras file that Keras 3 saved of a network from one square "
        "image to feature maps, with or without a head on top. Correct it, or leave it out of backbones."
    )
