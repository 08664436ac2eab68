"""What a finished run left, in a form that two runs can be compared by: no times, no paths."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from automl.stage_table import STAGE_NAMES

TIMED: Final = frozenset(
    {
        "seconds", "searched_s", "images_s", "latency_ms", "latency_spread_ms", "noise_ms", "stop_at", "created",
        "read_at",
        "size_bytes",  # a bundle's texts tell times; of all else the bytes themselves are compared
    }
)  # fmt: skip
PLACED: Final = frozenset({"folder", "own", "start", "pixels", "pack", "report", "bundle", "checksums"})
UNCOMPARED: Final = frozenset({"done.json", "begun.json", "MODEL_CARD.md", "report.html", "SHA256SUMS"})
"""Times, paths, or checksums of files with such in them; what matters of them stands in the compared files."""


def results(run: Path, bundle: Path) -> dict[str, Any]:
    """What a finished run left in its stages and in the bundle, but times and places: file -> value or digest."""
    found = {}
    for root, title in ((run, "run"), (bundle, "bundle")):
        for path in sorted(root.rglob("*")):
            top = path.relative_to(root).parts[0]
            if (
                path.is_dir()
                or (root == run and top not in STAGE_NAMES)
                or path.name in UNCOMPARED
                or path.suffix == ".log"
            ):
                continue
            found[f"{title}/{path.relative_to(root)}"] = content(path)
    facts = json.loads((run / "run.json").read_text())
    found["run.json"] = _lasting({key: facts[key] for key in ("images", "backbone", "winner", "chosen", "metrics")})
    return found


def content(path: Path) -> Any:
    """What lasts of a file: JSON without times; arrays by name, as digests; of all else the digest of its bytes."""
    if path.suffix == ".json":
        return _lasting(json.loads(path.read_bytes()))
    if path.suffix == ".jsonl":
        return [_lasting(json.loads(line)) for line in path.read_bytes().splitlines()]
    if path.suffix == ".npz":
        # A checkpoint's facts hold its epochs' seconds, and a block of features its own; the record has the rest.
        with np.load(path) as arrays:
            return {name: _digest(arrays[name].tobytes()) for name in arrays.files if name not in {"facts", "seconds"}}
    if path.suffix == ".h5":
        return dict(_h5_arrays(path))
    return _digest(path.read_bytes())


def _h5_arrays(path: Path) -> Iterator[tuple[str, str]]:
    with h5py.File(path) as file:
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            if isinstance(file[name], h5py.Dataset):
                yield name, _digest(np.asarray(file[name]).tobytes())


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(inner) for key, inner in value.items() if key not in TIMED | PLACED}
    if isinstance(value, list):
        return [_lasting(inner) for inner in value]
    # compress' reason, alone of all texts, tells latencies
    return re.sub(r"\d+\.\d+ ms", "? ms", value) if isinstance(value, str) else value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Where two results differ, each place with both values."""
    return [
        f"{name}: {one.get(name)} != {other.get(name)}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]
