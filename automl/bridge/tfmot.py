"""The one place that imports TensorFlow Model Optimization, and undoes what its import does to the process.

It sets TF_USE_LEGACY_KERAS, which every process started from here would inherit and which turns their `tf.keras` into
another library; and it warns twice about Python's distutils.
"""

from __future__ import annotations

import os
import warnings
from typing import Final

VARIABLE: Final = "TF_USE_LEGACY_KERAS"

_before = os.environ.get(VARIABLE)
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "distutils Version classes are deprecated", DeprecationWarning)
    from tensorflow_model_optimization.sparsity import keras as sparsity
if _before is None:
    os.environ.pop(VARIABLE, None)
else:
    os.environ[VARIABLE] = _before

__all__ = ["VARIABLE", "sparsity"]
