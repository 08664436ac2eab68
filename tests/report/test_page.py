from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.report.facts import Facts
from automl.report.page import duration, render, sentence, shown, size
from automl.types import Weighting
from tests.report.cases import CASES, two_classes
from tests.report.outline import Outline
from tests.report.samples import usual

GOLDEN = Path(__file__).parents[1] / "golden" / "report.txt"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
TROUBLE = st.sampled_from(
    ["<b>", "</td>", "<i x='", '"', "'", "&amp;", "&", "-->", "<!--", "{{", "{%", "{#", " ", "\x00"]
)


@cache
def page_of(case: str, pictures: bool) -> tuple[Facts, str, Outline]:
    facts = CASES[case]()
    page = render(facts, pictures)
    return facts, page, Outline(page)


@pytest.mark.parametrize("pictures", [True, False], ids=["own", "given away"])
@pytest.mark.parametrize("case", CASES)
def test_a_page_is_well_formed_and_asks_for_nothing_outside_itself(case, pictures):
    _, page, outline = page_of(case, pictures)
    assert outline.faults == []
    assert all(address.startswith(("data:", "#")) for address in outline.addresses)
    assert not {"script", "iframe", "object", "embed", "base", "form", "input"} & outline.tags
    assert not [name for name in outline.attributes if name.startswith("on")]
    assert f'content="{POLICY}"' in page
    assert "url(" not in page
    assert "@import" not in page


@pytest.mark.parametrize("case", CASES)
def test_a_page_is_utf8_without_control_characters(case):
    _, page, _ = page_of(case, True)
    page.encode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


@pytest.mark.parametrize("case", CASES)
def test_a_page_tells_the_verdict_and_every_class(case):
    facts, _, outline = page_of(case, False)
    assert f"{100 * facts.test.accuracy.value:.1f} %" in outline.text.replace("\u202f", " ")
    assert facts.exported.gate.verdict in outline.text
    for label in facts.checked.classes:
        assert " ".join(str(shown(label)).split()) in outline.text


def test_hostile_names_are_shown_as_they_are_and_run_nothing():
    _, page, outline = page_of("hostile_names", True)
    assert "<script>alert(1)</script>" in outline.text
    assert "<script>" not in page
    assert "{{ 7*7 }} {% raw %}" in outline.text
    assert "turned \\u202eevil" in outline.text
    assert "control \\x00\\x1b[31m \\udcff" in outline.text
    assert "👩‍🌾 花 🌻" in outline.text
    assert '<bdi class="name" title="ورد أحمر">' in page


@given(name=st.lists(TROUBLE | st.text(min_size=1, max_size=6), min_size=1, max_size=6).map("".join))
@settings(max_examples=25, deadline=None)
def test_any_name_of_a_class_leaves_the_page_whole(name):
    facts = two_classes()
    classes = (name, "other")
    row, other = facts.test.per_class
    test = replace(facts.test, per_class=(replace(row, label=name), replace(other, label="other")))
    outline = Outline(
        render(
            replace(
                facts,
                checked=replace(facts.checked, classes=classes),
                evaluated=replace(facts.evaluated, scores={"int8_percentile": test, "fp32": test}),
            ),
            False,
        )
    )
    assert outline.faults == []
    assert " ".join(str(shown(name)).split()) in outline.text
    assert not {"script", "iframe"} & outline.tags


@given(text=st.text(st.characters(exclude_categories=())))
def test_what_is_shown_can_be_written_and_stays_so(text):
    once = str(shown(text))
    once.encode()
    assert shown(once) == once


def test_the_bundles_page_has_no_picture_no_file_name_and_no_path():
    facts, page, _ = page_of("usual", False)
    names = {mistake.path for mistake in facts.evaluated.mistakes} | {file.path for file in facts.rejected}
    names |= {path for finding in (*facts.checked.findings, *facts.picked.findings) for path in finding.paths}
    names |= {suspect.path for suspect in facts.suspects}
    assert len(names) > 10
    assert not [name for name in names if name in page]
    assert "<img" not in page
    assert "/somewhere/private" not in page
    assert "trial-4.log" not in page


def test_the_runs_own_page_has_pictures_file_names_and_what_the_stages_said():
    facts, page, outline = page_of("usual", True)
    for mistake in facts.evaluated.mistakes:
        assert facts.mistake_pictures[mistake.row] in page
        assert mistake.path in outline.text
    assert all(picture in page for sample in facts.samples for picture in sample.pictures)
    assert "rose/half.jpg" in outline.text
    assert "its log is trial-4.log" in outline.text


def test_the_runs_own_page_shows_suspects_label_errors_first_and_both_of_a_pair():
    facts, page, outline = page_of("usual", True)
    rows = [row for row in outline.rows if row.startswith(("looks like", "near duplicates", "unlike all others"))]
    # The page's narrow blank is white space like any other to the outline.
    assert rows[0].startswith("looks like dandelion labelled daisy 1 % daisy/IMG_40.jpg")
    assert [row.split()[0] for row in rows] == ["looks"] * 9 + ["near"] * 2 + ["unlike"] * 2
    assert all(picture in page for picture in facts.suspect_pictures.values())
    assert all(suspect.path in outline.text for suspect in facts.suspects)
    assert "these are 13 of 29. pick/suspects.csv of the run lists all." in outline.text
    assert "Suspects" not in page_of("digits", True)[2].rows


def test_the_same_facts_give_the_same_page():
    assert render(usual(), True) == render(usual(), True)


def test_a_matrix_is_drawn_for_few_classes_and_pairs_are_listed_for_many():
    assert "Confusion matrix" in page_of("usual", False)[2].text
    assert "Confusion matrix" not in page_of("sixty_classes", False)[2].text
    assert "Most confused" in page_of("sixty_classes", False)[2].text


def test_a_variant_that_could_not_be_built_is_named_with_the_reason():
    assert "int8_minmax left out: quantisation failed: no ranges" in page_of("only_fp32", False)[2].rows


def test_what_the_limits_of_pick_had_measured_stands_in_the_ranking_and_else_there_is_no_column():
    def ranking_of(facts: Facts) -> str:
        text = " ".join(Outline(render(facts, True)).text.split())
        return text.partition("ranked by their probes")[2].partition("Would more images help?")[0]

    facts = usual()
    assert "Images/s kNN" in ranking_of(facts)
    first, *others = facts.picked.ranking
    first = replace(first, latency_ms=13.81, memory_mb=78.4, measured="2026-11-30T22:37:38+00:00")
    ranking = ranking_of(replace(facts, picked=replace(facts.picked, ranking=(first, *others))))
    assert "Images/s Latency Memory kNN" in ranking
    assert "58 13.81 ms 78 MB" in ranking
    assert "131 – –" in ranking
    assert "measured 2026-11-30." in ranking


def test_what_is_missing_is_said_in_words():
    text = page_of("no_mistakes", True)[2].text
    assert "Every test image got its true class." in text
    text = page_of("no_trial_finished", True)[2].text
    assert "No trial succeeded, so the settings are the defaults." in text
    assert "trained, 12 epochs" not in text


def test_the_report_reads_as_the_golden_one():
    """Refresh with: AUTOML_REFRESH_GOLDEN=1 python -m pytest tests/report -k golden; then review the difference."""
    text = Outline(render(two_classes(), False)).text + "\n"
    if "AUTOML_REFRESH_GOLDEN" in os.environ:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (7630, "2 h 07 min"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_fits(seconds, words):
    assert duration(seconds).replace("\u202f", " ") == words


def test_a_size_is_told_in_the_unit_that_fits():
    assert [size(n).replace("\u202f", " ") for n in (512, 99_999, 100_000, 6_612_000)] == [
        "1 kB",
        "100 kB",
        "0.10 MB",
        "6.61 MB",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("no trial succeeded", "No trial succeeded."),
        ("int8 is faster.", "int8 is faster."),
        ("smallnet is the only one", "smallnet is the only one."),
        ("", "."),
    ],
)
def test_a_stages_words_become_a_sentence_but_names_keep_their_letters(words, told):
    assert sentence(words, "smallnet") == told


def test_weights_are_told_with_what_they_leave_of_each_class():
    facts = usual()
    weighting = Weighting(n=90, zero=3, total=120.5, smallest=0.25, largest=4.0, effective={"b": 9.5, "a": 30.0})
    page = render(replace(facts, parted=replace(facts.parted, weighting=weighting)), True)
    told = re.sub(r"<[^>]+>", "", page[page.index("Weights in training") :][:900])
    assert "90 images, from 0.25 to 4, 120.5 in all; 3 of weight 0 teach nothing" in told
    assert told.index("b 9.5") < told.index("a 30.0")
    assert "count every image as one" in told
    assert "Weights in training" not in render(facts, True)


def test_a_preset_is_told_with_its_licence_and_sum():
    facts = usual()
    weights = replace(facts.picked.weights, source="own", licence="unknown: see <https://x.example>")
    page = render(replace(facts, picked=replace(facts.picked, chosen="hub:vgg", weights=weights)), True)
    told = re.sub(r"<[^>]+>", "", page)
    assert (
        "hub:vgg is a KerasHub preset, with its weights (licence: unknown: see &lt;https://x.example&gt;); the sha256 "
        "over the checksums of its files is 5e5e5e5e5e5e5e5e."
    ) in told
    assert "is your own file" not in told
