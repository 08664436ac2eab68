"""How a batch's time is understood, kept over a restart, and shared."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.batches.deadline import Deadline, deadline_that_holds, given_deadline, share_until
from automl.errors import UsageError

NOW = datetime(2026, 11, 21, 22, 30, tzinfo=timezone(timedelta(hours=1)))
MOMENTS = st.floats(0, 4e9)


def test_until_is_the_next_such_time_of_day_and_deadline_a_span():
    assert given_deadline("07:00", None, NOW) == Deadline(text="07:00", at=NOW.timestamp() + 8.5 * 3600)
    assert given_deadline(None, "8h", NOW) == Deadline(text="8h", at=NOW.timestamp() + 8 * 3600)
    assert given_deadline(None, None, NOW) is None


@pytest.mark.parametrize(
    ("until", "deadline", "text"),
    [
        ("07:00", "8h", "--until and --deadline were given. Wanted: one of them."),
        ("8h", None, "--until 8h: no time of day. Wanted: one such as 07:00"),
        ("24:00", None, "'24:00' is no deadline. Wanted: 90s, 3m, 2h, or a time of day such as 07:00."),
        (None, "soon", "'soon' is no deadline. Wanted: 90s, 3m, 2h"),
    ],
)
def test_what_is_no_deadline_is_refused(until, deadline, text):
    with pytest.raises(UsageError) as caught:
        given_deadline(until, deadline, NOW)
    assert text in str(caught.value)


def test_the_same_command_again_keeps_the_moment_other_words_replace_it_and_so_does_a_passed_one():
    before, now = Deadline(text="8h", at=1000.0), 400.0
    assert deadline_that_holds(Deadline(text="8h", at=9999.0), before, now) == before
    assert deadline_that_holds(None, before, now) == before
    assert deadline_that_holds(Deadline(text="2h", at=700.0), before, now).at == 700.0
    assert deadline_that_holds(Deadline(text="8h", at=9999.0), before, 1001.0).at == 9999.0
    assert deadline_that_holds(Deadline(text="8h", at=9999.0), None, now).at == 9999.0
    assert deadline_that_holds(None, None, now) is None
    assert deadline_that_holds(None, before, 1001.0) is None


@given(now=MOMENTS, span=st.floats(0, 1e6), jobs=st.integers(1, 50))
def test_jobs_that_use_all_their_time_get_as_much_each_and_end_at_the_deadline(now, span, jobs):
    until, ends = now + span, [now]
    for left in range(jobs, 0, -1):
        ends.append(share_until(ends[-1], until, left))
    shares = [after - before for before, after in pairwise(ends)]
    assert ends[-1] == pytest.approx(until)
    assert shares == pytest.approx([span / jobs] * jobs, abs=1e-3)


@given(now=MOMENTS, span=st.floats(1, 1e6), jobs=st.integers(2, 50), used=st.floats(0, 1))
def test_what_a_job_does_not_use_goes_to_those_after_it(now, span, jobs, used):
    share = share_until(now, now + span, jobs) - now
    then = now + used * share
    assert share_until(then, now + span, jobs - 1) - then >= share - 1e-3


@given(now=MOMENTS, late=st.floats(0, 1e6), jobs=st.integers(1, 50))
def test_after_the_deadline_a_share_is_nothing(now, late, jobs):
    assert share_until(now, now - late, jobs) == now
