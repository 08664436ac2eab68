"""The end of a batch on the console: warnings in a few lines, and a table that breaks no word in a narrow terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from automl.cli import batch_summary, tables
from automl.cli.batch_summary import WARNING_LENGTH, print_batch, told_warnings

ACCURACY = {"value": 0.967, "low": 0.917, "high": 1.0}
EMPTY = {
    "accuracy": None, "chosen": "", "size_bytes": None, "latency_ms": None, "seconds": None, "error": "",
    "exit_code": 0, "warnings": [], "lacking": "",
}  # fmt: skip
DONE = {
    **EMPTY, "state": "done", "accuracy": ACCURACY, "chosen": "int8_minmax", "size_bytes": 2_600_000,
    "latency_ms": 7.31, "seconds": 740.0,
}  # fmt: skip
JOBS = [
    {**DONE, "name": "flowers", "warnings": ["the bundle is unverified: 12 held-out file(s) are too few to judge by"]},
    {**EMPTY, "name": "one", "state": "refused", "exit_code": 3, "error": "there is no folder here."},
    {**EMPTY, "name": "later", "state": "interrupted", "lacking": "no weights for resnet50 (not here): left out"},
]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (80, ["job", "state", "test accuracy", "variant", "MB", "ms", "min"]),
        (60, ["job", "state", "test accuracy", "variant", "MB"]),
        (40, ["job", "state", "test accuracy"]),
        (30, ["job", "state"]),
    ],
)
def test_a_narrow_terminal_does_without_columns_and_breaks_no_word(width, columns, monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, width=width, highlight=False)
    monkeypatch.setattr(tables, "stdout", lambda: console)
    monkeypatch.setattr(batch_summary, "stdout", lambda: console)
    print_batch({"jobs": JOBS, "page": "page.html"})
    lines = [line.rstrip() for line in screen.getvalue().splitlines() if line.strip()]
    assert lines[0].split() == " ".join(columns).split()
    assert all(cell_len(line) <= width for line in lines)
    words = " ".join(lines).split()
    assert {"flowers", "refused", "interrupted", "unverified:"} <= set(words)
    assert ("(0.917-1.000)" in words) == ("test accuracy" in columns)
    assert ("int8_minmax" in words) == ("variant" in columns)


def test_elsewhere_every_column_is_there_and_warnings_and_errors_are_a_line_each(capsys):
    print_batch({"jobs": JOBS, "page": "page.html"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["job", "state", "test", "accuracy", "variant", "MB", "ms", "min"]
    assert lines[4:] == [
        "  flowers: warning: the bundle is unverified: 12 held-out file(s) are too few to judge by",
        "  one (exit code 3): there is no folder here.",
        "  later: when the batch began there were no weights for resnet50 (not here): left out",
        "page  page.html",
    ]


def test_many_warnings_are_counted_and_long_ones_shortened_and_those_of_the_last_stages_are_told():
    told = told_warnings(["twice", "odd", "left out " * 40, "the probe\x1b is the model", "unverified"])
    assert told[0].startswith("warning: left out left out")
    assert told[0].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert len(told[0]) <= WARNING_LENGTH + len("warning: ")
    assert told[1:] == [
        "warning: the probe\N{REPLACEMENT CHARACTER} is the model",
        "warning: unverified",
        "2 more warning(s): see the page, or --json",
    ]
    assert told_warnings([]) == []
