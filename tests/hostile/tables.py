"""Manifests as spreadsheets, scripts and attackers leave them: a row a kind, and what must be said of it."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

IMAGES: Final = tuple(f"images/{number:02}.png" for number in range(20))
ROWS: Final = [(path, ("cat", "dog")[at % 2]) for at, path in enumerate(IMAGES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One manifest, beside images that are there."""

    name: str
    make: Callable[[random.Random], bytes]
    said: str = ""  # a finding's kind, or words of the refusal; "": nothing must be said
    file: str = "labels.csv"
    rows: int = len(IMAGES)  # images that must be listed; 0: it is refused; -1: either, whatever is listed


def _csv(rows: list[tuple[str, str]], end: str = "\n", head: str = "path,label") -> str:
    return end.join([head, *(f"{path},{label}" for path, label in rows)]) + end


def _of(text: str, encoding: str = "utf-8") -> Callable[[random.Random], bytes]:
    return lambda draw: text.encode(encoding)


def _flipped(draw: random.Random) -> bytes:
    data = bytearray(_csv(ROWS).encode())
    for _ in range(draw.choice((1, 2, 10))):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def _parquet(draw: random.Random) -> bytes:
    import pyarrow
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"path": [p for p, _ in ROWS], "label": [w for _, w in ROWS]}), file)
    return file.getvalue()


def _flipped_parquet(draw: random.Random) -> bytes:
    data = bytearray(_parquet(draw))
    for _ in range(draw.choice((1, 2, 10))):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def _jsonl(*more: str) -> Callable[[random.Random], bytes]:
    return lambda draw: "\n".join([*(json.dumps({"path": p, "label": w}) for p, w in ROWS), *more]).encode()


_PLAIN: Final = _csv(ROWS)
_OUT: Final = [("../outside/secret.png", "cat"), ("/etc/passwd", "dog"), ("images/../../outside/secret.png", "dog"),
               ("C:\\secret.png", "cat"), ("file:///etc/passwd", "cat"), ("~/secret.png", "cat")]  # fmt: skip

KINDS: Final = (
    Kind(name="plain", make=_of(_PLAIN)),
    Kind(name="byte order mark", make=_of("\ufeff" + _PLAIN)),
    Kind(name="UTF-16", make=_of(_PLAIN, "utf-16")),
    Kind(name="UTF-16 without a mark", make=_of(_PLAIN, "utf-16-le"), said="labels.csv", rows=-1),
    Kind(name="UTF-16 cut in a character", make=lambda d: _PLAIN.encode("utf-16")[:-1], said="labels.csv", rows=0),
    Kind(name="UTF-32", make=_of(_PLAIN, "utf-32"), said="labels.csv", rows=0),
    Kind(name="Latin-1", make=_of(_csv([*ROWS, (IMAGES[0], "café")]), "latin-1"), said="line 22", rows=0),
    Kind(
        name="mixed encodings", said="line 22", rows=0,
        make=lambda d: _PLAIN.encode() + "images/00.png,é\n".encode("latin-1") + "images/01.png,é\n".encode(),
    ),
    Kind(name="CR alone", make=_of(_csv(ROWS, "\r"))),
    Kind(name="CR LF", make=_of(_csv(ROWS, "\r\n"))),
    Kind(name="missing files", make=_of(_csv([*ROWS, ("images/none.png", "cat")])), said="missing files"),
    Kind(name="empty labels", make=_of(_csv([*ROWS[:-1], (IMAGES[-1], " ")])), said="empty labels", rows=19),
    Kind(name="rows twice", make=_of(_csv([*ROWS, *ROWS])), said="paths listed twice"),
    Kind(name="two labels", make=_of(_csv([*ROWS, (IMAGES[0], "dog")])), said="paths with two labels", rows=19),
    Kind(name="paths that lead out", make=_of(_csv([*ROWS, *_OUT])), said="refused paths"),
    Kind(name="a link that leads out", make=_of(_csv([*ROWS, ("images/out.png", "cat")])), said="missing files"),
    Kind(name="a folder as path", make=_of(_csv([*ROWS, ("images", "cat"), (".", "cat")])), said="missing files"),
    Kind(name="NUL in a path", make=_of(_csv([*ROWS, ("images/0\x000.png", "cat")])), said="refused paths"),
    Kind(name="NUL in a label", make=_of(_csv([*ROWS[:-1], (IMAGES[-1], "c\x00at")])), rows=-1),
    Kind(name="NUL alone", make=lambda draw: bytes(5000), said="labels.csv", rows=0),
    Kind(name="escape sequences", make=_of(_csv([*ROWS[2:], (IMAGES[0], "\x1b[2Jcat"), (IMAGES[1], "\x07dog")]))),
    Kind(name="a million characters", make=_of(_csv([*ROWS, (IMAGES[0], "x" * 10**6)])), said="line 2", rows=0),
    Kind(name="a million columns", make=_of("path,label," + "x," * 10**6 + "\n"), said="columns", rows=0),
    Kind(name="a column more", make=_of(_csv([*ROWS, (IMAGES[0], "cat,cat,cat")])), said="malformed rows"),
    Kind(name="open quote", make=_of(_csv([*ROWS, (IMAGES[0], '"cat')])), said="line 2", rows=0),
    Kind(name="quote inside", make=_of(_csv([*ROWS, (IMAGES[0], '"cat" and "dog"')])), said="line 2", rows=0),
    Kind(name="head alone", make=_of("path,label\n"), said="labels.csv", rows=0),
    Kind(name="no bytes", make=lambda draw: b"", said="labels.csv", rows=0),
    Kind(name="the same head twice", make=_of(_csv(ROWS, head="path,path")), rows=-1),
    Kind(name="numbers", make=_of(_csv([(p, f"{n / 7}") for n, p in enumerate(IMAGES)])), said="regression", rows=0),
    Kind(name="numbers without end", make=_of(_csv([(p, "1e400") for p in IMAGES])), rows=-1),
    Kind(name="long label", make=_of(_csv([*ROWS[1:], (IMAGES[0], "x" * 1000)])), said="captions", rows=0),
    Kind(name="noise", make=lambda draw: b"\xff" + draw.randbytes(5000), said="labels.csv", rows=0),
    Kind(name="bits flipped", make=_flipped, rows=-1),
    Kind(name="JSONL", make=_jsonl(), file="labels.jsonl"),
    Kind(name="JSONL, deep", make=_jsonl("[" * 100_000), file="labels.jsonl", said="malformed rows"),
    Kind(name="JSONL, long number", make=_jsonl("9" * 10_000), file="labels.jsonl", said="malformed rows"),
    Kind(name="JSONL, no object", make=_jsonl("[1, 2]"), file="labels.jsonl", said="malformed rows"),
    Kind(
        name="JSONL, half a character", file="labels.jsonl", said="malformed rows",
        make=_jsonl('{"path": "\\ud800", "label": "cat"}'),
    ),
    Kind(
        name="JSONL, a value of values", file="labels.jsonl", said="paths with two labels", rows=19,
        make=_jsonl('{"path": "images/00.png", "label": {"a": [1]}}'),
    ),
    Kind(
        name="JSONL, a million keys", file="labels.jsonl", said="columns", rows=0,
        make=_jsonl(json.dumps({str(n): 0 for n in range(10**5)})),
    ),
    Kind(name="Parquet", make=_parquet, file="labels.parquet"),
    Kind(name="Parquet cut", make=lambda d: _parquet(d)[:-9], file="labels.parquet", said="labels.parquet", rows=0),
    Kind(name="Parquet, bits flipped", make=_flipped_parquet, file="labels.parquet", rows=-1),
    Kind(name="Parquet of noise", make=lambda d: b"PAR1" + d.randbytes(999) + b"PAR1", file="labels.parquet",
         said="labels.parquet", rows=0),
)  # fmt: skip
