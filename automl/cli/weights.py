"""`automl weights list|fetch|bundle|import|verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl.cli.options import SETTINGS, WEIGHTS

if TYPE_CHECKING:
    from automl.api import Carried, Stocked

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
    missing = [row.backbone for row in rows if row.needed and row.state not in ("here", "own")]
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


@weights.command("bundle")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.tar")
@RECIPE
@SETTINGS
@WEIGHTS
@click.option("--force", is_flag=True, help="Replace OUT.tar if it is there.")
@JSON
def bundle_command(
    out: Path, recipe: str, settings: tuple[str, ...], weights: Path | None, force: bool, as_json: bool
) -> None:
    """Write what the recipe needs into OUT.tar, for a machine without a network.

    What is not here is downloaded first. Beside the files the tar has a weights.yaml with the checksum, licence and
    source of each.
    """
    from automl import api
    from automl.cli.console import watching

    with watching() as hear:
        rows = api.bundle_weights(out, recipe=recipe, settings=settings, weights=weights, force=force, hear=hear)
    _print_carried(rows, as_json)
    if not as_json:
        click.echo(
            f"{out}: {sum(row.mb for row in rows):,.1f} MB; `automl weights import {out.name}` on the other machine"
        )


@weights.command("import")
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE|DIR")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Put the files there.  [default: the folder of $AUTOML_WEIGHTS, else Keras' cache]",
)
@click.option("--force", is_flag=True, help="Replace files of the same name and other bytes.")
@JSON
def import_command(source: Path, to: Path | None, force: bool, as_json: bool) -> None:
    """Put the weights of a bundle, or of a folder with a weights.yaml, where runs find them.

    Every file is compared with the checksum in weights.yaml before any is put in place.
    """
    from automl import api
    from automl.cli.console import watching

    with watching() as hear:
        rows = api.import_weights(source, to=to, force=force, hear=hear)
    _print_carried(rows, as_json)


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
                    _shown(row.file),
                )
                for row in rows
            ],
            paths="file",
        )
    if not rows:
        raise AnswerIsNo("there are no weights to verify. See `automl weights list`.")
    if wrong := [row for row in rows if not row.ok]:
        reasons = "".join(f"\n  {_shown(row.file)}: {_shown(row.fault)}" for row in wrong)
        raise AnswerIsNo(
            f"{len(wrong)} of {len(rows)} files are wrong:{reasons}\n`automl weights import` of the "
            "bundle or folder that they came from puts them anew; one that lies under Keras' own name, and in no "
            "weights.yaml, is fetched anew by `automl weights fetch` after you deleted it."
        )


def _print_carried(rows: Sequence[Carried], as_json: bool) -> None:
    from automl.cli.tables import print_table

    if as_json:
        click.echo(json.dumps({"weights": [asdict(row) for row in rows]}, indent=2))
        return
    print_table(
        ("", "backbone", "MB", "sha256", "file", "licence"),
        [
            (row.state, _shown(row.backbone), f"{row.mb:,.1f}", row.sha256[:16], _shown(row.file), _shown(row.licence))
            for row in rows
        ],
        right=("MB",),
        paths="file",
    )


def _shown(text: str) -> str:
    """The text; quoted, odd characters spelled out, where a terminal would obey them: it comes from a weights.yaml."""
    return text if text.isprintable() else repr(text)


def _print(rows: Sequence[Stocked]) -> None:
    from automl.cli.tables import print_table

    print_table(
        ("backbone", "needed", "weights", "MB", "file", "licence"),
        [
            (
                row.backbone,
                "yes" if row.needed else "",
                row.state if row.state != "here" else row.where,
                "" if row.state == "own" else f"{'' if row.where else '~'}{row.mb:,.1f}",
                _shown(row.fault if row.state == "wrong" else row.file),
                _shown(row.licence),
            )
            for row in rows
        ],
        right=("MB",),
        paths="file",
    )
    if not rows:
        click.echo("the recipe needs no pretrained weights of the table in docs/cli.md")
