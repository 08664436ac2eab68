"""Every key of a recipe, dotted, and its limits in words: derived from the model, so that nothing is said twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from automl.recipe.model import Recipe, Section

Schema = Mapping[str, Any]  # a JSON schema


def _walk(section: type[Section], prefix: str = "") -> Iterator[tuple[str, Schema | None]]:
    schema = section.model_json_schema()
    for name, info in section.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield prefix + name, None
            yield from _walk(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, schema["properties"][name]


_ALL: Final = dict(_walk(Recipe))
KEYS: Final[Mapping[str, Schema]] = MappingProxyType(
    {key: schema for key, schema in _ALL.items() if schema is not None}
)
"""The dotted key of each single setting ("tune.trials"), and its JSON schema."""
SECTIONS: Final = frozenset(key for key, schema in _ALL.items() if schema is None)
"""The dotted keys that hold further keys ("tune", "tune.space")."""


ADDING: Final[Mapping[str, str]] = MappingProxyType(
    {"backbones.custom": "adds .keras files of your own, or hub:PRESET, to the `backbones` of the recipe"}
)
"""Keys that stand for no setting of their own, but add to the list of the key before the dot; what each means."""


def nearest_key(unknown: str) -> str | None:
    """The known key that an unknown dotted key was most likely meant to be; None: nothing is near.

    First a sibling of nearly that name, then the same name in another section, then whatever looks very much alike.
    """
    name = unknown.rpartition(".")[2]
    siblings = {key.rpartition(".")[2]: key for key in siblings_of(unknown)}
    near = [siblings[match] for match in get_close_matches(name, siblings, n=1)]
    elsewhere = get_close_matches(unknown, [key for key in _ALL if key.rpartition(".")[2] == name], n=1, cutoff=0)
    alike = get_close_matches(unknown, _ALL, n=1, cutoff=0.85)
    return next(iter(near + elsewhere + alike), None)


def siblings_of(key: str) -> tuple[str, ...]:
    """The known dotted keys of the section that this key, known or not, would stand in."""
    return tuple(known for known in _ALL if known.rpartition(".")[0] == key.rpartition(".")[0])


def takes_words(schema: Schema) -> bool:
    """Whether the setting is a list of words, of which one may stand alone."""
    return schema.get("type") == "array" and schema.get("items", {}).get("type") == "string"


def wanted(schema: Schema) -> str:
    """The limits of a JSON schema, as this model has them, in words: "an integer from 1 to 64"."""
    if "anyOf" in schema:
        return " or ".join(wanted(option) for option in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema["type"] == "array":
        return _wanted_list(schema)
    if schema["type"] in {"integer", "number"}:
        kind = "an integer" if schema["type"] == "integer" else "a number"
        return " ".join(filter(None, (kind, _bounds(schema), schema.get("besides"))))
    return {"boolean": "true or false", "string": "text"}[schema["type"]]


def _wanted_list(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"a list [low, high], each {wanted(schema['prefixItems'][0])}, the lower end first"
    unique = "" if schema["items"]["type"] == "number" else ", each once"
    at_least = f", at least {schema['minItems']}" if "minItems" in schema else ""
    alone = ", or one alone" if takes_words(schema) else ""
    return f"a list, each item {wanted(schema['items'])}{unique}{at_least}{alone}"


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"from {low:,} to {high:,}"
    words = (
        ("of at least", low),
        ("above", schema.get("exclusiveMinimum")),
        ("of at most" if low is None and "exclusiveMinimum" not in schema else "at most", high),
        ("below", schema.get("exclusiveMaximum")),
    )
    return " and ".join(f"{word} {bound:,}" for word, bound in words if bound is not None)
