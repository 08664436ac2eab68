"""Which findings end a run, and what the recipe can change of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.rows import SAID
from automl.data.rules import RULES
from automl.errors import RecipeError
from automl.finding_table import FINAL, KIND_NAMES, KINDS, TOO_FEW, UNFILLED
from automl.recipe.load import load_recipe
from automl.recipe.model import Check
from automl.runs.settings import accept_changes
from automl.runs.stops import DECIDED_HERE, judged, let_pass, stopped, stops
from automl.types import SEVERITIES, Finding

DATA = Path(__file__).parents[2] / "automl" / "data"


def a_finding(kind: str = "dark images", severity: str = "note") -> Finding:
    return Finding(kind=kind, severity=severity, text=f"{kind}.", count=1, advice="Do something.")


findings = st.tuples(st.sampled_from(KIND_NAMES), st.sampled_from(SEVERITIES)).map(lambda pair: a_finding(*pair))
checks = st.tuples(
    st.lists(st.sampled_from([*SEVERITIES, *KIND_NAMES]), unique=True, max_size=4),
    st.lists(st.sampled_from(KIND_NAMES), unique=True, max_size=4),
).map(lambda pair: Check(stop_on=tuple(pair[0]), allow=tuple(pair[1])))


def ends_by(finding: Finding, stop_on: tuple[str, ...]) -> bool:
    by_severity = {"stop": set(), "warn": {"warn", "note"}, "note": {"note"}}[finding.severity]
    return finding.severity == "stop" or bool((by_severity | {finding.kind}) & set(stop_on))


@settings(deadline=None)
@given(st.lists(findings, max_size=8), checks)
def test_a_finding_stops_by_itself_or_if_it_is_named_and_not_allowed_and_in_any_case_if_nothing_could_be_trained(
    found, check
):
    ending = [finding.kind for finding in stops(found, check)]
    wanted = [
        finding.kind
        for finding in found
        if finding.kind in FINAL or (ends_by(finding, check.stop_on) and finding.kind not in check.allow)
    ]

    assert sorted(ending) == sorted(wanted)
    assert len(judged(found, check)) == len(found)
    assert sum(finding.severity == "stop" for finding in judged(found, check)) == len(ending)
    passed = let_pass(found, check)
    assert len(passed) == sum(f.severity == "stop" for f in found) - sum(
        f.severity == "stop" and bool(stops([f], check)) for f in found
    )


def test_by_default_stops_alone_stop():
    found = [a_finding(severity=severity) for severity in SEVERITIES]

    assert stops(found, Check()) == (found[0],)
    assert stops(found[1:], Check()) == ()


@settings(deadline=None)
@given(findings, checks, st.sampled_from([*SEVERITIES, *KIND_NAMES]))
def test_one_more_word_under_stop_on_never_lets_a_finding_pass(finding, check, word):
    more = check.model_copy(update={"stop_on": (*check.stop_on, word)})

    assert not stops([finding], check) or stops([finding], more)


@pytest.mark.parametrize(("word", "ending"), [("stop", 1), ("warn", 2), ("note", 3), ("dark images", 3)])
def test_a_severity_under_stop_on_means_the_graver_ones_too(word, ending):
    found = [a_finding(severity=severity) for severity in SEVERITIES]

    assert len(stops(found, Check(stop_on=(word,)))) == ending


def test_the_message_has_each_finding_what_to_do_and_how_to_accept_it():
    found = [a_finding(TOO_FEW, "stop"), a_finding("rejected files", "stop")]

    text = str(stopped(found, Check()))

    assert text.startswith(f"the data has 2 finding(s) that stop a run:\n  {TOO_FEW}: {TOO_FEW}. Do something.\n")
    assert "Correct them, or add --set 'check.allow=[too few images, rejected files]' to accept them, and give" in text
    assert "add --set 'check.allow=[weights, too few images, rejected files]' to" in str(
        stopped(found, Check(allow=("weights",)))
    )
    assert stopped(found, Check()).exit_code == 3
    assert load_recipe("quick", ["check.allow=[too few images, rejected files]"]).recipe.check.allow == (
        TOO_FEW,
        "rejected files",
    )


@pytest.mark.parametrize("kind", sorted(FINAL))
def test_what_nothing_could_be_trained_with_is_not_offered_to_be_accepted(kind):
    assert "check.allow" not in str(stopped([a_finding(kind, "stop")], Check()))
    both = str(stopped([a_finding(kind, "stop"), a_finding(TOO_FEW, "stop")], Check()))
    assert "accept" not in both  # it would stop all the same
    assert f"{TOO_FEW}: {TOO_FEW}. Do something." in both


def test_an_unknown_kind_is_a_fault_of_the_recipe_with_the_nearest():
    with pytest.raises(RecipeError, match=r"check\.allow .*found 'rejected file', .*did you mean rejected files or "):
        load_recipe("quick", ["check.allow=rejected file"])
    with pytest.raises(RecipeError, match=r"check\.stop_on .*found 'warning', .*did you mean warn"):
        load_recipe("quick", ["check.stop_on=[warning]"])


def test_what_no_stage_reads_may_change_at_any_time():
    before = {"seed": 1, "check.allow": [], "check.stop_on": ["stop"]}
    now = {"seed": 1, "check.allow": [TOO_FEW], "check.stop_on": ["stop", "warn"]}

    assert set(now) - {"seed"} == DECIDED_HERE
    assert accept_changes("flowers", before, now, redo=None) == []
    assert accept_changes("flowers", {"seed": 1}, now, redo=None) == []  # a run of an earlier version


def test_every_kind_of_finding_in_the_code_stands_in_the_table_and_no_other():
    written = {rule.kind for rule in RULES} | {said.kind for said in SAID}
    patterns = []
    for path in sorted(DATA.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Finding", "_one", "not_judged"}):
                continue
            given = [word.value for word in node.keywords if word.arg == "kind"] or node.args[:1]
            for value in given:
                if isinstance(value, ast.Constant) and getattr(node.func, "id", "") != "not_judged":
                    written.add(value.value)
                elif isinstance(value, ast.JoinedStr):
                    patterns.append("".join(v.value if isinstance(v, ast.Constant) else "*" for v in value.values))
    assert len(written) > 30
    assert sorted(patterns) == [
        "* not looked for", "classes missing in *", "near copies in * and *", "same images in * and *",
    ]  # fmt: skip
    starts = tuple(pattern.split("*")[0] for pattern in patterns if not pattern.startswith("*"))
    of_patterns = {name for name in KIND_NAMES if name.startswith(starts) or name.endswith("not looked for")}
    named_by_constant = {TOO_FEW, UNFILLED, *FINAL}
    assert set(KIND_NAMES) == written | of_patterns | named_by_constant
    assert len(set(KIND_NAMES)) == len(KINDS)
