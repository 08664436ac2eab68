"""Hostile folders, archives and manifests: nothing hangs, leaves the run's folder or grows, and each is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import archives, images, tables

PHOTOS = Path(__file__).parents[2].parent / "shared" / "datasets" / "dogcat.tar.gz"


def _met(work: Path, *arguments: object) -> dict[str, Any]:
    """What a process of its own says: no other test's memory and warnings are counted."""
    command = [sys.executable, "-m", "tests.hostile.meet", str(work), *map(str, arguments)]
    root = Path(__file__).parents[2]
    where = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=root, env=where, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _holds(met: dict[str, Any], files: int, rounds: int) -> None:
    assert met["faults"] == []
    assert met["files"] == files
    assert sum(met["archives"].values()) == rounds * len(archives.KINDS)
    assert sum(met["tables"].values()) == rounds * len(tables.KINDS)
    assert all(seconds < 5 for kind in met["slowest_s"].values() for seconds in kind.values()), met["slowest_s"]
    assert all(grown < 300 for grown in met["grown_mb"].values()), met["grown_mb"]


def test_every_kind_of_hostile_input_is_named_or_refused_and_good_files_get_through(tmp_path: Path) -> None:
    n = 2 * len(images.KINDS)  # each kind, then the light ones again
    _holds(_met(tmp_path, 7, n, 1), n, 1)


@pytest.mark.slow
def test_a_thousand_hostile_files_are_named_and_good_files_get_through(tmp_path: Path) -> None:
    _holds(_met(tmp_path, 1, 1000, 5), 1000, 5)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not PHOTOS.exists(), reason="the shared dataset dogcat is not there")
def test_a_thousand_files_spoilt_from_real_photos_are_named(tmp_path: Path) -> None:
    with tarfile.open(PHOTOS) as tar:
        tar.extractall(tmp_path / "dogcat", filter="data")
    _holds(_met(tmp_path / "work", 2, 1000, 1, tmp_path / "dogcat"), 1000, 1)
