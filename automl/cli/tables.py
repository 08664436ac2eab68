"""Tables on the console: ruled on a terminal, plain aligned columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 200
"""Columns of output that is no terminal: wide enough that no row of ours is folded."""


def stdout() -> Console:
    """The console for results."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = (), strong: int | None = None
) -> None:
    """Args: right: columns that hold numbers; strong: index of the row to stress. Cells are text, never markup."""
    table = Table(box=SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for number, row in enumerate(rows):
        table.add_row(*(Text(cell) for cell in row), style="bold" if number == strong else "")
    console = stdout()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as shown:
        console.print(table)
    for line in shown.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)
