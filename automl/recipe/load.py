"""YAML, --set and --seed become one frozen recipe; every fault is found before any is told.

Layers, the later over the earlier: the model's defaults, the recipe that a file `extends`, the recipe, --set, --seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from automl.errors import RecipeError
from automl.finding_table import KIND_NAMES, STOP_WORDS
from automl.recipe.backbones import is_own, own_name, settled
from automl.recipe.keys import ADDING, KEYS, SECTIONS, nearest_key, siblings_of, takes_words, wanted
from automl.recipe.model import Recipe
from automl.recipe.shipped import shipped_recipes
from automl.recipe.yaml_text import YamlFault, parse_yaml, scalar_text

MAX_BYTES: Final = 65_536  # of a recipe file; the longest one that says everything has 3,000
MAX_SHOWN: Final = 60  # characters of a wrong value in a message
QUOTE: Final = '; put quotes around a name that is a number, true, false or null, as in "01"'
MAX_LISTED: Final = 20  # names in a message that has nearer ones to offer


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRecipe:
    """A recipe, and where each of its values comes from."""

    name: str  # of a shipped recipe, or the file's name without its suffix
    recipe: Recipe
    origins: Mapping[str, str]  # dotted key -> "default", "recipe quick", "file PATH", "--set" or "--seed"


def load_recipe(
    name_or_file: str, settings: Sequence[str] = (), seed: int | None = None, *, folder: Path | None = None
) -> LoadedRecipe:
    """Read a shipped recipe or a file, with changes on top.

    Args:
        name_or_file: a shipped recipe's name, or the path of a YAML file.
        settings: "a.b=value" each, the value in YAML; the last one of a key holds.
        seed: goes over everything else.
        folder: what paths in settings are relative to; None: the current one.
    Raises: RecipeError: there are faults; all of them are listed, each with its key, what was found and wanted.
    """
    found = _Found()
    _read_recipe(found, name_or_file)
    found.folder = folder or Path.cwd()
    for setting in settings:
        _read_setting(found, setting)
    if seed is not None:
        found.assign("seed", seed, "--seed")
    return LoadedRecipe(
        name=name_or_file if name_or_file in shipped_recipes() else Path(name_or_file).stem,
        recipe=_validated(found, name_or_file),
        origins=MappingProxyType({key: found.origins.get(key, "default") for key in KEYS}),
    )


def recipe_yaml(loaded: LoadedRecipe) -> str:
    """The resolved recipe as YAML: every setting with its value, and its origin as a comment behind it."""
    lines = [f"# Resolved from {_one_line(loaded.name)}: every setting, and where its value comes from."]
    opened = ""
    for key in KEYS:
        section, _, name = key.rpartition(".")
        if section and section != opened:
            lines.append("  " * section.count(".") + section.rpartition(".")[2] + ":")
        opened = section
        value = scalar_text(_value_at(loaded.recipe, key))
        lines.append("  " * key.count(".") + f"{name}: {value}  # {_one_line(loaded.origins[key])}")
    return "\n".join(lines) + "\n"


def read_resolved(path: Path) -> Recipe:
    """Read back what recipe_yaml wrote. Raises: RecipeError: it cannot be read, or has faults."""
    found = _Found()
    _assign_file(found, path, f"file {path}", extends=False)
    return _validated(found, str(path))


def pairs_of(settings: Mapping[str, object]) -> list[str]:
    """Settings of a Python caller or a file as load_recipe takes them: "a.b=value", the value in YAML."""
    return [f"{key}={scalar_text(value)}" for key, value in leaves(settings)]


def leaves(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Each single setting of nested or dotted mappings, by its dotted key."""
    if not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from leaves(inner, f"{prefix}.{key}" if prefix else str(key))


@dataclass(slots=True)
class _Found:
    """What the layers say so far."""

    values: dict[str, object] = field(default_factory=dict)  # by dotted key
    origins: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    folder: Path = Path()  # of the layer that is read: paths in it are relative to it
    added: list[tuple[str, str]] = field(default_factory=list)  # backbones of backbones.custom, and their origins

    def assign(self, key: str, value: object, origin: str) -> None:
        """Take a setting, or a whole section, over whatever earlier layers said."""
        if key in ADDING:
            self.add(key, value, origin)
        elif key == "backbones" and isinstance(value, dict) and list(value) == ["custom"]:
            self.add("backbones.custom", value["custom"], origin)
        elif key in KEYS:
            if self.origins.get(key) == origin != "--set":
                self.faults.append(f"{key} ({origin}): found a second time, once as a dotted key; wanted once")
            alone = isinstance(value, str) and takes_words(KEYS[key])
            value = [value] if alone else value
            if key == "backbones" and isinstance(value, list):
                value = [settled(one, self.folder) if isinstance(one, str) else one for one in value]
            self.values[key], self.origins[key] = value, origin
        elif key not in SECTIONS and key:
            self.faults.append(f"{key} ({origin}): found an unknown key{_hint(key)}")
        elif isinstance(value, dict):
            for name, inner in value.items():
                self.assign(f"{key}.{name}" if key else name, inner, origin)
        else:
            self.faults.append(f"{key or 'the recipe'} ({origin}): found {_shown(value)}, wanted a mapping of keys")

    def add(self, key: str, value: object, origin: str) -> None:
        """Take backbones besides those that `backbones` names in whatever layer."""
        entries = value if isinstance(value, list) and value else [value]
        for entry in entries:
            if isinstance(entry, str) and is_own(entry):
                self.added.append((settled(entry, self.folder), f"{key} ({origin})"))
            else:
                self.faults.append(
                    f"{key} ({origin}): found {_shown(entry)}, wanted the path of a .keras file, or hub:PRESET"
                )

    def join(self) -> None:
        """Put the added backbones behind the others."""
        if self.added:
            key = "backbones"
            before = self.values.get(key, list(Recipe().backbones))
            if isinstance(before, list):
                self.values[key] = [*before, *(one for one in dict(self.added) if one not in before)]
                origins = [self.origins.get(key, "default"), *dict.fromkeys(origin for _, origin in self.added)]
                self.origins[key] = " and ".join(origins)


def _read_recipe(found: _Found, name_or_file: str) -> None:
    shipped = shipped_recipes()
    if name_or_file in shipped:
        _assign_file(found, shipped[name_or_file], f"recipe {name_or_file}", extends=False)
    elif "/" in name_or_file or Path(name_or_file).suffix in {".yaml", ".yml"} or Path(name_or_file).is_file():
        _assign_file(found, Path(name_or_file), f"file {name_or_file}", extends=True)
    else:
        found.faults.append(f"found no recipe named {name_or_file!r}, {_wanted_name(name_or_file, shipped)}; or a file")


def _assign_file(found: _Found, path: Path, origin: str, *, extends: bool) -> None:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe, say, would be waited for without end
            found.faults.append(f"{origin}: found no regular file, wanted a YAML file")
            return
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            found.faults.append(f"{origin}: found more than {MAX_BYTES:,} bytes, wanted a recipe")
            return
        content = parse_yaml(data.decode())
    except OSError as error:
        found.faults.append(f"{origin}: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        found.faults.append(f"{origin}: found a byte at {error.start} that is not UTF-8, wanted a YAML file in UTF-8")
    except YamlFault as error:
        found.faults.append(f"{origin}: {error}")
    else:
        if extends and isinstance(content, dict) and "extends" in content:
            _assign_extended(found, content.pop("extends"), origin)
        found.folder = path.absolute().parent
        found.assign("", content, origin)


def _assign_extended(found: _Found, name: object, origin: str) -> None:
    shipped = shipped_recipes()
    if isinstance(name, str) and name in shipped:
        _assign_file(found, shipped[name], f"recipe {name}", extends=False)
    else:
        found.faults.append(f"extends ({origin}): found {_shown(name)}, {_wanted_name(str(name), shipped)}")


def _read_setting(found: _Found, setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        found.faults.append(f"--set: found {_shown(setting)}, wanted KEY=VALUE, as in tune.trials=4")
        return
    try:
        found.assign(key.strip(), parse_yaml(text), "--set")
    except YamlFault as error:
        found.faults.append(f"{key.strip()} (--set): {error}; wanted a value in YAML")


def _validated(found: _Found, source: str) -> Recipe:
    """The recipe of all layers. Raises: RecipeError."""
    found.join()
    recipe, wrong = Recipe(), set[str]()
    try:
        # Strict (text is no number), and by way of JSON, where a list may become a tuple all the same.
        recipe = Recipe.model_validate_json(json.dumps(_nested(found.values)), strict=True)
    except ValidationError as error:
        wrong = {_key_of(fault["loc"]) for fault in error.errors(include_url=False)}
    for key in KEYS:
        if key in wrong:
            value = found.values[key]
            quote = QUOTE if takes_words(KEYS[key]) and _is_no_text(value) else ""
            found.faults.append(
                f"{key} ({found.origins[key]}): found {_shown(value)}, wanted {wanted(KEYS[key])}{quote}"
            )
        elif key in found.values and key in _NAMED:
            found.faults += _unknown_names(key, found)
    if found.faults:
        count = "a fault" if len(found.faults) == 1 else f"{len(found.faults)} faults"
        raise RecipeError(
            f"The recipe {source} has {count}:\n"
            + "".join(f"  {fault}\n" for fault in found.faults)
            + "Correct this and run again; `automl recipes show balanced` shows how a recipe is written.",
            found.faults,
        )
    return recipe


def _backbone_names() -> tuple[str, ...]:
    from automl.nets.catalogue import BACKBONES

    return tuple(row.name for row in BACKBONES)


def _compressor_names() -> tuple[str, ...]:
    from automl.compressors.table import COMPRESSORS

    return tuple(row.name for row in COMPRESSORS)


_NAMED: Final[dict[str, Callable[[], tuple[str, ...]]]] = {
    "backbones": _backbone_names,
    "compress.variants": _compressor_names,
    "check.stop_on": lambda: STOP_WORDS,
    "check.allow": lambda: KIND_NAMES,
}
"""Keys whose values are names of a light table's rows."""


def _unknown_names(key: str, found: _Found) -> list[str]:
    names, known = found.values[key], _NAMED[key]()
    assert isinstance(names, list)
    own = [name for name in names if key == "backbones" and is_own(name)]
    return [
        f"{key} ({found.origins[key]}): found {_shown(name)}, {_wanted_name(name, known)}"
        + ("; or the path of a .keras file, or hub:PRESET" if key == "backbones" else "")
        for name in names
        if name not in known and name not in own
    ] + _alike(own, f"{key} ({found.origins[key]})")


def _alike(own: Sequence[str], place: str) -> list[str]:
    """Files that a run would have to call by one name."""
    first: dict[str, str] = {}
    return [
        f"{place}: found {first[own_name(path)]!r} and {path!r}, which a run would both call "
        f"{own_name(path)}; wanted files of different names: rename one, or give a link to it another name"
        for path in own
        if first.setdefault(own_name(path), path) != path
    ]


def _wanted_name(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    near = get_close_matches(name, list(known), n=3, cutoff=0.5)
    if near and len(known) > MAX_LISTED:
        return f"wanted one of {len(known)} names (docs/cli.md lists them); did you mean {' or '.join(near)}?"
    return f"wanted one of {', '.join(known)}" + (f"; did you mean {' or '.join(near)}?" if near else "")


def _hint(key: str) -> str:
    near = nearest_key(key)
    if near:
        return f", did you mean {near}?"
    names = siblings_of(key) or siblings_of("")
    return f", wanted one of {', '.join(names)}"


def _nested(values: Mapping[str, object]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = value
    return tree


def _key_of(place: tuple[int | str, ...]) -> str:
    """The setting that pydantic's place lies in: items of a list and branches of a union stand behind it."""
    return next(key for n in range(len(place), 0, -1) if (key := ".".join(map(str, place[:n]))) in KEYS)


def _value_at(recipe: Recipe, key: str) -> object:
    value: object = recipe
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _is_no_text(value: object) -> bool:
    """Whether YAML read a number, a truth value or nothing where words are wanted."""
    items = value if isinstance(value, list) else [value]
    return any(item is None or isinstance(item, bool | int | float) for item in items)


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
