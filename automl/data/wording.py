"""How sentences and findings name the first few of many. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from automl.types import N_EXAMPLES

N_NAMED: Final = 5
LONGEST_SHOWN: Final = 100  # characters of a name that a sentence shows


def first_of(told: Sequence[str]) -> str:
    """The first in their order: "a, b, c, d, e and 3 more"."""
    more = f" and {len(told) - N_NAMED} more" if len(told) > N_NAMED else ""
    return ", ".join(told[:N_NAMED]) + more


def some(names: Iterable[str], ending: str = "") -> str:
    """The first different names in words: "a/, b/ and 3 more"."""
    return first_of([f"{shown(name)}{ending}" for name in sorted(set(names))])


def shown(name: str) -> str:
    """A name from the dataset as a message can hold it: cut where it is long, quoted where it is not printable."""
    text = name if len(name) <= LONGEST_SHOWN else f"{name[: LONGEST_SHOWN - 3]}..."
    return text if text.isprintable() else repr(text)


def examples(paths: Iterable[str]) -> tuple[str, ...]:
    """As many as a finding holds."""
    return tuple(islice(paths, N_EXAMPLES))
