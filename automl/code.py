"""Code that a table names as text ("module:function") is imported here, when it runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module


def load_entry(entry: str) -> Callable[..., object]:
    """The function (or class) that the text names.

    Raises: ModuleNotFoundError, AttributeError: the table's text is wrong; TypeError: it names no callable.
    """
    module, _, name = entry.partition(":")
    found = getattr(import_module(module), name)
    if not callable(found):
        raise TypeError(f"{entry} is not callable")
    return found  # type: ignore[no-any-return]  # getattr's Any, checked above
