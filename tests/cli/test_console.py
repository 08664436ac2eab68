import io
import time

from rich.console import Console
from rich.progress import Progress

from automl.cli.console import LiveLines, PlainLines

STORY = [
    {"event": "run started", "name": "flowers", "folder": "/runs/flowers", "resumed": False},
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
    assert lines[0] == "starting flowers in /runs/flowers"
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


def test_a_batchs_jobs_are_told_with_their_share_of_the_time_and_errors_on_one_line(capsys):
    hear = PlainLines()
    until = time.mktime((2026, 11, 22, 3, 5, 0, 0, 0, -1))
    place = {"number": 2, "of": 3, "name": "pets"}
    hear({"event": "job started", **place, "until": None, "seconds": None})
    hear({"event": "job started", **place, "until": until, "seconds": 5400.0})
    hear({"event": "job ended", **place, "state": "done", "error": "", "seconds": 60.0})
    hear({"event": "job ended", **place, "state": "failed", "error": "two\n  lines", "seconds": 60.0})
    assert capsys.readouterr().err.splitlines() == [
        "job 2/3 pets",
        "job 2/3 pets, until 03:05: its share of the time left, 90 min",
        "job 2/3 pets: done",
        "job 2/3 pets: failed: two lines",
    ]
