"""The compressors: one row each, the simplest first. Adding one is adding a row; the contract suite picks it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from automl.code import load_entry

if TYPE_CHECKING:  # recipes are checked against this table by a front that imports no numpy
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressor:
    """One way to make a smaller or faster model file of a float one.

    Its code is called as `compress(source, target, calibration, **options)`: source an ONNX file with the input
    "image" uint8 (batch, size, size, 3), which stays as it is; target is replaced whole or not at all; calibration
    uint8 (n, size, size, 3). The same arguments give the same bytes.
    """

    name: str
    entry: str  # imported when it runs
    does: str  # one line for users
    source: str = "fp32"  # the row whose file it is made from; its own name: the writer's file of that network
    options: Mapping[str, Any] = field(default_factory=dict)  # what sets this row apart from others of the same code
    known_failures: Mapping[str, str] = field(default_factory=dict)  # law of the contract suite -> why it fails


# The order is a rule: of variants that measure alike, the row that stands first is chosen.
COMPRESSORS: Final = (
    Compressor(name="fp32", entry="automl.compressors.fp32:compress", does="the trained network as it is, in float32"),
    Compressor(
        name="int8_minmax",
        entry="automl.compressors.int8:compress",
        does="8-bit weights and activations; ranges hold every value seen in calibration",
        options={"method": "minmax"},
    ),
    Compressor(
        name="int8_percentile",
        entry="automl.compressors.int8:compress",
        does="8-bit weights and activations; the rarest activation values are clipped",
        options={"method": "percentile"},
    ),
    Compressor(
        name="pruned",
        entry="automl.compressors.fp32:compress",
        does="the pruned network in float32: smaller after gzip, no faster",
        source="pruned",
    ),
    Compressor(
        name="pruned_int8",
        entry="automl.compressors.int8:compress",
        does="the pruned network as int8_percentile makes it: smaller after gzip, no faster",
        source="pruned",
        options={"method": "percentile"},
    ),
)

FLOAT: Final = COMPRESSORS[0].name
"""The variant that all others are compared with, and the one that is kept when none is better."""

PRUNED: Final = "pruned"
"""The network that was pruned and trained on, in float32; what other rows make of it says so as their source."""

COMPRESSOR_NAMES: Final = tuple(row.name for row in COMPRESSORS)


def compressor_named(name: str) -> Compressor:
    """The row of that name. Raises: KeyError: there is none."""
    return {row.name: row for row in COMPRESSORS}[name]


def unpruned_twins(name: str) -> frozenset[str]:
    """The rows that do with the trained network what this one does with the pruned one; empty where it does not."""
    row = compressor_named(name)
    if row.source != PRUNED:
        return frozenset()
    return frozenset(twin.name for twin in COMPRESSORS if twin.source != PRUNED and twin.entry == row.entry)


def compress_with(row: Compressor, source: Path, target: Path, calibration: npt.NDArray[np.uint8]) -> None:
    """Write the variant of that row; see Compressor. Raises: what its code raises."""
    load_entry(row.entry)(source, target, calibration, **row.options)
