"""Reads a page as a browser would, and keeps what tests ask for."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

EMPTY: Final = frozenset(("meta", "link", "img", "br"))
"""Elements that HTML does not close."""


class Outline(HTMLParser):
    """The page's elements, its text, and every address in it. Elements that are not closed in order are faults."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.faults: list[str] = []
        self.rows: list[str] = []  # text of each block, its white space as single spaces
        self._open: list[str] = []
        self._text: list[str] = []
        self.feed(page)
        self.close()
        self._end_row()
        self.faults += [f"<{tag}> is not closed" for tag in self._open]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "srcset", "data"}]
        if tag in {"p", "h1", "h2", "h3", "tr", "li", "dt", "div", "pre", "figure", "nav"}:
            self._end_row()
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1:] == [tag]:
            self._open.pop()
            self._text.append(" " if tag in {"td", "th", "dd", "dt", "a", "text", "title"} else "")
        else:
            self.faults.append(f"</{tag}> closes <{self._open[-1] if self._open else 'nothing'}>")

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self._text.append(data)

    def _end_row(self) -> None:
        row = " ".join("".join(self._text).split())
        self._text = []
        if row:
            self.rows.append(row)
