"""MODEL_CARD.md: what the model is for, how well it does, and where it ends. Names from the data are escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Final

from automl.bundle.facts import BundleFacts
from automl.bundle.predict import printable
from automl.recipe.backbones import is_hub
from automl.types import PARTS, Interval, Scores

_PUNCTUATION: Final = re.compile(r"([!-%'-/:=?@\[-`{-~])")  # ASCII punctuation but & < > ;, of which entities consist
FEW: Final = 100
"""Test images below which the card warns that the figures are rough: one image is a point."""


def model_card(facts: BundleFacts) -> str:
    """The card, in Markdown."""
    sections = (head(facts), running(facts), results(facts), variants(facts), data(facts), gate(facts), limits(facts))
    return "\n\n".join([*sections, licence(facts)]) + "\n"


def escape(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    plain = printable(" ".join(text.split()))
    return _PUNCTUATION.sub(r"\\\1", html.escape(plain, quote=False))


def head(facts: BundleFacts) -> str:
    says = f"\n\n{escape(facts.description)}" if facts.description else ""
    return (
        f"# {escape(facts.name)}\n\n"
        f"Image {escape(facts.task)}: one of {len(facts.classes)} classes for each picture.{says}\n\n"
        f"Made {escape(facts.created)} by automl {facts.versions['automl']}.\n\n"
        "**Intended use:** pictures of the kind it was trained on, from the same sources. It was not examined for "
        "decisions about people, their health, their safety or their rights."
    )


def running(facts: BundleFacts) -> str:
    return (
        "## How to run\n\n"
        "    pip install numpy pillow onnxruntime\n"
        "    python predict.py IMAGE_OR_FOLDER...\n"
        "    python predict.py --selftest\n\n"
        f"`model.onnx` takes `image`, uint8 (batch, {facts.size_px}, {facts.size_px}, 3), red green blue, and gives "
        f"`probabilities`, float32 (batch, {len(facts.classes)}), and `features`, float32 (batch, {facts.n_features}). "
        "Normalisation is inside. `resize.py` makes the pixels; other ways to resize give other results."
    )


def results(facts: BundleFacts) -> str:
    rows = [("test", facts.chosen, facts.test), ("validation", facts.chosen, facts.validation)]
    if facts.chosen != "fp32":
        rows.insert(1, ("test", "fp32", facts.test_fp32))
    figures = table(
        ("part", "variant", "images", "accuracy", "macro-F1", "log loss"),
        [(part, name, str(s.n), with_bounds(s.accuracy), with_bounds(s.macro_f1), f"{s.log_loss:.3f}")
         for part, name, s in rows],
    )  # fmt: skip
    return (
        "## Results\n\nIn brackets: 95 % bootstrap intervals. The test part was read once, after all choices.\n\n"
        f"{figures}\n\nBy class, on the test part:\n\n{by_class(facts.test)}"
    )


def by_class(scores: Scores) -> str:
    return table(
        ("class", "images", "precision", "recall", "F1"),
        [(escape(row.label), str(row.n), f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}")
         for row in scores.per_class],
    )  # fmt: skip


def variants(facts: BundleFacts) -> str:
    rows = []
    for row in facts.variants:
        name = f"**{row.name}** (this one)" if row.name == facts.chosen else row.name
        figures = (
            f"{row.accuracy:.4f}",
            f"{row.size_bytes / 1e6:.2f}",
            f"{row.gzip_bytes / 1e6:.2f}",
            f"{row.latency_ms:.2f}",
        )
        note = escape(row.note if row.file else f"left out: {row.note}")
        rows.append((name, *(figures if row.file else [""] * len(figures)), note))
    columns = ("variant", "accuracy, validation", "MB", "MB, gzip", "ms an image", "note")
    return (
        "## Variants\n\nTimes: median of one thread, one image at a time, on the machine that made the bundle.\n\n"
        f"{table(columns, rows)}"
    )


def data(facts: BundleFacts) -> str:
    rows = [(escape(label), *(str(counts.get(part, 0)) for part in PARTS)) for label, counts in facts.images.items()]
    weights = ""
    if used := facts.weighting:
        zero = f" and {used.zero} taught nothing (weight 0)" if used.zero else ""
        weights = f"In training {used.n} images had weights from {used.smallest:g} to {used.largest:g}{zero}; "
        weights += "the figures count every image as one. "
    return (
        f"## Data\n\n{table(('class', *PARTS), rows)}\n\n{weights}"
        f"Files that could not be read: {facts.rejected}. Fingerprint of the dataset: `{facts.dataset_fingerprint}`."
    )


def gate(facts: BundleFacts) -> str:
    seen = facts.gate
    if seen is None:
        return "## The gate\n\nNot yet judged."
    words = (
        f"`predict.py` was run in a fresh process, without Keras, on {seen.n_files} original {seen.part} file(s): "
        f"{seen.same_class} get the class that the trained network gives, {seen.ties} more are ties; probabilities "
        f"differ by at most {seen.max_difference:.2g}; {seen.accuracy:.3f} are right."
    )
    few = " These are too few to verify it by." if seen.verdict == "unverified" else ""
    return f"## The gate\n\n**{seen.verdict}.** {words}{few}"


def limits(facts: BundleFacts) -> str:
    lines = [
        "Every picture gets one of the classes above, also a picture that shows none of them.",
        "The figures hold for pictures like the dataset's. Other cameras, places or seasons may do worse: try there.",
        "Probabilities are the network's own; they were not calibrated.",
        "Only the whole picture is judged, squashed to a square: small things in large pictures may be lost.",
    ]
    if facts.test.n < FEW:
        lines.append(f"The test part has {facts.test.n} images: mind the intervals.")
    if facts.chosen != "fp32":
        lines.append("A compressed model may differ a little from one processor to another; the self-test allows it.")
    if facts.weights.source == "random":
        lines.append("Training began from random weights: pretrained ones would probably do better.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def licence(facts: BundleFacts) -> str:
    weights = facts.weights
    if weights.source == "random":
        return f"## Weights\n\nBackbone {facts.backbone}, trained from random weights."
    origin, of = "pretrained on ImageNet", "file sha256"
    if weights.source == "own":
        origin = "brought with its weights by whoever made the model"
    if is_hub(facts.backbone):
        origin, of = "a KerasHub preset", "sha256 over the checksums of its files"
    return (
        f"## Weights\n\nBackbone {facts.backbone}, {origin}; licence of these weights: "
        f"{escape(facts.weights_licence)}; {of} `{weights.sha256}`. What you may do with the model also depends "
        "on the rights in the pictures it was trained on."
    )


def with_bounds(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; the cells are escaped already."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [columns, ("---",) * len(columns), *rows])
