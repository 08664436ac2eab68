"""The end of a run on stdout: the verdict, the measured variants, and where everything lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from automl.cli.tables import print_table, stdout


def print_summary(facts: Mapping[str, Any]) -> None:
    """Args: facts: a run's run.json, as far as the run got."""
    console = stdout()
    console.print(Text(f"{facts['name']}: {facts['state']}", style="bold"))
    if facts.get("error"):
        console.print(Text(str(facts["error"])))
    for title, text in _lines(facts):
        console.print(Text(f"  {title:<10} {text}"), soft_wrap=True)
    if "variants" in facts:
        console.print()
        _print_variants(facts["variants"], facts["chosen"])
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
    if "gate" in facts:
        gate = facts["gate"]
        same = f"{gate['same_class']}/{gate['n_files']} files classified as Keras does"
        lines.append(("gate", f"{gate['verdict']}: {same}, through the bundle's own predict.py"))
    lines += [("warning", text) for text in facts.get("warnings", ())]
    if "stages" in facts:
        total = sum(stage["seconds"] for stage in facts["stages"].values())
        lines.append(("time", f"{total / 60:.1f} minutes in {len(facts['stages'])} stages"))
    return lines


def _print_variants(variants: Sequence[Mapping[str, Any]], chosen: str) -> None:
    names = [variant["name"] for variant in variants]
    print_table(
        ("variant", "accuracy (validation)", "drop", "flips", "MB", "gzip MB", "latency ms", ""),
        [
            (
                variant["name"],
                f"{variant['accuracy']:.4f}",
                f"{variant['accuracy_drop']['value']:+.4f}",
                str(variant["flips"]),
                f"{variant['size_bytes'] / 1e6:.2f}",
                f"{variant['gzip_bytes'] / 1e6:.2f}",
                f"{variant['latency_ms']:.2f}",
                "chosen" if variant["name"] == chosen else "",
            )
            if variant["file"]
            else (variant["name"], *[""] * 6, "failed")
            for variant in variants
        ],
        right=("accuracy (validation)", "drop", "flips", "MB", "gzip MB", "latency ms"),
        strong=names.index(chosen) if chosen in names else None,
    )
    notes: dict[str, list[str]] = {}
    for variant in variants:
        if variant["note"]:
            notes.setdefault(variant["note"], []).append(variant["name"])
    for note, named in notes.items():
        stdout().print(Text(f"  {', '.join(named)}: {note}"), soft_wrap=True)
