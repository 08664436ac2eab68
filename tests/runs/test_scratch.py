"""Scratch folders: gone at the end, swept after a kill, never taken from a process at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from automl.runs.scratch import LOCK, scratch

DIE = """
import os, signal
from automl.runs.scratch import scratch
with scratch("automl-check-") as place:
    (place / "pixels").mkdir()
    (place / "pixels" / "shard").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def leave_one_behind(temporary: Path) -> Path:
    ended = subprocess.run([sys.executable, "-c", DIE], env={**os.environ, "TMPDIR": str(temporary)}, check=False)
    assert ended.returncode == -signal.SIGKILL
    (left,) = temporary.iterdir()
    return left


def test_what_a_killed_process_left_is_removed_by_the_next_of_its_kind_alone(temporary: Path) -> None:
    left = leave_one_behind(temporary)
    assert (left / "pixels" / "shard").exists()

    with scratch("automl-scratch-"):
        assert left.exists()
    with scratch("automl-check-"):
        assert not left.exists()
    assert list(temporary.iterdir()) == []


def test_a_folder_in_use_and_one_that_nobody_can_tell_whose_it_is_stay(temporary: Path) -> None:
    (temporary / "automl-check-of-somebody").mkdir()
    (temporary / "automl-check-kept.log").write_text("the whole story")
    with scratch("automl-check-") as first:
        (first / "file").write_text("x")
        with scratch("automl-check-") as second:
            assert first != second
        assert (first / "file").exists()

    assert {path.name for path in temporary.iterdir()} == {"automl-check-of-somebody", "automl-check-kept.log"}


def test_the_folder_of_another_user_and_a_link_are_left_alone(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = leave_one_behind(temporary)
    with monkeypatch.context() as patched:
        own = os.getuid()
        patched.setattr(os, "getuid", lambda: own + 1)
        with scratch("automl-check-"):
            assert (left / "pixels" / "shard").exists()

    elsewhere = temporary / "mine"
    left.rename(elsewhere)
    (temporary / "automl-check-link").symlink_to(elsewhere)
    with scratch("automl-check-"):
        assert (elsewhere / "pixels" / "shard").exists()


def test_what_cannot_be_removed_at_once_keeps_its_lock_for_a_later_sweep(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = leave_one_behind(temporary)
    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", lambda *_, **__: None)  # as where its last child still writes
        with scratch("automl-other-"), scratch("automl-check-"):
            assert (left / LOCK).exists()

    with scratch("automl-check-"):
        assert not left.exists()
