"""The end of a batch on stdout: the table of all jobs, what ended or troubled them, and where the page lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from automl.cli.console import printable
from automl.cli.tables import ELLIPSIS, print_table, stdout

WARNINGS_TOLD: Final = 3  # of one job
WARNING_LENGTH: Final = 160  # characters


def print_batch(facts: Mapping[str, Any]) -> None:
    """The table of all jobs, what ended those that are not done, and where the page lies."""
    print_table(
        ("job", "state", "test accuracy", "variant", "MB", "ms", "min"),
        [_cells(job) for job in facts["jobs"]],
        right=("MB", "ms", "min"),
        spare=("min", "ms", "MB", "variant", "test accuracy"),
    )
    console = stdout()
    for job in facts["jobs"]:
        if job["error"]:
            _print_words(console, f"  {job['name']} (exit code {job['exit_code']}): {job['error']}")
        if job["lacking"]:
            _print_words(console, f"  {job['name']}: when the batch began there were {printable(job['lacking'])}")
        for line in told_warnings(job["warnings"]):
            _print_words(console, f"  {job['name']}: {line}")
    console.print(Text(f"page  {facts['page']}"), soft_wrap=True)


def _print_words(console: Console, text: str) -> None:
    """On a terminal folded between words, elsewhere one line."""
    console.print(Text(text), soft_wrap=not console.is_terminal)


def told_warnings(warnings: Sequence[str]) -> list[str]:
    """One line a warning, at most three, and how many more there are.

    Args: warnings: in the order of the stages. The last ones are told, for they are of the model and the bundle; the
        first are of the data.
    """
    short = [shorten(printable(text), WARNING_LENGTH, placeholder=ELLIPSIS) for text in warnings[-WARNINGS_TOLD:]]
    lines = [f"warning: {text}" for text in short]
    more = len(warnings) - len(lines)
    return lines + ([f"{more} more warning(s): see the page, or --json"] if more else [])


def _cells(job: Mapping[str, Any]) -> tuple[str, ...]:
    accuracy = job["accuracy"]
    return (
        job["name"],
        job["state"],
        f"{accuracy['value']:.3f} ({accuracy['low']:.3f}-{accuracy['high']:.3f})" if accuracy else "",
        job["chosen"],
        "" if job["size_bytes"] is None else f"{job['size_bytes'] / 1e6:.2f}",
        "" if job["latency_ms"] is None else f"{job['latency_ms']:.2f}",
        "" if job["seconds"] is None else f"{job['seconds'] / 60:.1f}",
    )
