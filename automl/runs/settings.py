"""Whether a run may go on under this name: its settings, flat, compared with those it was begun with. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from automl.errors import RunInUse


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


def refuse_other_settings(name: str, before: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Raises: RunInUse: the run of that name was begun with other settings; the message lists them."""
    differing = changes(before, now)
    if differing:
        listed = "\n  ".join(differing[:12]) + (f"\n  and {len(differing) - 12} more" if len(differing) > 12 else "")
        raise RunInUse(
            f"a run named {name!r} exists and was begun with other settings:\n  {listed}\n"
            f"Wanted: the same settings, to go on with it. Choose another --name, "
            f"or remove it with `automl runs clean {name}`."
        )
