from datetime import datetime, timedelta, timezone

import pytest

from automl.errors import UsageError
from automl.runs.deadline import overrun, parse_deadline

NOW = datetime(2026, 11, 21, 22, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("3m", 180), ("2h", 7200), ("1.5h", 5400), ("23:00", 1800), ("07:00", 8.5 * 3600), ("22:30", 86400)],
)
def test_a_deadline_is_a_span_or_the_next_such_time_of_day(text, seconds):
    assert parse_deadline(text, NOW) == NOW.timestamp() + seconds


@pytest.mark.parametrize("text", ["", "soon", "90", "0s", "24:00", "7:5", "-3m", "3 m", "1d", "9999h"])
def test_anything_else_is_refused_with_what_is_wanted(text):
    with pytest.raises(UsageError, match="is no deadline. Wanted: 90s, 3m, 2h, or a time of day such as 07:00"):
        parse_deadline(text, NOW)


@pytest.mark.parametrize(
    ("deadline_at", "ended_at", "late", "wanted"),
    [
        (None, 100.0, (), ""),
        (100.0, 90.0, (), ""),
        (100.0, 101.0, ("report",), ""),  # within a second
        (100.0, 105.0, (), ""),  # all stages were finished before
        (100.0, 101.6, ("report",), "ended 2 s after the deadline: report ended after it, and without it there is no "),
        (100.0, 111.0, ("compress", "report"), "ended 11 s after the deadline: compress, report ended after it, and w"),
    ],
)
def test_a_run_that_ended_after_its_deadline_says_by_how_much_and_which_stages_were_late(
    deadline_at, ended_at, late, wanted
):
    said = overrun(deadline_at, ended_at, late)
    assert said.startswith(wanted)
    assert bool(said) == bool(wanted)
