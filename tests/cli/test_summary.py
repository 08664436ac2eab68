"""The end of a run on stdout."""

from __future__ import annotations

from automl.cli.summary import print_summary

MADE = {
    "name": "fp32", "file": "fp32.onnx", "accuracy": 0.9, "accuracy_drop": {"value": 0.0}, "flips": 0,
    "size_bytes": 1_220_000, "gzip_bytes": 1_130_000, "latency_ms": 0.48, "note": "",
}  # fmt: skip
WHY = "the deadline is too near to build it"


def test_a_variant_that_was_not_built_is_left_out_with_the_reason_below_the_table(capsys):
    variants = [MADE, {**MADE, "name": "pruned_int8", "file": "", "note": WHY}]
    print_summary({"name": "demo", "state": "done", "variants": variants, "chosen": "fp32"})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["fp32", "0.9000", "+0.0000", "0", "1.22", "1.13", "0.48", "chosen"] in lines
    assert ["pruned_int8", "left", "out"] in lines
    assert ["pruned_int8:", *WHY.split()] in lines


def baseline(name: str, **parts: float) -> dict:
    return {"name": name, **{part: {"value": value} for part, value in parts.items()}}


def test_the_baselines_are_shown_on_the_part_that_was_read_last(capsys):
    facts = {"name": "demo", "state": "done", "baselines": [baseline("majority class", validation=0.25)]}
    print_summary(facts)
    assert "  baselines  majority class 0.2500 (accuracy, validation)\n" in capsys.readouterr().out
    print_summary({**facts, "baselines": [baseline("majority class", validation=0.25, test=0.3)]})
    assert "  baselines  majority class 0.3000 (accuracy, test)\n" in capsys.readouterr().out


def test_baselines_that_are_not_beaten_are_told_once(capsys):
    text = "on 18 test images fp32 does not beat linear probe (+0.0 points)"
    facts = {"name": "demo", "state": "done", "baselines": [baseline("linear probe", test=0.3)], "unbeaten": text}
    print_summary(facts)
    assert capsys.readouterr().out.count(text) == 1
    print_summary({**facts, "warnings": [text]})
    assert capsys.readouterr().out.count(text) == 1


def test_whether_more_images_would_help_is_a_line_of_its_own(capsys):
    print_summary({"name": "demo", "state": "done", "more_data": "more images like these would help little"})
    assert "  more data  more images like these would help little\n" in capsys.readouterr().out
