"""What is remembered from one run to the next: JSON files in the user's cache folder.

Each is written whole or not at all. One that cannot be read is as good as none; one that cannot be written costs the
next run the work again, and this one nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.runs.atomic import write_json


def cache_file(name: str) -> Path:
    """$XDG_CACHE_HOME/automl/NAME, else ~/.cache/automl/NAME."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "automl" / name


def remembered(name: str) -> dict[str, dict[str, Any]]:
    """What the file holds, by key."""
    try:
        known = json.loads(cache_file(name).read_bytes())
    except (OSError, ValueError):
        return {}
    return {key: facts for key, facts in known.items() if isinstance(facts, dict)} if isinstance(known, dict) else {}


def remember(name: str, fresh: Mapping[str, object]) -> None:
    """Add to the file; what another process has put there meanwhile stays."""
    if fresh:
        with contextlib.suppress(OSError):
            write_json(cache_file(name), {**remembered(name), **fresh})
