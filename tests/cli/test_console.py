import contextlib
import io
import sys
import time
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from automl.cli.console import SPEED_S, TITLE, LiveLines, PlainLines, StageProgress
from automl.errors import ResourceMissing
from automl.stage_table import STAGES

STORY = [
    {"event": "run started", "name": "flowers", "folder": "/runs/flowers", "resumed": False, "layout": "folders"},
    {"event": "stage started", "stage": "check", "number": 1, "of": 10, "does": "open and decode every file"},
    {"event": "progress", "stage": "check", "done": 50, "total": 100, "text": "decoded"},
    {"event": "warning", "stage": "check", "text": "a name with \x1b[31m colour \x07"},
    {"event": "stage done", "stage": "check", "number": 1, "of": 10, "seconds": 4.25},
    {"event": "stage skipped", "stage": "split", "number": 2, "of": 10, "seconds": 0.1},
    {"event": "run done", "bundle": "b", "report": "r"},
]


def test_plain_lines_tell_the_story_without_control_characters_and_progress_only_now_and_then(capsys):
    clock = iter(range(0, 1000, 4)).__next__
    hear = PlainLines(clock)
    for event in STORY[:2] + [STORY[2]] * 5 + STORY[3:]:
        hear(event)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "starting flowers in /runs/flowers (folders)"
    assert lines[1] == " 1/10 check: open and decode every file"
    progress = [line for line in lines if "50/100" in line]
    assert 1 <= len(progress) <= 2
    assert "s left" in progress[0]
    assert lines[-3] == "warning: a name with \N{REPLACEMENT CHARACTER}[31m colour \N{REPLACEMENT CHARACTER}"
    assert lines[-2:] == [" 1/10 check done in 4.2 s", " 2/10 split was finished before"]
    assert all(line.isprintable() for line in lines)


def test_live_lines_show_the_stage_at_work_and_keep_a_line_of_each_that_ended():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, highlight=False)
    with Progress(console=console, transient=True) as progress:
        hear = LiveLines(console, progress)
        for event in STORY[:3]:
            hear(event)
        (task,) = progress.tasks
        assert (task.completed, task.total, task.fields["note"]) == (50, 100, "decoded")
        for event in STORY[3:]:
            hear(event)
        assert not progress.tasks
    shown = screen.getvalue()
    assert "check done in 4.2 s" in shown
    assert "split was finished before" in shown
    assert "colour \x07" not in shown


@pytest.mark.parametrize(("seconds", "until"), [(9 * 3600, "%H:%M"), (3 * 86_400, "%d %B %Y, %H:%M")])
def test_a_deadline_that_still_holds_is_told_in_one_line_on_either_console(seconds, until, capsys):
    event = {"event": "deadline kept", "until": 1_800_000_000.0, "seconds": seconds, "of": "interrupted"}
    clock = time.strftime(until, time.localtime(event["until"]))
    wanted = f"until {clock}, the deadline of the interrupted command; --deadline gives another"
    PlainLines()(event)
    assert capsys.readouterr().err == wanted + "\n"
    terminal = Terminal(120)
    terminal.hear(event)
    assert Text.from_ansi(terminal.screen.getvalue()).plain == wanted + "\n"


def test_a_batchs_jobs_are_told_with_their_share_of_the_time_and_errors_on_one_line(capsys):
    hear = PlainLines()
    until = time.mktime((2026, 11, 22, 3, 5, 0, 0, 0, -1))
    place = {"number": 2, "of": 3, "name": "pets"}
    hear({"event": "job started", **place, "until": None, "seconds": None})
    hear({"event": "job started", **place, "until": until, "seconds": 5400.0})
    hear({"event": "job started", **place, "until": until, "seconds": 17.2})
    hear({"event": "job started", **place, "until": until, "seconds": 119.4})
    hear({"event": "job ended", **place, "state": "done", "error": "", "seconds": 60.0})
    hear({"event": "job ended", **place, "state": "failed", "error": "two\n  lines", "seconds": 60.0})
    assert capsys.readouterr().err.splitlines() == [
        "job 2/3 pets",
        "job 2/3 pets, until 03:05: its share of the time left, 90 min",
        "job 2/3 pets, until 03:05: its share of the time left, 17 s",
        "job 2/3 pets, until 03:05: its share of the time left, 119 s",
        "job 2/3 pets: done",
        "job 2/3 pets: failed: two lines",
    ]


# The live line in terminals of several widths

TRIAL = "best 0.912, trial 12: learning rate 0.0012, dropout 0.3, augment strong, label smoothing 0.1, unfreeze 3"


class Terminal:
    """A terminal of some width, whose clock the test turns."""

    def __init__(self, width: int) -> None:
        self.screen = io.StringIO()
        self.console = Console(
            file=self.screen, force_terminal=True, color_system="standard", width=width, highlight=False
        )
        self.now = 1000.0
        self.progress = StageProgress(
            console=self.console, auto_refresh=False, get_time=lambda: self.now, speed_estimate_period=SPEED_S
        )
        self.hear = LiveLines(self.console, self.progress)

    def line(self) -> str:
        """What is drawn for the stage at work; it must be one line."""
        with self.console.capture() as drawn:
            self.console.print(self.progress.get_renderable())
        (line,) = Text.from_ansi(drawn.get()).plain.splitlines()
        assert cell_len(line) <= self.console.width
        return line

    def tune(self, note: str) -> None:
        """Half of twenty trials, 100 s each."""
        self.hear({"event": "stage started", "stage": "evaluate", "number": 10, "of": 10, "does": "search"})
        for done in range(11):
            self.hear({"event": "progress", "stage": "evaluate", "done": done, "total": 20, "text": note})
            self.now += 100 if done < 10 else 5


@pytest.mark.parametrize(
    ("width", "bar", "times"),
    [(120, 24, ["0:16:45", "0:16:40"]), (80, 12, ["0:16:45", "0:16:40"]), (79, 12, ["0:16:40"]), (60, 12, ["0:16:40"]),
     (40, 6, ["0:16:40"]), (32, 6, ["0:16:40"])],
)  # fmt: skip
def test_a_long_note_is_cut_and_title_bar_and_times_are_whole(width, bar, times):
    terminal = Terminal(width)
    terminal.tune(TRIAL)
    title, rest = terminal.line()[:TITLE], terminal.line()[TITLE + 1 :]
    assert title == "10/10 evaluate"
    assert set(rest[:bar]) <= set("━╸╺")
    assert rest[bar] == " "
    note = rest[bar + 1 :].removesuffix(" " + " ".join(times))
    assert note != rest[bar + 1 :]
    assert note.endswith("…")
    assert TRIAL.startswith(note[:-1])


def test_the_line_is_laid_out_anew_when_the_terminal_becomes_narrower():
    terminal = Terminal(120)
    terminal.tune("short")
    assert terminal.line().split()[-3:] == ["short", "0:16:45", "0:16:40"]
    terminal.console.width = 60
    assert terminal.line().split()[-2:] == ["short", "0:16:40"]


def test_every_stages_title_fits():
    assert len(STAGES) == 10
    assert max(len(f"10/10 {stage.name}") for stage in STAGES) == TITLE


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_a_long_warning_is_folded_between_words_and_goes_on_indented(width):
    terminal = Terminal(width)
    text = "3 images could not be read and were left out: daisy/IMG_2026.jpg, two more in check/rejected.csv " * 2
    terminal.hear({"event": "warning", "stage": "check", "text": text.strip()})
    first, *more = Text.from_ansi(terminal.screen.getvalue()).plain.splitlines()
    assert first.startswith("warning: 3 images could")
    assert more
    assert all(line.startswith("  ") and not line.startswith("   ") for line in more)
    assert all(cell_len(line) <= width for line in (first, *more))
    assert " ".join(line.strip() for line in (first, *more)) == f"warning: {text.strip()}"


def test_progress_that_a_full_disk_refuses_is_an_error_in_words(monkeypatch):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        with pytest.raises(
            ResourceMissing, match=r"said on stderr cannot be written: No space left on device\. Wanted"
        ):
            PlainLines()({"event": "stage started", "stage": "check", "number": 1, "of": 2, "does": "look"})
        with contextlib.suppress(OSError):
            full.close()
