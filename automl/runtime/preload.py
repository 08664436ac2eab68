"""Imported once by the forkserver, so that each keras child starts with Keras already in memory.

Imports only: nothing here may create a device, a thread pool or a session (docs/design.md, decision 3). The forkserver
swallows an ImportError of its preload, so every child says whether Keras was there, and the front complains.
"""

from __future__ import annotations

import os

log = os.environ.get("AUTOML_FORKSERVER_LOG")
if log:
    # TensorFlow writes to the descriptors, not to sys.stderr, and does so even at its quietest level.
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras  # noqa: E402  # after the descriptors and the environment, on purpose

KERAS_VERSION = keras.__version__
