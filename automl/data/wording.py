"""How a sentence names the first few of many. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

N_NAMED: Final = 5


def first_of(told: Sequence[str]) -> str:
    """The first in their order: "a, b, c, d, e and 3 more"."""
    more = f" and {len(told) - N_NAMED} more" if len(told) > N_NAMED else ""
    return ", ".join(told[:N_NAMED]) + more
