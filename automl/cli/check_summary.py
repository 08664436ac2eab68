"""What `automl check` found, on stdout: the dataset's facts, its classes, the findings, and what was written."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from automl.cli.console import printable
from automl.cli.tables import print_table, shortened, stdout

CLASSES: Final = 20  # rows of the table of classes
PATHS: Final = 3  # examples of a finding
REJECTED: Final = "rejected files"  # the finding of what stands under "rejected"
STYLES: Final = {"stop": "bold red", "warn": "yellow", "note": "dim"}
INDENT: Final = "       "  # under a finding's kind
WIDEST: Final = 100  # columns of a sentence: longer lines are hard to read


def print_check(facts: Mapping[str, Any], run_words: Sequence[str] = ()) -> None:
    """Args: facts: as api.check returns them; run_words: options by which a run takes the dataset as the check did."""
    console = stdout()
    for title, text in _lines(facts):
        _print_folded(console, f"{title:<9} ", text)
    _print_apart(console)
    _print_classes(facts)
    _print_apart(console)
    _print_findings(console, facts["findings"], {REJECTED: facts["rejected"], **facts["flagged"]})
    if fix := facts.get("fix"):
        console.print()
        _print_fix(console, fix, run_words)
    if "html" in facts:
        console.print(Text(f"{'page':<9} {facts['html']}"), soft_wrap=True)


def _print_apart(console: Console) -> None:
    """An empty line before and after a table; on a terminal its box brings them along."""
    if not console.is_terminal:
        console.print()


def _lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    small, median, large = facts["shorter_side_px"]
    sides = f"{small} px" if small == large else f"{small} to {large} px, median {median}"
    packed = ", ".join(f"{size} x {size}" for size in facts["size_px"])
    return [
        ("dataset", facts["dataset"]),
        ("layout", facts["layout"]),
        ("images", f"{facts['images']:,} readable, {len(facts['rejected']):,} not; {len(facts['classes']):,} classes"),
        ("parts", _parts(facts)),
        ("size", f"shorter side {sides}; a network would see {packed}"),
        ("modes", _counts(facts["modes"])),
        ("formats", _counts(facts["formats"])),
    ]


def _parts(facts: Mapping[str, Any]) -> str:
    given = facts["given"]
    if not facts["parts"]:
        return "cannot be cut"
    how = f"{', '.join(given)} given" if given else "none given: a run cuts them so"
    counts = ", ".join(f"{part} {count:,}" for part, count in facts["parts"].items())
    return f"{counts} ({how}); {facts['left_out']:,} left out"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda row: (-row[1], row[0])))


def _print_classes(facts: Mapping[str, Any]) -> None:
    """The classes, the largest first; of many the largest and the smallest."""
    parts = list(facts["parts"])
    rows = sorted(facts["per_class"].items(), key=lambda row: (-row[1]["images"], row[0]))
    told = [(_shown(label), *(f"{counts[key]:,}" for key in ("images", *parts))) for label, counts in rows]
    if len(told) > CLASSES:
        between = len(told) - CLASSES + 1
        half = CLASSES // 2
        told = [*told[:half], (f"({between:,} more)", *[""] * (1 + len(parts))), *told[half + between :]]
    print_table(("class", "images", *parts), told, right=("images", *parts))


def _print_findings(
    console: Console, findings: Sequence[Mapping[str, Any]], listed: Mapping[str, Sequence[object]]
) -> None:
    """Args: listed: by kind, all that `--json` lists where a finding has examples."""
    if not findings:
        console.print(Text("no findings", style="bold"))
        return
    counts = {name: sum(finding["severity"] == name for finding in findings) for name in STYLES}
    words = [f"{counts['stop']} that stop a run"] * bool(counts["stop"])
    words += [f"{counts[name]} {what}(s)" for name, what in (("warn", "warning"), ("note", "note")) if counts[name]]
    console.print(Text(f"{len(findings)} finding(s): {', '.join(words)}", style="bold"))
    for finding in findings:
        console.print()
        style = STYLES[finding["severity"]]
        head = Text.assemble((f"  {finding['severity']:<4}", style), " ", (finding["kind"], "bold"))
        console.print(head.append(f"  {finding['count']:,}", "dim"), soft_wrap=True)
        _print_folded(console, INDENT, finding["text"])
        if finding["advice"]:
            _print_folded(console, f"{INDENT}-> ", finding["advice"])
        _print_paths(console, finding, len(listed.get(finding["kind"], ())))


def _print_paths(console: Console, finding: Mapping[str, Any], n_listed: int) -> None:
    """Some examples, and where the others are. How many they are is told where they are listed whole."""
    paths = [_shown(path) for path in finding["paths"][:PATHS]]
    width = max(console.width - len(INDENT), 20)
    for path in paths:
        shown = shortened(path, width) if console.is_terminal else path
        console.print(Text(f"{INDENT}{shown}", style="dim"), soft_wrap=True)
    n_examples = len(finding["paths"])
    if n_examples <= len(paths):
        return
    number = f"{max(n_listed, n_examples) - len(paths):,} " if n_listed or finding["count"] == n_examples else ""
    where = "--json" if n_listed > n_examples else "--html or --json"
    console.print(Text(f"{INDENT}and {number}more: see {where}", style="dim"), soft_wrap=True)


def _print_fix(console: Console, fix: Mapping[str, Any], run_words: Sequence[str]) -> None:
    console.print(Text(f"{fix['file']}: {fix['images']:,} of {fix['of']:,} images stay", style="bold"), soft_wrap=True)
    for of, left_out in (("images", fix["left_out"]), ("rows", fix["rows_left_out"])):
        rows = [(why, f"{facts['count']:,}", _example(facts["paths"])) for why, facts in left_out.items()]
        if rows:
            print_table((f"{of} left out, for", of, "for one"), rows, right=(of,), paths="for one")
    for label, spelling in fix["merged_labels"].items():
        console.print(Text(f"  label {_shown(label)} is now {_shown(spelling)}"), soft_wrap=True)
    for finding in fix["would_stop"]:
        text = f"{finding['kind']}: {finding['text']} {finding['advice']}".rstrip()
        _print_folded(console, f"{'stops':<9} ", text)
    if not fix["would_stop"]:
        command = shlex.join(["automl", "run", fix["file"], *run_words])
        console.print(Text(f"{'train it':<9} {command}"), soft_wrap=True)


def _example(paths: Sequence[str]) -> str:
    return _shown(paths[0]) if paths else ""


def _print_folded(console: Console, head: str, text: str) -> None:
    """On a terminal folded between words, the further lines below the first word; elsewhere one line."""
    if not console.is_terminal:
        console.print(Text(f"{head}{printable(text)}"), soft_wrap=True)
        return
    width = max(min(console.width, WIDEST) - len(head), 20)
    lines = Text(printable(text)).wrap(console, width)
    console.print(Text(head).append_text(Text("\n" + " " * len(head)).join(lines)))


def _shown(text: str) -> str:
    """The text; quoted, odd characters spelled out, where a terminal would obey them, or blanks end it unseen."""
    return text if text.isprintable() and text == text.strip() else repr(text)
