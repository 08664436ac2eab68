"""The candidates that the recipe's limits leave; what a network takes on this machine is measured here, and remembered.

An untrained network does the same arithmetic as a trained one, so latency and memory are known before any feature is
computed (docs/design.md, 6).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Final

from pydantic import TypeAdapter, ValidationError

from automl import graph
from automl.compressors.measure import describe_cpu
from automl.nets.candidates import candidates
from automl.nets.catalogue import Backbone
from automl.nets.limits import Taken, known_limits, measured_limits, nothing_left
from automl.nets.sizes import sizes_of
from automl.nets.weights import Weighted, places, with_weights
from automl.runs.cache import remember, remembered
from automl.runs.done import fingerprint_of
from automl.runs.events import now_iso
from automl.runtime.context import StageContext
from automl.types import BackboneScore, Footprint

CACHE: Final = "footprints.json"
DECIDES: Final = ("automl", "keras", "onnx", "onnxruntime")
"""Packages whose change can change a network's file, or how it is run."""
EQUAL: Final = 3  # processes that measure the same file: what differs between them is noise
NOISY: Final = 0.2  # a spread of the latency above this share of it is told, and it is measured again next time
LIMIT_S: Final = 300.0  # of one child

_FOOTPRINT: Final = TypeAdapter(Footprint)


def within_limits(ctx: StageContext, sizes_px: tuple[int, ...], warn: Callable[[str], object]) -> tuple[Weighted, ...]:
    """The recipe's backbones that its limits leave, each with its weights, the cheapest first.

    Args:
        sizes_px: edges of the packed images; the largest that a backbone may see is what its limits are about.
        warn: told why others are left out.
    Raises: RecipeError: none is left; WrongWeights: as with_weights.
    """
    recipe = ctx.recipe
    size_px = max(sizes_px)
    sized = candidates(recipe.backbones, sizes_px=sizes_px, own=ctx.folder.backbones)
    rows, known = known_limits(sized.rows, recipe.pick, recipe.weights, places(ctx.weights), size_px)
    taken = [*sized.taken, *known]
    for text in (sized.note, *(one.note for one in taken)):
        if text:
            warn(text)
    if not rows:
        raise nothing_left(taken)
    weighted = with_weights(rows, ctx.weights, recipe.weights, size_px=size_px, warn=warn)
    taken += [_without_weights(row.name) for row in rows if row.name not in {one.row.name for one in weighted}]
    # Once more, for the small net stands in where no weights are to be had.
    kept, others = known_limits(
        [one.row for one in weighted], recipe.pick, recipe.weights, places(ctx.weights), size_px
    )
    if not kept:
        raise nothing_left([*taken, *others])
    if recipe.pick.max_latency_ms == recipe.pick.max_memory_mb == "none":
        return weighted
    found, unmeasured = measure(ctx, [(one.row, sizes_of(one.row, sizes_px)[-1]) for one in weighted], warn)
    measured = measured_limits(
        [replace(one, footprint=found.get(one.row.name)) for one in weighted], unmeasured, recipe.pick, size_px
    )
    for text in (*(one.note for one in measured.taken), *measured.remarks):
        warn(text)
    if not measured.kept:
        raise nothing_left([*taken, *measured.taken])
    return measured.kept


def _without_weights(name: str) -> Taken:
    return Taken(backbone=name, by="weights", why="it has no pretrained weights here, and none could be fetched")


def with_footprints(ranking: Sequence[BackboneScore], weighted: Sequence[Weighted]) -> tuple[BackboneScore, ...]:
    """The ranking, each with what was measured of it."""
    found = {one.row.name: one.footprint for one in weighted}
    return tuple(
        replace(score, latency_ms=own.latency_ms, memory_mb=own.memory_mb, measured=own.measured)
        if (own := found.get(score.backbone))
        else score
        for score in ranking
    )


def measure(
    ctx: StageContext, wanted: Sequence[tuple[Backbone, int]], warn: Callable[[str], object]
) -> tuple[dict[str, Footprint], dict[str, str]]:
    """What each backbone's network takes at its size: as remembered, else measured now, in turns.

    Returns: by backbone; and why others have none.
    """
    before = remembered(CACHE)
    sizes = {row.name: size_px for row, size_px in wanted}
    keys = {row.name: key_of(row, size_px) for row, size_px in wanted}
    found = {name: own for name in sizes if (own := _as_footprint(before.get(keys[name])))}
    missing = {name: size_px for name, size_px in sizes.items() if name not in found}
    files, failed = _write_networks(ctx, missing)
    series: dict[str, list[tuple[float, float]]] = {name: [] for name in files}
    for turn in range(EQUAL):
        # All of them once a turn, so that a slow minute of the machine falls on one measurement of each.
        for number, name in enumerate(files):
            if name in failed:
                continue
            ctx.progress(turn * len(files) + number, EQUAL * len(files), f"{name}: latency and memory")
            arguments = {"path": str(files[name]), "size_px": sizes[name]}
            ended = ctx.run_child(
                "plain",
                "automl.compressors.footprint:measure_footprint",
                arguments,
                log="footprint.log",
                limit_s=_limit_s(ctx),
            )
            if ended.ok:
                series[name].append((float(str(ended.result["latency_ms"])), float(str(ended.result["memory_mb"]))))
            else:
                failed[name] = ended.error
    shutil.rmtree(ctx.output("footprint"), ignore_errors=True)
    fresh = {name: as_footprint(series[name]) for name in files if name not in failed}
    remember(CACHE, {keys[name]: asdict(own) for name, own in fresh.items() if not _is_noisy(own)})
    for name, own in fresh.items():
        if _is_noisy(own):
            warn(
                f"the latency of {name} was hard to measure: {EQUAL} equal measurements differ by "
                f"{own.latency_spread_ms:.2f} of {own.latency_ms:.2f} ms, as when other programs run. It is not "
                "remembered"
            )
    return {**found, **fresh}, failed


def _write_networks(ctx: StageContext, sizes: Mapping[str, int]) -> tuple[dict[str, Path], dict[str, str]]:
    """The untrained networks as files. Returns: by backbone; and why others have none."""
    files: dict[str, Path] = {}
    failed: dict[str, str] = {}
    for number, (name, size_px) in enumerate(sizes.items()):
        ctx.progress(number, len(sizes), f"{name}: build")
        path = ctx.output(f"footprint/{name}.onnx")
        arguments = {
            "backbone": name,
            "size_px": size_px,
            "path": str(path),
            "own": str(ctx.folder.backbones),
        }
        ended = ctx.run_child(
            "keras",
            "automl.stages.untrained:write_untrained",
            arguments,
            log="footprint.log",
            limit_s=_limit_s(ctx),
        )
        if ended.ok:
            files[name] = path
        else:
            failed[name] = ended.error
    return files, failed


def _limit_s(ctx: StageContext) -> float:
    return max(1.0, min(LIMIT_S, ctx.seconds_left()))


def as_footprint(series: Sequence[tuple[float, float]]) -> Footprint:
    """What equal measurements (latency in ms, memory in MB) say together."""
    latencies, memories = zip(*series, strict=True)
    return Footprint(
        latency_ms=median(latencies),
        latency_spread_ms=max(latencies) - min(latencies),
        memory_mb=median(memories),
        memory_spread_mb=max(memories) - min(memories),
        measured=now_iso(),
    )


def _is_noisy(own: Footprint) -> bool:
    return own.latency_spread_ms > NOISY * own.latency_ms


def key_of(row: Backbone, size_px: int) -> str:
    """A measurement's identity: backbone, size, this processor, and all that makes the file and runs it.

    One of the user's own goes by its file's sha256.
    """
    writer = hashlib.sha256()
    for file in sorted(Path(graph.__path__[0]).glob("*.py")):
        writer.update(file.read_bytes())
    versions = {package: metadata.version(package) for package in DECIDES}
    inputs = {"cpu": describe_cpu(), "writer": writer.hexdigest(), **versions}
    name = row.name if row.own is None else row.own.sha256
    return f"{name}-{size_px}-{fingerprint_of(inputs)[:16]}"


def _as_footprint(facts: object) -> Footprint | None:
    try:
        return _FOOTPRINT.validate_python(facts)
    except ValidationError:
        return None
