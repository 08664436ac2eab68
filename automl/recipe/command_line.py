"""Settings as a shell hands them over, and as a message offers them to be pasted into one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from automl.recipe.keys import ADDING, KEYS, takes_words
from automl.recipe.yaml_text import YamlFault, parse_yaml, scalar_text


def as_typed(setting: str) -> str:
    """A setting from a command line as load_recipe takes it: where its key lists words, 01 and null are words too."""
    key, _, text = setting.partition("=")
    if key.strip() not in ADDING and not (key.strip() in KEYS and takes_words(KEYS[key.strip()])):
        return setting
    try:
        words = parse_yaml(text, words=True)
    except YamlFault:
        return setting  # load_recipe says it
    return setting if words is None or isinstance(words, dict) else f"{key}={scalar_text(words)}"


def set_option(key: str, words: Sequence[str]) -> str:
    """The option that gives a key that lists words these ones, ready for a shell: "--set 'check.allow=dark images'"."""
    value = (
        _bare(words[0], words[0]) if len(words) == 1 else f"[{', '.join(_bare(word, f'[{word}]') for word in words)}]"
    )
    return f"--set {shlex.quote(f'{key}={value}')}"


def _bare(word: str, text: str) -> str:
    """The word as it is, where as_typed reads it back from that text; else in quotes."""
    try:
        is_read = word.isprintable() and parse_yaml(text, words=True) in (word, [word])
    except YamlFault:
        is_read = False
    return word if is_read else scalar_text(word)
