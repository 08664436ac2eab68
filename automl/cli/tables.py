"""Tables on the console: ruled on a terminal, plain aligned columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 10_000
"""Columns of output that is no terminal: wider than a path can be long, so that no row of ours is folded."""

GAP = 3
"""Between two columns of a table on a terminal."""

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def stdout() -> Console:
    """The console for results."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    strong: int | None = None,
    paths: str | None = None,
    spare: Sequence[str] = (),
) -> None:
    """Cells are text, never markup.

    Args:
        right: columns that hold numbers.
        strong: index of the row to stress.
        paths: column of paths, which a terminal too narrow for the whole table shows shortened, so that the other
            columns stay whole; a column that would take more than half of the terminal is folded all the same.
        spare: columns that a terminal does without, the least needed first, where words would else be broken.
    """
    rows = list(rows)
    console = stdout()
    if console.is_terminal:
        columns, rows = without_spare(columns, rows, spare, console.width)
    table = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        width = max(cell_len(cells[index]) for cells in [columns, *rows])
        table.add_column(
            Text(name),
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=_stays_whole(name, [cells[index] for cells in rows], paths, spare) and width <= console.width // 2,
        )
    for number, row in enumerate(rows):
        cells = (PathCell(cell) if name == paths else Text(cell) for name, cell in zip(columns, row, strict=True))
        table.add_row(*cells, style="bold" if number == strong else "")
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as shown:
        console.print(table)
    for line in shown.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)


def _stays_whole(name: str, cells: Sequence[str], paths: str | None, spare: Sequence[str]) -> bool:
    """Whether a column is not to be folded as long as others can give way."""
    if spare:
        return not any(" " in cell for cell in cells)
    return paths is not None and name != paths


def without_spare(
    columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], width: int
) -> tuple[list[str], list[list[str]]]:
    """The table without as many spare columns as it takes until no word need be broken in a terminal of that width.

    A column that would take more than half of the terminal counts as half: it is folded whatever goes.
    """
    least = {}
    for index, name in enumerate(columns):
        words = [word for cells in [columns, *rows] for word in cells[index].split()]
        least[name] = min(max(map(cell_len, words), default=0), width // 2)
    gone = set()
    for name in spare:
        if sum(least.values()) + GAP * (len(least) - 1) <= width:
            break
        del least[name]
        gone.add(name)
    kept = [index for index, name in enumerate(columns) if name not in gone]
    return [columns[index] for index in kept], [[cells[index] for index in kept] for cells in rows]


class PathCell:
    """A path in a table, shortened to the room there is."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, cell_len(self._path)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shortened(self._path, options.max_width), no_wrap=True, overflow="crop")


def shortened(path: str, width: int) -> str:
    """The path in at most `width` columns of a terminal: folders go first, from the left; then the name's middle.

    A quoted path keeps its first quotation mark.
    """
    if cell_len(path) <= width:
        return path
    mark = path[0] if path[0] == path[-1] and path[0] in "'\"" else ""
    parts = path.split("/")
    for gone in range(1, len(parts)):
        if cell_len(short := "/".join((mark + ELLIPSIS, *parts[gone:]))) <= width:
            return short
    head = tail = path if len(parts) == 1 else mark + parts[-1]
    while head and cell_len(head) > (width - 1) // 2:
        head = head[:-1]
    while tail and cell_len(tail) > width - 1 - cell_len(head):
        tail = tail[1:]
    return head + ELLIPSIS + tail
