"""tfmot spoils the process that imports it; ours takes that back."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import os, sys
before = dict(os.environ)
import automl.bridge.prune
assert "tensorflow_model_optimization" in sys.modules
print({key for key in os.environ if os.environ[key] != before.get(key) and "KERAS" in key} or "nothing")
print(os.environ.get("TF_USE_LEGACY_KERAS"))
import keras
print(keras.__version__)
"""


def test_the_environment_is_as_it_was_after_the_import():
    environment = {key: text for key, text in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True)
    changed, variable, version = done.stdout.split("\n")[:3]
    assert (changed, variable) == ("nothing", "None")
    assert version.startswith("3.")
