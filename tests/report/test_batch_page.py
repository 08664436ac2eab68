"""A batch's page: whole, closed to the outside, and every job on it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from automl.report.batch import BatchFacts, link_to, render_batch
from automl.types import Interval, JobRow
from tests.report.outline import Outline
from tests.report.test_page import POLICY


def a_batch(
    state: str = "failed",
    error: str = "one class\nonly: 'a'",
    recipe: str = "quick",
    warnings: tuple[str, ...] = (),
    lacking: str = "",
) -> BatchFacts:
    accuracy = Interval(value=0.967, low=0.917, high=1.0)
    rows = (
        JobRow(
            name="flowers", dataset="/data/flowers", recipe=recipe, state="done", exit_code=0, seconds=4000.0,
            accuracy=accuracy, chosen="int8_minmax", size_bytes=2_600_000, latency_ms=7.31, bundle="/b", report="/r",
            warnings=warnings,
        ),
        JobRow(name="one", dataset="/data/one", recipe=recipe, state="refused", exit_code=3, error=error, seconds=0.0),
        JobRow(name="later", dataset="/data/later", recipe=recipe, state="waiting", lacking=lacking),
    )  # fmt: skip
    return BatchFacts(
        name="night", state=state, created="2026-11-21T12:49:31+00:00", updated="2026-11-21T13:51:31+00:00",
        deadline="2026-11-22 07:00", rows=rows, links={"flowers": "../../flowers/report/report.html"}, version="0.1.0",
    )  # fmt: skip


def test_the_page_tells_each_job_and_leads_to_its_report():
    page = render_batch(a_batch())
    outline = Outline(page)
    assert outline.faults == []
    assert [address for address in outline.addresses if not address.startswith("data:")] == [
        "../../flowers/report/report.html"
    ]
    text = outline.text.replace("\u202f", " ")
    assert "1 of 3 jobs are done. It had to end by 2026-11-22 07:00." in text
    assert "flowers done 96.7 %91.7–100.0 % int8_minmax 2.60 MB 7.31 ms 1 h 07 min quick" in text
    assert "later waiting" in text
    assert "one refused (exit code 3): one classonly: 'a'" in text
    assert f'content="{POLICY}"' in page
    assert not {"script", "iframe", "object", "embed", "base", "form", "input"} & outline.tags


def test_weights_that_could_not_be_had_are_told_of_their_job():
    text = Outline(render_batch(a_batch(lacking="no weights for <b>: left out"))).text
    assert "later waitinglacks weights" in text
    assert "not to be had when the batch began\nlater: no weights for <b>: left out" in text
    assert "weights" not in Outline(render_batch(a_batch())).text


def test_warnings_of_done_jobs_are_counted_in_the_table_and_told_below():
    outline = Outline(render_batch(a_batch(warnings=("one file is there twice", "the bundle is <unverified>"))))
    text = outline.text.replace("\u202f", " ")
    assert outline.faults == []
    assert "1 of 3 jobs are done (1 with warnings)." in text
    assert "flowers done2 warnings 96.7 %" in text
    assert "Done with warnings\nflowers\none file is there twice\nthe bundle is <unverified>" in text
    plain = Outline(render_batch(a_batch())).text
    assert "warnings" not in plain


def test_a_batch_that_is_not_over_says_so():
    running, interrupted = (Outline(render_batch(a_batch(state))).text for state in ("running", "interrupted"))
    assert "done; the others are still to come, or the batch was killed. It has to end by" in running
    assert "done; it was interrupted, and the same command goes on. It has to end by" in interrupted


@given(words=st.lists(st.sampled_from(["<h6>", "</li>", '"', "'", "&amp;", "{{", "{%", "\x1b", "\u202e"]) | st.text()))
@settings(max_examples=25, deadline=None)
def test_any_words_of_an_error_or_a_recipe_leave_the_page_whole(words):
    outline = Outline(
        render_batch(
            a_batch(error=" ".join(words) or "x", recipe="".join(words), warnings=tuple(words), lacking=" ".join(words))
        )
    )
    assert outline.faults == []
    assert "h6" not in outline.tags


def test_a_link_is_relative_and_survives_odd_paths():
    page = Path("/a/runs/_batches/night/batch.html")
    assert link_to(Path("/a/runs/flowers/report/report.html"), page) == "../../flowers/report/report.html"
    odd = link_to(Path("/a/100 % #1?/ü/report.html"), page)
    assert odd == "../../../100%20%25%20%231%3F/%C3%BC/report.html"
    assert unquote(odd) == "../../../100 % #1?/ü/report.html"
