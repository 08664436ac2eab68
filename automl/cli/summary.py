"""The end of a run on stdout: the verdict, the measured variants, and where everything lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from automl.cli.tables import print_table, stdout
from automl.errors import UsageError


def print_stored_summary(facts: Mapping[str, Any], run_json: Path) -> None:
    """The same of a file that anybody may have edited. Raises: UsageError: it is not as a run writes it."""
    try:
        print_summary(facts)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{run_json} cannot be understood ({error!r}). Wanted: what this version of automl writes. "
            "--json shows it as it is; `automl runs clean` removes the run."
        ) from error


def print_summary(facts: Mapping[str, Any]) -> None:
    """Everything is made ready first: all is printed, or nothing.

    Args: facts: a run's run.json, as far as the run got.
    """
    lines = _lines(facts)
    table = _variant_rows(facts["variants"], facts["chosen"]) if "variants" in facts else []
    notes = _notes(facts.get("variants", ()))
    console = stdout()
    console.print(Text(f"{facts['name']}: {facts['state']}", style="bold"))
    if facts.get("error"):
        console.print(Text(str(facts["error"])))
    for title, text in lines:
        console.print(Text(f"  {title:<10} {text}"), soft_wrap=True)
    if "variants" in facts:
        console.print()
        _print_variants(table)
        for note in notes:
            console.print(Text(f"  {note}"), soft_wrap=True)
    for title in ("bundle", "report"):
        if title in facts:
            console.print(Text(f"{title:<7} {facts[title]}"), soft_wrap=True)
    if "bundle" in facts:
        console.print(Text(f"{'try it':<7} automl predict {facts['bundle']} IMAGE_OR_FOLDER"), soft_wrap=True)


def _lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = []
    if "images" in facts:
        parts = facts.get("parts", {})
        cut = f" ({', '.join(f'{n:,} {part}' for part, n in parts.items())})" if parts else ""
        lines.append(("data", f"{facts['images']:,} images, {len(facts['classes'])} classes{cut}"))
    if "backbone" in facts:
        random = " with random weights" if facts["weights"]["source"] == "random" else ""
        winner = {"probe": ", frozen, with the probe's head", "trained": ", fine-tuned"}.get(
            facts.get("winner", ""), ""
        )
        lines.append(("model", f"{facts['backbone']}{random}{winner}"))
    metrics = facts.get("metrics", {})
    for part, title in (("test", "test"), ("validation", "validation")):
        if part in metrics:
            accuracy = metrics[part]["accuracy"]
            count = f" on {metrics[part]['n']:,} images" if "n" in metrics[part] else ""
            interval = f"95 % interval {accuracy['low']:.3f} to {accuracy['high']:.3f}"
            lines.append((title, f"accuracy {accuracy['value']:.4f}{count} ({interval})"))
    lines += _baseline_lines(facts)
    if facts.get("more_data"):
        lines.append(("more data", facts["more_data"]))
    if "gate" in facts:
        gate = facts["gate"]
        same = f"{gate['same_class']}/{gate['n_files']} files classified as Keras does"
        lines.append(("gate", f"{gate['verdict']}: {same}, through the bundle's own predict.py"))
    lines += [("warning", text) for text in facts.get("warnings", ())]
    if "stages" in facts:
        total = sum(stage["seconds"] for stage in facts["stages"].values())
        lines.append(("time", f"{total / 60:.1f} minutes in {len(facts['stages'])} stages"))
    return lines


def _baseline_lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The plain classifiers on the part that the model was judged on last, and which of them it does not beat."""
    baselines = facts.get("baselines", ())
    if not baselines:
        return []
    part = "test" if all("test" in one for one in baselines) else "validation"
    told = ", ".join(f"{one['name']} {one[part]['value']:.4f}" for one in baselines)
    lines = [("baselines", f"{told} (accuracy, {part})")]
    if facts.get("unbeaten") and facts["unbeaten"] not in facts.get("warnings", ()):
        lines.append(("", facts["unbeaten"]))
    return lines


def _variant_rows(variants: Sequence[Mapping[str, Any]], chosen: str) -> list[tuple[str, ...]]:
    return [
        (
            str(variant["name"]),
            f"{variant['accuracy']:.4f}",
            f"{variant['accuracy_drop']['value']:+.4f}",
            str(variant["flips"]),
            f"{variant['size_bytes'] / 1e6:.2f}",
            f"{variant['gzip_bytes'] / 1e6:.2f}",
            f"{variant['latency_ms']:.2f}",
            "chosen" if variant["name"] == chosen else "",
        )
        if variant["file"]
        else (str(variant["name"]), *[""] * 6, "left out")
        for variant in variants
    ]


def _notes(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each note once, after the names of the variants that have it."""
    named: dict[str, list[str]] = {}
    for variant in variants:
        if variant["note"]:
            named.setdefault(variant["note"], []).append(variant["name"])
    return [f"{', '.join(names)}: {note}" for note, names in named.items()]


def _print_variants(rows: Sequence[tuple[str, ...]]) -> None:
    print_table(
        ("variant", "accuracy (validation)", "drop", "flips", "MB", "gzip MB", "latency ms", ""),
        rows,
        right=("accuracy (validation)", "drop", "flips", "MB", "gzip MB", "latency ms"),
        strong=next((number for number, row in enumerate(rows) if row[-1] == "chosen"), None),
    )
