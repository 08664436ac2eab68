"""report: write the page, and publish the bundle with its copy of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from automl.bundle.publish import publish
from automl.data.images import read_rejected, read_split, read_suspects
from automl.data.named import shown
from automl.data.pack import read_index
from automl.data.store import open_pixels, store_name
from automl.recipe.model import Recipe
from automl.recipe.yaml_text import scalar_text
from automl.records import (
    Checked,
    Compressed,
    Evaluated,
    Exported,
    Packed,
    Parted,
    Picked,
    Reported,
    Trained,
    Tuned,
)
from automl.report.facts import Facts, Setting, Surroundings
from automl.report.page import render
from automl.report.pictures import data_address, samples, shown_suspects, suspect_pictures
from automl.runs.atomic import write_text
from automl.runs.events import datasets_published, read_events, warnings_said
from automl.runs.settings import flatten
from automl.runtime.context import StageContext

PAGE: Final = "report.html"
SAID_ELSEWHERE: Final = frozenset(("rehearsal", "check", "split", "export"))
"""What they warn of are findings, or the gate's verdict: the page has them from the records; or pick says it again."""


def run(ctx: StageContext) -> Reported:
    """Write the run's own page, with pictures; publish the bundle with a page that shows them only if it may.

    Reads: all records before it; check/rejected.csv and the store of pixels; split/split.csv; pack's training rows;
    pick/suspects.csv; export/bundle/; run.json and events.jsonl. Writes: report.html, and the folder exports/NAME.
    Raises: ResourceMissing: the exports folder cannot be written, or holds something else under this name.
    """
    facts = gather(ctx)
    page = ctx.output(PAGE)
    write_text(page, render(facts, pictures=True))
    given = render(facts, pictures=ctx.recipe.export.pictures)
    name = ctx.folder.name
    datasets = {ctx.record(Checked).dataset_fingerprint, *datasets_published(read_events(ctx.folder.events_jsonl))}
    checksums = publish(ctx.input("export", "bundle"), ctx.exports, name, {PAGE: given.encode()}, datasets)
    return Reported(report=str(page.absolute()), bundle=str((ctx.exports / name).absolute()), checksums=checksums)


def gather(ctx: StageContext) -> Facts:
    """All that the page shows."""
    checked, trained, evaluated = ctx.record(Checked), ctx.record(Trained), ctx.record(Evaluated)
    compressed = ctx.record(Compressed)
    size_px = trained.network.size_px
    pixels = open_pixels(ctx.input("check", store_name(size_px)))
    rows, labels = read_index(ctx.folder.stage("pack"), "train")
    suspects = read_suspects(ctx.input("pick", "suspects.csv"))
    shown = shown_suspects(suspects)
    map_rows = {image.path: image.row for image in read_split(ctx.input("split", "split.csv"))} if shown else {}
    return Facts(
        name=ctx.folder.name,
        task=ctx.recipe.task,
        description=ctx.recipe.export.description,
        made=surroundings(ctx, compressed.cpu),
        checked=checked,
        rejected=read_rejected(ctx.input("check", "rejected.csv")),
        parted=ctx.record(Parted),
        packed=ctx.record(Packed),
        picked=ctx.record(Picked),
        tuned=ctx.record(Tuned),
        trained=trained,
        compressed=compressed,
        evaluated=evaluated,
        exported=ctx.record(Exported),
        samples=samples(pixels, rows, labels, checked.classes),
        mistake_pictures={mistake.row: data_address(pixels[mistake.row]) for mistake in evaluated.mistakes},
        suspects=shown,
        n_suspects=len(suspects),
        suspect_pictures=suspect_pictures(shown, pixels, map_rows),
    )


def surroundings(ctx: StageContext, cpu: str) -> Surroundings:
    """Where, when and with what; run.json may lack any of it."""
    run = read_run_json(ctx)
    hardware = run.get("hardware", {})
    known = {
        "processor": cpu,
        "cores": str(hardware.get("cores", "")),
        "memory": f"{hardware['memory_gb']} GB" if "memory_gb" in hardware else "",
    }
    return Surroundings(
        created=str(run.get("created", "")),
        dataset=shown(ctx.dataset) or PurePath(ctx.dataset).name,
        recipe=str(run.get("recipe", "")),
        seed=ctx.recipe.seed,
        settings=settings_of(ctx.recipe),
        max_accuracy_drop=ctx.recipe.compress.max_accuracy_drop,
        versions={name: str(version) for name, version in run.get("versions", {}).items()},
        hardware={what: words for what, words in known.items() if words},
        stage_seconds={name: float(stage["seconds"]) for name, stage in run.get("stages", {}).items()},
        warnings=tuple(
            text
            for stage, texts in warnings_said(read_events(ctx.folder.events_jsonl)).items()
            if stage not in SAID_ELSEWHERE
            for text in texts
        ),
    )


def read_run_json(ctx: StageContext) -> Mapping[str, Any]:
    """What the run says of itself; empty where it cannot be read, for the page has the rest from the records."""
    try:
        run = json.loads(ctx.folder.run_json.read_bytes())
    except (OSError, ValueError):
        return {}
    return run if isinstance(run, dict) else {}


def settings_of(recipe: Recipe) -> tuple[Setting, ...]:
    """The settings that differ from the defaults, but the seed, which the page names by itself."""
    defaults = flatten(Recipe().model_dump(mode="json"))
    return tuple(
        Setting(key=key, value=scalar_text(value), default=scalar_text(defaults[key]))
        for key, value in flatten(recipe.model_dump(mode="json")).items()
        if value != defaults[key] and key != "seed"
    )
