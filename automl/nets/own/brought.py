"""What a user brought, before it is made ours: a Keras model that holds its weights, and what is known of it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np

from automl.nets.hdf5 import need_self_contained

LICENCE: Final = "unknown: the owner's"
Scale = tuple[tuple[float, ...], tuple[float, ...]]  # factors and offsets of the three channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A network with its weights, in memory."""

    model: keras.Model  # takes one square image, of a fixed size or of any
    sha256: str  # of all that it was read from
    licence: str
    scale: Scale | None = None  # by which pixels 0..255 must be changed for it; None: it is not known


class LeftOut(Exception):
    """It cannot be had here, or not be exported; it costs itself alone. In words why."""


def filled(build: Callable[[], keras.Model], weights: Path) -> keras.Model:
    """The network with the numbers of its file. Nothing is allocated before it is known that the file holds as many.

    Args: build: makes it, untrained. weights: as Keras 3 writes them; from outside.
    Raises: ValueError: they are not its weights, or reach out of their file; OSError.
    """
    held = need_self_contained(weights)
    if held.bytes > weights.stat().st_size:
        raise ValueError(f"its weights say that they hold {held.bytes:,} bytes, and have {weights.stat().st_size:,}")
    with shapes_alone():
        n = build().count_params()
    if n > held.numbers:
        raise ValueError(f"its layers have {n:,} weights, and the file holds {held.numbers:,}")
    model = build()
    try:
        with warnings.catch_warnings():
            # Where the file lacks a layer, Keras warns and leaves it random.
            warnings.filterwarnings("error", message="Skipping nested container", category=UserWarning)
            model.load_weights(weights)
    except (ValueError, KeyError, TypeError, UserWarning) as error:
        raise ValueError(f"its weights do not fit its layers: {' '.join(str(error).split())[:300]}") from error
    if not all(np.isfinite(values).all() for values in model.get_weights()):
        raise ValueError("it holds weights that are not finite")
    return model


def need_image(model: keras.Model) -> None:
    """Raises: ValueError: the network does not take one square image of three channels."""
    shapes = [tuple(one.shape) for one in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3 or shapes[0][1] != shapes[0][2]:
        raise ValueError(
            f"it takes {' and '.join(map(str, shapes)) or 'nothing'}; wanted: one square image, (None, size, size, 3) "
            "or (None, None, None, 3)"
        )


@contextlib.contextmanager
def shapes_alone() -> Iterator[None]:
    """What is built within has shapes, and no numbers in its weights; it is of no use afterwards."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.utils.clear_session(free_memory=False)  # forgets that the weights still wait for their numbers
