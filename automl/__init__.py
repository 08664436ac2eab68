"""Point at a folder of images, get a verified ONNX bundle that is ready to deploy.

From Python: `automl.run("flowers", recipe="quick")`; see automl/api.py. Importing this package loads nothing else.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["batch", "check", "doctor", "list_runs", "predict", "remove_runs", "run", "show_run"]


def __getattr__(name: str) -> object:
    """The names of the Python interface, imported when they are first asked for."""
    if name in __all__:
        return getattr(import_module("automl.api"), name)
    raise AttributeError(f"module 'automl' has no attribute {name!r}")
