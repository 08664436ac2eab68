"""HDF5 files from outside: looked through before Keras reads a number of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h5py

MAX_ENTRIES: Final = 100_000  # groups and arrays; NASNetLarge's weights have some 5,000
NUMERIC: Final = "fiubV"  # numpy's kinds of plain numbers; V: bfloat16, for which HDF5 has no type


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a file says that it holds."""

    numbers: int
    bytes: int  # that they take once read


def need_self_contained(path: Path) -> Held:
    """Go through all of an HDF5 file.

    Raises: ValueError: it would have other files read, holds other things than numbers, or has no end; OSError: it is
        no such file.
    """
    numbers = size = entries = 0
    with h5py.File(path) as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                entries += 1
                if entries > MAX_ENTRIES:  # as where a group holds itself
                    raise ValueError(f"it holds more than {MAX_ENTRIES:,} groups and arrays")
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{group.name.rstrip('/')}/{name} is a link, which weights need not have")
                item = group[name]
                if isinstance(item, h5py.Group):
                    groups.append(item)
                    continue
                if not isinstance(item, h5py.Dataset) or item.dtype.kind not in NUMERIC:
                    raise ValueError(f"{group.name.rstrip('/')}/{name} holds no plain numbers")
                if item.external or item.is_virtual:
                    raise ValueError(f"{item.name} takes its values from another file")
                numbers += item.size or 0
                size += item.nbytes
    return Held(numbers=numbers, bytes=size)
