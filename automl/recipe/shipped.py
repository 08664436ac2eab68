"""The recipes that come with the tool, found by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def recipes_folder() -> Path:
    """Where the shipped recipes lie: in the package once installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def shipped_recipes() -> Mapping[str, Path]:
    """Each shipped recipe's file by its name, sorted."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.yaml"))}


def purpose(text: str) -> str:
    """What a recipe is for: the first line of its header comment."""
    return text.partition("\n")[0].removeprefix("#").strip()
