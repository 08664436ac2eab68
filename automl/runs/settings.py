"""Whether a run may go on under this name: its settings, flat, compared with those it was begun with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from automl.errors import RunInUse
from automl.runs.stops import DECIDED_HERE
from automl.stage_table import STAGE_NAMES, STAGES, Stage

READ_BY: Final = {"dataset": "check", "weights": "pick"}
"""The first stage that reads an option of the command; a recipe's sections stand in the stage table."""


def flatten(value: object, prefix: str = "") -> dict[str, object]:
    """Nested mappings as dotted keys; lists stay whole."""
    if not isinstance(value, Mapping):
        return {prefix: list(value) if isinstance(value, tuple) else value}
    flat: dict[str, object] = {}
    for key, inner in value.items():
        flat.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def changes(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """One line for each setting that differs: its name, what it was, what it is."""
    lines = []
    for key in sorted({*before, *now}):
        old, new = before.get(key, "not set"), now.get(key, "not set")
        if old != new:
            lines.append(f"{key}: was {old!r}, is {new!r}")
    return lines


def first_stage_touched(before: Mapping[str, object], now: Mapping[str, object]) -> str | None:
    """The first stage that reads a setting that differs; None: no stage does."""
    keys = [key for key in {*before, *now} if before.get(key) != now.get(key)]
    return next((stage.name for stage in STAGES if any(_reads(stage, key) for key in keys)), None)


def _reads(stage: Stage, key: str) -> bool:
    """Whether a stage reads a setting: a key of its recipe sections, or an option of the command."""
    return stage.name == READ_BY.get(key) or key.partition(".")[0] in stage.recipe


def _without_free(settings: Mapping[str, object]) -> dict[str, object]:
    """Without what no stage reads, and may change at any time."""
    return {key: value for key, value in settings.items() if key not in DECIDED_HERE}


def accept_changes(
    name: str, before: Mapping[str, object], now: Mapping[str, object], *, redo: str | None
) -> list[str]:
    """What has changed since the run of that name was begun, where `--redo` throws away all that it touches.

    Returns: a line a setting; empty: nothing has changed.
    Raises: RunInUse: a stage that stays was done with other settings.
    """
    before, now = _without_free(before), _without_free(now)
    differing = changes(before, now)
    if not differing:
        return []
    first = first_stage_touched(before, now) or STAGE_NAMES[0]
    if redo is not None and STAGE_NAMES.index(redo) <= STAGE_NAMES.index(first):
        return differing
    listed = "\n  ".join(differing[:12]) + (f"\n  and {len(differing) - 12} more" if len(differing) > 12 else "")
    stays = f", and --redo {redo} would keep what {first} made of them" if redo is not None else ""
    found = f"a run named {name!r} exists and was begun with other settings{stays}:\n  {listed}"
    raise RunInUse(
        f"{found}\n"
        f"Wanted: the same settings, to go on with it; or --redo {first}, which does that stage and all after it again "
        f"with the new ones. Else choose another --name, or remove it with `automl runs clean {name}`.",
        found,
    )
