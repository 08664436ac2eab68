"""The pipeline's stand-in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from automl.batches import loop
from tests.batches.fake_runs import FakeRuns


@pytest.fixture(autouse=True)
def weights_that_nobody_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on this machine nor in the network; tests of that have their own places."""
    monkeypatch.setattr(loop, "fetch_ahead", lambda *_: {})


@pytest.fixture
def runs_that_end(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeRuns]:
    def make(**ends: BaseException | None) -> FakeRuns:
        fake = FakeRuns(ends)
        monkeypatch.setattr(loop, "execute", fake)
        return fake

    return make
