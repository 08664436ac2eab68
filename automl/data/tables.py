"""A CSV, TSV, JSONL or Parquet file as rows of text: bounded, any usual encoding, each fault with its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from automl.errors import DataError

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
MAX_BYTES: Final = 256 * 1024 * 1024
"""Of a manifest's file; a row of 100 bytes for each of two million images has 200 MB."""
MAX_ROWS: Final = 2_000_000
MAX_COLUMNS: Final = 2_000
MAX_FIELD: Final = 131_072  # characters; csv's own limit, held for the other formats as well
MAX_PARQUET_BYTES: Final = 1024 * 1024 * 1024
"""Of a Parquet file's columns of text and numbers, unpacked: a small file may be a bomb."""
DELIMITERS: Final = ",\t;|"
_BOMS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a file's rows hold; every cell is text, "" where there is none."""

    name: str  # of the file, relative to the dataset's folder
    columns: tuple[str, ...]  # as written, without white space around them
    rows: tuple[tuple[str, ...], ...]  # each as long as the columns
    lines: tuple[int, ...]  # where each row ends in the file, from 1; of Parquet: the row's number
    malformed: tuple[int, ...]  # lines with more or fewer cells than columns, no JSON object, or text that is none

    def column(self, at: int) -> list[str]:
        return [row[at] for row in self.rows]


def read_table(path: Path, name: str) -> Table:
    """Read a file by its suffix.

    Args: name: what messages call it.
    Raises: DataError: it cannot be read, is too large, in another encoding, or not what its suffix says.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(
                f"{name} has {size / 1e6:,.0f} MB. Wanted: a manifest of at most {MAX_BYTES / 1e6:,.0f} MB. "
                "Keep the columns of paths, labels, parts, groups and weights alone."
            )
        if path.suffix.lower() == ".parquet":
            return _read_parquet(path, name)
        encoding = _encoding(path)
        try:
            with path.open(encoding=encoding, newline="") as file:
                read = _read_jsonl if path.suffix.lower() in (".jsonl", ".ndjson") else _read_csv
                return read(file, name)
        except UnicodeDecodeError as error:
            raise DataError(_not_decoded(path, name, encoding)) from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}. Wanted: a manifest. See to it.") from error


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(3)
    return next((encoding for bom, encoding in _BOMS.items() if start.startswith(bom)), "utf-8")


def _not_decoded(path: Path, name: str, encoding: str) -> str:
    """Where a file is not in its encoding: found anew, because a decoder reads ahead of the lines."""
    data = path.read_bytes()
    try:
        data.decode(encoding)
        line, what = 1, "bytes"
    except UnicodeDecodeError as error:
        read = error.object  # the bytes that `start` counts: a byte order mark is none of them
        before = read[: error.start].decode(encoding, "ignore")
        line, what = before.count("\n") + 1, f"the byte 0x{read[min(error.start, len(read) - 1)]:02x}"
    wanted = "UTF-8, or UTF-16 with a byte order mark"
    said = "UTF-16, as its byte order mark says" if encoding == "utf-16" else "UTF-8"
    return f"{name}: line {line} holds {what}, which is not {said}. Wanted: {wanted}. Save it so from its program."


def _read_csv(file: Any, name: str) -> Table:
    first = file.readline(MAX_FIELD + 1)
    file.seek(0)
    unquoted = "".join(first.split('"')[::2])
    delimiter = max(DELIMITERS, key=unquoted.count)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    malformed: list[int] = []
    columns: tuple[str, ...] = ()
    read = 0  # lines, of whole rows
    try:
        for row in reader:
            read = reader.line_num
            if not any(cell.strip() for cell in row):
                continue  # an empty line, or one of delimiters alone, as spreadsheets leave them
            if not columns:
                columns = _columns([cell.strip() for cell in row], name)
            elif len(row) != len(columns):
                malformed.append(reader.line_num)
            else:
                rows.append(tuple(row))
                lines.append(reader.line_num)
                _refuse_more(len(rows), name)
    except csv.Error as error:
        # A quote that is not closed takes all lines behind it along: the row's first line is where it stands.
        to = f" (read up to line {reader.line_num})" if reader.line_num > read + 1 else ""
        raise DataError(
            f"{name}: line {read + 1} cannot be read: {error}{to}. Wanted: CSV, fields of at most "
            f"{MAX_FIELD:,} characters, quotes closed. Correct that line."
        ) from error
    if not columns:
        raise DataError(f"{name} is empty. Wanted: a line of column names, and one for each image.")
    return Table(name=name, columns=columns, rows=tuple(rows), lines=tuple(lines), malformed=tuple(malformed))


def _read_jsonl(file: Any, name: str) -> Table:
    """Lines that are no objects are malformed rows; a file that has more of them than others is none of its kind."""
    wrong: list[int] = []
    first = ""

    def objects() -> Iterator[tuple[int, Mapping[str, object]]]:
        nonlocal first
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
                why = "" if isinstance(found, dict) else _shown(found)
            except (ValueError, RecursionError) as error:
                found, why = None, f"no JSON: {getattr(error, 'msg', '') or 'a value too deep or too long'}"
            if isinstance(found, dict):
                yield number, found
                continue
            first = first or f"line {number} is {why}"
            wrong.append(number)
            _refuse_more(len(wrong), name)

    table = _from_objects(objects(), name)
    if len(wrong) > len(table.rows):
        raise DataError(f"{name}: {first}. Wanted: an object, {{...}}, a line.")
    return replace(table, malformed=tuple(sorted((*table.malformed, *wrong))))


def _read_parquet(path: Path, name: str) -> Table:
    """Columns of text and numbers; others (pictures inside the file, say) are left where they are."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{name} is a Parquet file, and the package that reads it is not installed. Wanted: pyarrow. "
            "Install it by `pip install 'automl[parquet]'`, or save the table as CSV."
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            plain = [field.name for field in file.schema_arrow if _is_plain(field.type, pyarrow.types)]
            _columns(plain, name)
            _refuse_more(file.metadata.num_rows, name)
            groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
            parts = [group.column(at) for group in groups for at in range(group.num_columns)]
            unpacked = sum(part.total_uncompressed_size for part in parts if part.path_in_schema in plain)
            if unpacked > MAX_PARQUET_BYTES:
                raise DataError(
                    f"{name} unpacks to {unpacked / 1e6:,.0f} MB. Wanted: at most {MAX_PARQUET_BYTES / 1e6:,.0f} MB. "
                    "Keep the columns of paths, labels, parts, groups and weights alone."
                )
            batches = file.iter_batches(batch_size=4096, columns=plain)
            found = (row for batch in batches for row in batch.to_pylist())
            return _from_objects(enumerate(found, 1), name, tuple(plain))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{name} cannot be read as Parquet: {str(error).splitlines()[0]}. Write it anew, or save it as CSV."
        ) from error


def _is_plain(kind: Any, types: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind)
    return bool(text or types.is_integer(kind) or types.is_floating(kind))


def _from_objects(
    objects: Iterator[tuple[int, Mapping[str, object]]] | enumerate[Mapping[str, object]],
    name: str,
    columns: tuple[str, ...] = (),
) -> Table:
    at: dict[str, int] = {column: number for number, column in enumerate(columns)}
    sparse: list[dict[int, str]] = []
    lines: list[int] = []
    malformed: list[int] = []
    for number, found in objects:
        row = {}
        for key, value in found.items():
            text = _text(value)
            if len(text) > MAX_FIELD:
                raise DataError(
                    f"{name}: line {number} has a value of {len(text):,} characters under {_shown(key)}. "
                    f"Wanted: at most {MAX_FIELD:,}. Correct that line."
                )
            row[at.setdefault(key.strip(), len(at))] = text
        if len(at) > MAX_COLUMNS:
            _columns(list(at), name)
        if all(_is_text(text) for text in row.values()):
            sparse.append(row)
            lines.append(number)
            _refuse_more(len(sparse), name)
        else:
            malformed.append(number)
    names = _columns(list(at), name)
    rows = tuple(tuple(row.get(index, "") for index in range(len(names))) for row in sparse)
    return Table(name=name, columns=names, rows=rows, lines=tuple(lines), malformed=tuple(malformed))


def _text(value: object) -> str:
    """A JSON value as a cell: text as it is, null empty, the rest as JSON writes it."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _is_text(cell: str) -> bool:
    """JSON can spell halves of characters ("\\ud800"), which no file name has and no terminal shows."""
    return not any("\ud800" <= character <= "\udfff" for character in cell)


def _columns(names: Sequence[str], name: str) -> tuple[str, ...]:
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{name} has {len(names):,} columns. Wanted: a manifest of at most {MAX_COLUMNS:,}.")
    return tuple(names)


def _refuse_more(rows: int, name: str) -> None:
    if rows > MAX_ROWS:
        raise DataError(f"{name} has more than {MAX_ROWS:,} rows. Wanted: a row an image, {MAX_ROWS:,} at most.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
