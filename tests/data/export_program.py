"""The export in a process of its own, as in a run: for tests whose package should not be loaded into theirs."""

from __future__ import annotations

import sys
from pathlib import Path

from automl.data.exporting import export
from automl.errors import AutomlError

if __name__ == "__main__":
    try:
        print(export(Path(sys.argv[1]), Path(sys.argv[2])))
    except AutomlError as error:
        print(f"{type(error).__name__}: {error}")
        sys.exit(error.exit_code)
