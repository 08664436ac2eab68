"""Progress on stderr: a live line a stage on a terminal, plain lines without control characters elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from automl.errors import OutputClosed, ResourceMissing

Hear = Callable[[Mapping[str, Any]], None]
QUIET_S: Final = 10.0
"""Seconds between two plain progress lines of one stage."""
SPEED_S: Final = 3600.0
"""Over how much of the past the time left is reckoned: trials take minutes each, and two are needed."""
DAY_S: Final = 86_400.0
"""A moment that is further away is told with its date."""
INDENT: Final = "  "
TITLE: Final = 14
"""Columns of the longest title, "10/10 evaluate": the bars of all stages begin at the same place."""
TIME: Final = 7
"""Columns of a time, h:mm:ss."""


@contextlib.contextmanager
def watching() -> Iterator[Hear]:
    """What to call with a run's events; the display is put in order at the end, however that comes."""
    if not sys.stderr.isatty():
        yield PlainLines()
        return
    console = Console(file=sys.stderr, highlight=False)
    with StageProgress(console=console, transient=True, speed_estimate_period=SPEED_S) as progress:
        yield LiveLines(console, progress)


class StageProgress(Progress):
    """The live line, laid out anew for the terminal's width at each drawing."""

    def get_renderables(self) -> Iterable[RenderableType]:
        if not self.tasks:  # as when the base class, half made and without a console, asks for the first time
            return
        self.columns = line_of(self.console.width)
        table = self.make_tasks_table(self.tasks)
        table.expand = True  # the note has what the others leave
        yield table


def line_of(width: int) -> tuple[ProgressColumn, ...]:
    """Title, bar, note, time since the stage began, time left. In a narrow terminal the first time goes.

    Whatever the note says, the others are whole from 32 columns on.
    """
    bar = 24 if width >= 100 else 12 if width >= 60 else 6
    elapsed = (TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=TIME, justify="right")),)
    return (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, min_width=TITLE)),
        BarColumn(bar_width=bar, table_column=Column(no_wrap=True, min_width=bar)),
        NoteColumn(table_column=Column(ratio=1)),
        *(elapsed if width >= 80 else ()),
        TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=TIME, justify="right")),
    )


class NoteColumn(ProgressColumn):
    """What the stage is doing, on one line: cut with an ellipsis where there is no room."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["note"], no_wrap=True, overflow="ellipsis")


class PlainLines:
    """One line an event; progress at most every ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._stage_began = clock()

    def __call__(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "progress":
            if self._clock() - self._last < QUIET_S:
                return
            line = f"  {event['stage']}: {_progress_words(event, self._clock() - self._stage_began)}"
        else:
            line = words(event)
        if kind == "stage started":
            self._stage_began = self._clock()
        self._last = self._clock()
        if line:
            try:
                print(printable(line), file=sys.stderr, flush=True)  # noqa: T201  # this is the console
            except BrokenPipeError:
                raise OutputClosed("nobody reads what is said any more") from None
            except OSError as error:
                raise ResourceMissing(
                    f"what is said on stderr cannot be written: {error.strerror}. Wanted: room for it. Make room on "
                    "that disk, or send it elsewhere."
                ) from error


class LiveLines:
    """One moving line for the stage at work, a settled line for each that ended."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._task: TaskID | None = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "stage started":
            self._drop()
            self._task = self._progress.add_task(_title(event), total=None, note=event["does"])
        elif kind == "progress":
            if self._task is not None:
                total = event["total"] or None
                self._progress.update(self._task, completed=event["done"], total=total, note=printable(event["text"]))
        else:
            if kind != "warning":
                self._drop()
            if line := words(event):
                style = {"warning": "yellow", "failed": "red", "stage skipped": "dim", "job started": "bold"}.get(
                    kind, ""
                )
                self._print(Text(printable(line), style=style))

    def _print(self, line: Text) -> None:
        """A line that is too long is folded between words, and goes on indented."""
        folded = line.wrap(self._console, max(self._console.width - len(INDENT), 1))
        self._console.print(Text(f"\n{INDENT}").join(folded))

    def _drop(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def words(event: Mapping[str, Any]) -> str:
    """One line for one event; empty for what the summary or the error message says."""
    match event["event"]:
        case "run started":
            line = f"{'resuming' if event['resumed'] else 'starting'} {event['name']} in {event['folder']}"
            line += f" ({event['layout']})" if event.get("layout") else ""
        case "deadline kept":
            clock = "%H:%M" if event["seconds"] < DAY_S else "%d %B %Y, %H:%M"
            until = time.strftime(clock, time.localtime(event["until"]))
            line = f"until {until}, the deadline of the {event['of']} command; --deadline gives another"
        case "stage started":
            line = f"{_title(event)}: {event['does']}"
        case "stage done":
            line = f"{_title(event)} done in {event['seconds']:.1f} s"
        case "stage skipped":
            line = f"{_title(event)} was finished before"
        case "warning":
            line = f"warning: {event['text']}"
        case _:
            line = _job_words(event)
    return line


def _title(event: Mapping[str, Any]) -> str:
    number = f"{event['number']:>2}/{event['of']} " if "number" in event else "      "
    return f"{number}{event['stage']}"


def _job_words(event: Mapping[str, Any]) -> str:
    """One line for a job of a batch that begins or ends; empty for any other event."""
    if event["event"] not in {"job started", "job ended"}:
        return ""
    job = f"job {event['number']}/{event['of']} {event['name']}"
    if event["event"] == "job ended":
        return f"{job}: {event['state']}" + (f": {' '.join(event['error'].split())}" if event["error"] else "")
    if event["until"] is None:
        return job
    clock = time.strftime("%H:%M", time.localtime(event["until"]))
    return f"{job}, until {clock}: its share of the time left, {_span(event['seconds'])}"


def _span(seconds: float) -> str:
    """ "17 s" below two minutes, else "12 min"."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _progress_words(event: Mapping[str, Any], seconds: float) -> str:
    done, total = event["done"], event["total"]
    left = f", about {seconds * (total - done) / done:.0f} s left" if 0 < done < total else ""
    return f"{done}/{total} {event['text']}{left}".strip()


def printable(text: str) -> str:
    """Names come from the data: control characters in them must not reach a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
