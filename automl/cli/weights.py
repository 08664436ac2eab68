"""`automl weights list|fetch|verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.options import SETTINGS, WEIGHTS

if TYPE_CHECKING:
    from automl.api import Stocked

RECIPE = click.option(
    "--recipe", default="quick", show_default=True, metavar="NAME|FILE", help="Whose backbones; see `automl recipes`."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
TO = click.option(
    "--to", type=click.Path(path_type=Path), metavar="DIR", help="Put the files there.  [default: Keras' cache]"
)


@click.group()
def weights() -> None:
    """List, fetch and verify pretrained weights, or carry them to a machine without a network.

    A run looks into the folder given with --weights, then into that of $AUTOML_WEIGHTS, then into Keras' cache
    ($KERAS_HOME/models), then downloads into that cache. In each of them a weights.yaml says which file is which; else
    a file is told by the name that Keras gives it.
    """


@weights.command("list")
@RECIPE
@SETTINGS
@WEIGHTS
@JSON
def list_command(recipe: str, settings: tuple[str, ...], weights: Path | None, as_json: bool) -> None:
    """Which weights are here and where, which the recipe needs, their sizes and licences."""
    from automl import api

    rows = api.list_weights(recipe=recipe, settings=settings, weights=weights)
    missing = [row.backbone for row in rows if row.needed and row.state != "here"]
    if as_json:
        click.echo(json.dumps({"weights": [asdict(row) for row in rows], "missing": missing}, indent=2))
        return
    _print(rows)
    if missing:
        click.echo(f"the recipe {recipe} needs {', '.join(missing)}: `automl weights fetch` fetches missing ones")


@weights.command("fetch")
@RECIPE
@SETTINGS
@WEIGHTS
@TO
@JSON
def fetch_command(recipe: str, settings: tuple[str, ...], weights: Path | None, to: Path | None, as_json: bool) -> None:
    """Download what the recipe needs and is not here; go on with what was cut.

    Each file is compared with the checksum that Keras states, if it states one. A file that cannot be had costs itself
    alone, and the exit code is 5 in the end.
    """
    from automl import api
    from automl.cli.console import watching
    from automl.errors import FetchFailed

    with watching() as hear:
        rows = api.fetch_weights(recipe=recipe, settings=settings, weights=weights, to=to, hear=hear)
    failed = [row for row in rows if row.state == "failed"]
    if as_json:
        click.echo(json.dumps({"weights": [asdict(row) for row in rows]}, indent=2))
    else:
        _print(rows)
    if failed:
        reasons = "".join(f"\n  {row.backbone}: {row.fault}" for row in failed)
        raise FetchFailed(
            f"{len(failed)} of {len(rows)} files could not be fetched:{reasons}\nThe same command goes on. Without a "
            "network: `automl weights bundle` on a machine that has one, and `automl weights import` here."
        )


@weights.command("verify")
@WEIGHTS
@JSON
def verify_command(weights: Path | None, as_json: bool) -> None:
    """Compare every weights file with its stated checksum, and load it into its network. Exit code 1 if one is wrong.

    Looked at are all places of a run, and all files that weights.yaml or their names say to be weights.
    """
    from automl import api
    from automl.cli.console import watching
    from automl.cli.tables import print_table
    from automl.errors import AnswerIsNo

    with watching() as hear:
        rows = api.verify_weights(weights=weights, hear=hear)
    if as_json:
        click.echo(json.dumps({"weights": [asdict(row) for row in rows]}, indent=2))
    elif rows:
        print_table(
            ("", "backbone", "checksum by", "sha256", "where", "file"),
            [
                (
                    "ok" if row.ok else "NO",
                    ", ".join(row.backbones) or "of none here",
                    row.stated_by or "nobody",
                    row.sha256[:16],
                    row.where,
                    row.file,
                )
                for row in rows
            ],
            paths="file",
        )
    if not rows:
        raise AnswerIsNo("there are no weights to verify. See `automl weights list`.")
    if wrong := [row for row in rows if not row.ok]:
        reasons = "".join(f"\n  {row.file}: {row.fault}" for row in wrong)
        raise AnswerIsNo(
            f"{len(wrong)} of {len(rows)} files are wrong:{reasons}\nDelete them; `automl weights fetch` or "
            "`automl weights import` brings them anew."
        )


def _print(rows: Sequence[Stocked]) -> None:
    from automl.cli.tables import print_table

    print_table(
        ("backbone", "needed", "weights", "MB", "file", "licence"),
        [
            (
                row.backbone,
                "yes" if row.needed else "",
                row.state if row.state != "here" else row.where,
                f"{'' if row.where else '~'}{row.mb:,.1f}",
                row.fault if row.state == "wrong" else row.file,
                row.licence,
            )
            for row in rows
        ],
        right=("MB",),
        paths="file",
    )
    if not rows:
        click.echo("the recipe needs no pretrained weights")
