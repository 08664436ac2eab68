"""`automl predict`: what a bundle says of images; a table, JSON or CSV on stdout, unreadable files on stderr."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.errors import DataError, UsageError

if TYPE_CHECKING:
    from automl.bundle.predict import Prediction


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("inputs", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="IMAGE_OR_FOLDER...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with every class's probability.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with every class's probability.")
def predict(bundle: Path, inputs: tuple[Path, ...], as_json: bool, as_csv: bool) -> None:
    """Label images, or all images in folders, with the model in BUNDLE.

    A bundle whose model, labels or bundle.json are not those of its SHA256SUMS is refused.

    A file that cannot be read is told on stderr, and the command goes on; it ends with exit code 3 then.
    """
    from automl import api

    if as_json and as_csv:
        raise UsageError("--json and --csv were given. Wanted: one of them.")
    found = api.predict(bundle, inputs)
    if as_json:
        click.echo(json.dumps([_object_of(prediction) for prediction in found], indent=2))
    elif as_csv:
        click.echo(_csv(found), nl=False)
    else:
        _print_table(found)
    unread = [prediction for prediction in found if prediction.fault]
    for prediction in unread:
        click.echo(f"{_shown(str(prediction.path))}: {prediction.fault}", err=True)
    if unread:
        raise DataError(f"{len(unread)} of {len(found)} image(s) could not be read. Wanted: whole image files.")


def _object_of(prediction: Prediction) -> dict[str, object]:
    """The same keys as the bundle's own predict.py prints."""
    if prediction.fault:
        return {"path": str(prediction.path), "error": prediction.fault}
    label, probability = prediction.ranked[0]
    return {
        "path": str(prediction.path),
        "label": label,
        "probability": probability,
        "probabilities": prediction.probabilities,
    }


def _csv(found: Sequence[Prediction]) -> bytes:
    """CSV as the bundle's own predict.py prints it; names of files keep their bytes."""
    read = [prediction for prediction in found if not prediction.fault]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", "probability", *(f"p({name})" for name in read[0].probabilities)])
    for prediction in read:
        label, probability = prediction.ranked[0]
        writer.writerow([prediction.path, label, probability, *prediction.probabilities.values()])
    return os.fsencode(text.getvalue())


def _print_table(found: Sequence[Prediction]) -> None:
    from automl.cli.tables import print_table

    rows = []
    for prediction in found:
        if not prediction.fault:
            label, probability = prediction.ranked[0]
            rows.append((_shown(str(prediction.path)), _shown(label), f"{probability:.4f}"))
    print_table(("image", "label", "probability"), rows, right=("probability",), paths="image")


def _shown(text: str) -> str:
    """The text; quoted, odd characters spelled out, where a terminal would obey them, or blanks end it unseen."""
    return text if text.isprintable() and text == text.strip() else repr(text)
