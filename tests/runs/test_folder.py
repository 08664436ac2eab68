"""What a run's folder tells of files that other versions, kills and editors may have left."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.runs.folder import RunFolder


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ('{"seconds": {"smallnet": 1.5}}', 1.5),
        ('{"seconds": {"mobilenetv2": 8}}', None),
        ('{"seconds": {"smallnet": null}}', None),
        ('{"seconds": 3}', None),
        ('{"sec', None),
        (None, None),
    ],
)
def test_a_rehearsal_that_is_not_told_is_unknown_and_no_fault(
    tmp_path: Path, text: str | None, seconds: float | None
) -> None:
    folder = RunFolder(tmp_path)
    if text is not None:
        folder.rehearsal_json.write_text(text)
    assert folder.rehearsed_s("smallnet") == seconds
