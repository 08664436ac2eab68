"""What ends a run before its first stage begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automl import api
from automl.errors import RecipeError


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"pick.max_params_m": 0.1}, "mobilenetv3small: 0.939 million parameters, pick.max_params_m allows 0.1"),
        (
            {"pick.licences": "MIT"},
            "mobilenetv2: the licence of its weights is 'Apache-2.0', pick.licences accepts MIT",
        ),
    ],
    ids=["parameters", "licences"],
)
def test_limits_that_leave_no_backbone_are_told_before_a_file_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], why: str
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "data" / label / f"{number}.png").touch()
    heard: list[Mapping[str, Any]] = []
    with pytest.raises(RecipeError, match="no backbone is left to choose from") as refused:
        api.run(tmp_path / "data", settings=settings, runs=tmp_path / "runs", exports=tmp_path / "exports",
                hear=heard.append)  # fmt: skip
    assert why in str(refused.value)
    assert [event["event"] for event in heard] == ["run started", "failed"]
