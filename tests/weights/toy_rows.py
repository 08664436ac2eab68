"""Backbones whose weights files are a few bytes, in a table of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from automl.cli.weights import weights as weights_command
from automl.nets import catalogue, weights
from automl.nets.catalogue import SMALLNET, Backbone, WeightsFile, backbone_named
from automl.nets.fetch import host_trouble
from automl.weights import stock, verify
from tests.weights_host import Host, content, serving

SMALL, TWO = content(4000), content(8000)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Toys:
    """The table's rows, the host that serves their files, Keras' cache and the user's folder."""

    small: Backbone
    two: Backbone
    host: Host
    cache: Path
    folder: Path

    def serve(self) -> None:
        """Have the host serve both files."""
        self.host.files |= {"/models/small.h5": SMALL, "/models/two.h5": TWO}

    @property
    def words(self) -> list[str]:
        """Of a command: a recipe that needs both, and the small net."""
        return ["--set", "backbones=[mobilenetv3small, mobilenetv2, smallnet]"]


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Toys]:
    """mobilenetv3small, of which Keras states a checksum, and mobilenetv2, of which it states none."""
    small = replace(
        backbone_named("mobilenetv3small"),
        weights_files=(WeightsFile("models", "small.h5", sha256(SMALL)),),
        topped_files=(WeightsFile("models", "small-topped.h5", sha256(TWO)),),
    )
    two = replace(
        backbone_named("mobilenetv2"),
        weights_files=(WeightsFile("models", "two.h5"), WeightsFile("models", "two-96.h5", size_px=96)),
    )
    for module in (weights, stock, verify):
        monkeypatch.setattr(module, "BACKBONES", (small, two, SMALLNET))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    folder = tmp_path / "own"
    folder.mkdir()
    host_trouble.cache_clear()
    with serving() as host:
        monkeypatch.setattr(catalogue, "KERAS_HOST", host.url)
        yield Toys(small=small, two=two, host=host, cache=tmp_path / "keras" / "models", folder=folder)
    host_trouble.cache_clear()


def said(*words: object) -> str:
    """What `automl weights WORDS` prints; an error is raised as it is."""
    done = CliRunner().invoke(weights_command, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout
