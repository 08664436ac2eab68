"""YAML as recipes use it: plain scalars, lists and mappings, read by the YAML 1.2 core schema.

PyYAML reads YAML 1.1, where `off` is false, `1:30` is 90 and `1e-4` is text: each of them a trap in a recipe.
Duplicate keys are faults here, and so are tags, anchors and aliases, which no recipe needs and attacks use.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

MAX_DEPTH: Final = 20  # of lists and mappings within each other; a recipe has four


class YamlFault(ValueError):
    """The text is not the YAML that recipes use; the message tells line and column."""


class _Loader(yaml.SafeLoader):
    """Safe (builds plain values only), without YAML 1.1's surprises."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own way
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _fault("anchors (&) and aliases (*) are not used here", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _fault("tags (!) are not used here", event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _fault(f"more than {MAX_DEPTH} lists and mappings within each other", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fault("a key that is a list or a mapping", key_node.start_mark)
            if key_node.value in seen:
                raise _fault(f"the key {key_node.value!r} a second time", key_node.start_mark)
            seen.add(key_node.value)
        return {str(key.value): self.construct_object(value, deep=True) for key, value in node.value}

    def construct_scalar(self, node: Any) -> str:
        text = super().construct_scalar(node)
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _fault("half of a surrogate pair, which is no character", node.start_mark)
        return str(text)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
# The YAML 1.2 core schema (yaml.org/spec/1.2.2, section 10.3.2), without its octal and hexadecimal numbers.
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]{1,19}", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     "-+.0123456789"),
):  # fmt: skip
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), [*_first, ""] if _tag == "null" else [*_first]
    )


class _WordLoader(_Loader):
    """Takes every scalar for the text that it is."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own way


def parse_yaml(text: str, *, words: bool = False) -> object:
    """The value that the text holds: None, bool, int, float, str, or lists and dicts (with text keys) of such.

    Args: words: 7, 01, true and null are text too; None is an empty text alone.
    Raises: YamlFault: it is not the YAML that recipes use.
    """
    try:
        return yaml.load(text, Loader=_WordLoader if words else _Loader)  # noqa: S506  # a SafeLoader underneath
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlFault(f"{place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise YamlFault(" ".join(str(error).split())) from error


def scalar_text(value: object) -> str:
    """None, a bool, int, float, str, or a list of such, on one line that parse_yaml reads back as the same value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return "[" + ", ".join(scalar_text(item) for item in value) + "]"
    if isinstance(value, float):
        # 1e-05 is text for readers of YAML 1.1; 1.0e-05 is the number for all.
        text = repr(value)
        return text if "." in text else text.replace("e", ".0e")
    if isinstance(value, int):
        return str(value)
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", str(value)) and yaml.safe_load(str(value)) == value:  # not off, null, ...
        return str(value)
    quoted: str = yaml.dump(str(value), default_style='"', width=float("inf"))
    return quoted.strip()


def _fault(found: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, f"found {found}", mark)
