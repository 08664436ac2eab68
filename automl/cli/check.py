"""`automl check`: read options, call the api, show progress on stderr and what was found on stdout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from automl.cli.options import SETTINGS
from automl.errors import AutomlError, DataError


@click.command()
@click.argument("dataset")
@click.option("--recipe", default="quick", show_default=True, metavar="NAME|FILE", help="See `automl recipes list`.")
@SETTINGS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the tables.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a page with pictures as well; an earlier page of a check is replaced.",
)
@click.option(
    "--fix",
    type=click.Path(path_type=Path),
    metavar="OUT.csv",
    help="Write a manifest without broken files, copies, contradictions and leaks across given parts, the spellings "
    "of labels merged. It must lie in a folder above DATASET, or beside it where that is a manifest. Images are never "
    "touched.",
)
@click.option("--force", is_flag=True, help="Let --html and --fix replace any file.")
def check(
    dataset: str,
    recipe: str,
    settings: tuple[str, ...],
    as_json: bool,
    html: Path | None,
    fix: Path | None,
    force: bool,
) -> None:
    """Look for what is wrong with the images in DATASET, without training anything.

    Every file is opened and decoded, all images are compared with each other, and the parts are cut as `automl run`
    would cut them; DATASET may be all that `automl run` takes. Nothing is left behind but what --html and --fix write.

    The exit code is 3 where a finding would stop a run: see `check.stop_on` and `check.allow` among the recipe's keys.
    """
    from automl import api
    from automl.cli.check_summary import print_check
    from automl.cli.console import watching

    if not dataset:
        raise click.UsageError("DATASET is empty. Wanted: a folder of images.")
    try:
        with watching() as hear:
            facts = api.check(dataset, recipe=recipe, settings=settings, html=html, fix=fix, force=force, hear=hear)
    except AutomlError as error:
        if as_json:
            failed = {"dataset": dataset, "state": "failed", "error": str(error), "exit_code": error.exit_code}
            click.echo(json.dumps(failed, ensure_ascii=False, indent=2))
        raise
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        print_check(facts, _run_words(recipe, settings))
    if facts["exit_code"]:
        raise _ended(facts)


def _run_words(recipe: str, settings: Sequence[str]) -> list[str]:
    """Options for `automl run` of the manifest that --fix wrote; which has no class that was to be dropped."""
    kept = [setting for setting in settings if setting.partition("=")[0].strip() != "check.drop_classes"]
    default = next(option.default for option in check.params if option.name == "recipe")
    words = ["--recipe", recipe] if recipe != default else []
    return [*words, *(word for setting in kept for word in ("--set", setting))]


def _ended(facts: Mapping[str, Any]) -> AutomlError:
    """What is said at the end, with the exit code: what would stop a run, then which files could not be written."""
    kinds = dict.fromkeys(finding["kind"] for finding in facts["findings"] if finding["severity"] == "stop")
    would_stop = f"a run would stop here: {', '.join(kinds)}. {facts['advice']}" if kinds else ""
    if facts["state"] != "failed":
        return DataError(would_stop)
    error = AutomlError(f"{would_stop} {facts['error']}".strip())
    error.exit_code = facts["exit_code"]
    return error
