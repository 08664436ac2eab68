import subprocess
import sys

import pytest

from automl.errors import RunLocked
from automl.runs.lock import is_locked, locked

HOLD = """
import sys
from pathlib import Path
from automl.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_run_and_a_dead_holder_holds_nothing(tmp_path):
    path = tmp_path / "flowers" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        assert is_locked(path)
        with (
            pytest.raises(RunLocked, match=rf"'flowers' is being worked on by process {holder.pid} on .* since"),
            locked(path),
        ):
            pass
        holder.kill()
    assert not is_locked(path)
    with locked(path):
        assert is_locked(path)
