"""Imported once by the forkserver, so that each keras child starts with Keras already in memory.

Imports only: nothing here may create a device, a thread pool or a session (docs/design.md, decision 3). The forkserver
swallows an ImportError of its preload, so every child says whether Keras was there, and the front complains.
"""

from __future__ import annotations

import atexit
import os

log = os.environ.get("AUTOML_FORKSERVER_LOG")
if log:
    # TensorFlow writes to the descriptors, not to sys.stderr, and does so even at its quietest level.
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:  # a full disk: the server goes on without its log, and the stage says what it cannot write
        handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras  # noqa: E402  # after the descriptors and the environment, on purpose

KERAS_VERSION = keras.__version__


def _leave_at_once() -> None:
    """End the server the moment the front is gone, and its children with it: TensorFlow's own end takes a second."""
    os._exit(0)


atexit.register(_leave_at_once)  # in the server alone: a child ends by os._exit and never comes here
