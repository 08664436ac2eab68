"""What `automl run` says when it is interrupted: a command that goes on, and throws nothing away."""

from __future__ import annotations

import pytest

import automl.api
from automl.cli.run import run_and_print, without_done_options
from automl.errors import Interrupted, Terminated


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("run d --name n --set a.b=1", "run d --name n --set a.b=1"),
        ("run d --redo compress --set a.b=1 --deadline 115s", "run d --set a.b=1"),
        ("run --deadline=07:00 --redo=train d", "run d"),
        ("run --name n -- --redo", "run --name n -- --redo"),
        ("run d --redo", "run d"),
    ],
)
def test_the_hinted_command_has_no_redo_and_no_deadline(words, wanted):
    assert without_done_options(words.split()) == wanted.split()


@pytest.mark.parametrize("error", [Interrupted, Terminated])
@pytest.mark.parametrize(
    ("events", "hint"),
    [
        (["run started", "stage started"], "automl run 'my data' --set a.b=1"),
        ([], "automl run 'my data' --redo train --set a.b=1 --deadline 9h"),  # nothing was stored or thrown away yet
    ],
)
def test_an_interrupted_run_hints_at_the_whole_command_until_it_has_begun(events, hint, error, tmp_path, monkeypatch):
    def run(dataset, *, hear, **options):
        for event in events:
            hear({"event": event, "name": "n", "folder": "f", "resumed": True, "stage": "train", "does": "train"})
        raise error("stopped")

    monkeypatch.setattr(automl.api, "run", run)
    words = ["automl", "run", "my data", "--redo", "train", "--set", "a.b=1", "--deadline", "9h"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(error) as ended:
        run_and_print(tmp_path)
    assert str(ended.value) == f"stopped. What was finished is kept; to go on: {hint}"
