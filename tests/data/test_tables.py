from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from automl.data import tables
from automl.data.tables import MAX_FIELD, Table, read_table
from automl.errors import DataError


def _read(tmp_path: Path, name: str, content: bytes | str) -> Table:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(tmp_path / name, name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_every_usual_encoding_gives_the_same_rows(tmp_path: Path, encoding: str, name: str) -> None:
    text = {
        "t.csv": "path,label\r\nü.png,Käse\r\n",
        "t.tsv": "path\tlabel\nü.png\tKäse\n",
        "t.jsonl": '{"path": "ü.png", "label": "Käse"}\n',
    }[name]
    bom = {"utf-16-le-bom": b"\xff\xfe", "utf-16-be-bom": b"\xfe\xff"}.get(encoding, b"")

    table = _read(tmp_path, name, bom + text.encode(encoding.removesuffix("-bom")))

    assert table.columns == ("path", "label")
    assert table.rows == (("ü.png", "Käse"),)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_headers(tmp_path: Path, delimiter: str) -> None:
    table = _read(tmp_path, "t.csv", f'path{delimiter}"a,b;c"{delimiter} label \n1.png{delimiter}x{delimiter}cat\n')

    assert table.columns == ("path", "a,b;c", "label")
    assert table.rows == (("1.png", "x", "cat"),)


def test_empty_lines_are_skipped_and_rows_of_another_length_are_told_by_their_line(tmp_path: Path) -> None:
    table = _read(tmp_path, "t.csv", 'path,label\n\n1.png,cat\n,\n2,3.png,dog\n"4\n.png",cat\n5.png\n')

    assert table.rows == (("1.png", "cat"), ("4\n.png", "cat"))
    assert table.lines == (3, 7)
    assert table.malformed == (5, 8)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"path,label\n1.png,cat\n2.png,k\xe4se\n",
         r"t\.csv: line 3 holds the byte 0xe4, which is not UTF-8\. Wanted: UTF-8, or UTF-16 with a byte order mark"),
        ("t.csv", b"\xef\xbb\xbfpath,label\n1.png,k\xe4se\n", r"line 2 holds the byte 0xe4, which is not UTF-8"),
        ("t.csv", b"\xff\xfep\x00,", r"t\.csv: line 1 holds .*not UTF-16, as its byte order mark says"),
        ("t.csv", "", r"t\.csv is empty\. Wanted: a line of column names"),
        ("t.csv", 'path,label\n1.png,"cat\n2.png,dog\n',
         r"t\.csv: line 2 cannot be read: .*\(read up to line 3\).*quotes closed"),
        ("t.csv", "path,label\n1.png," + "x" * 1_000_000, r"line 2 cannot be read: field larger than field limit"),
        ("t.jsonl", '{"path": "1.png"}\n[1]\n2\n', r"t\.jsonl: line 2 is \[1\]\. Wanted: an object"),
        ("t.jsonl", '{"path"\n{"path"\n{"path": "1.png"}\n', r"t\.jsonl: line 1 is no JSON"),
        ("t.jsonl", "[" * 100_000, r"t\.jsonl: line 1 is no JSON"),
        ("t.jsonl", '{"label": ' + "9" * 10_000 + "}", r"t\.jsonl: line 1 is no JSON: a value too deep or too long"),
        ("t.jsonl", json.dumps({"label": "x" * 1_000_000}), r"line 1 has a value of 1,000,000 characters"),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_cannot_be_read_is_one_message_with_its_line(
    tmp_path: Path, name: str, content: bytes | str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _read(tmp_path, name, content)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("limit", "content", "message"),
    [
        ("MAX_BYTES", "path\n" + "x\n" * 9, r"has 0 MB\. Wanted: a manifest of at most 0 MB"),
        ("MAX_ROWS", "path\n" + "x\n" * 9, r"more than 8 rows"),
        ("MAX_COLUMNS", ",".join("abcdefghij"), r"10 columns\. Wanted: a manifest of at most 8"),
    ],
)
def test_sizes_are_bounded(
    tmp_path: Path, limit: str, content: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, limit, 8)
    with pytest.raises(DataError, match=message):
        _read(tmp_path, "t.csv", content)


def test_json_values_become_text_and_missing_keys_are_empty(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": True}, {"b": None, "c": "x"}, {"a": ["p", "q"], "c": 1.5}]

    table = _read(tmp_path, "t.jsonl", "\n".join(map(json.dumps, rows)))

    assert table.columns == ("a", "b", "c")
    assert table.rows == (("1", "true", ""), ("", "", "x"), ('["p", "q"]', "", "1.5"))


def test_lines_that_are_no_json_objects_are_malformed_rows(tmp_path: Path) -> None:
    table = _read(tmp_path, "t.jsonl", '{"path": "1.png"}\n{"path"\n{"path": "2.png"}\n[1]\n')

    assert (table.rows, table.lines, table.malformed) == ((("1.png",), ("2.png",)), (1, 3), (2, 4))


def test_half_characters_are_malformed_rows_because_nothing_could_show_them(tmp_path: Path) -> None:
    table = _read(tmp_path, "t.jsonl", '{"path": "\\ud800.png"}\n{"path": "1.png"}\n')

    assert (table.rows, table.malformed) == ((("1.png",),), (1,))


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(CELLS.filter(str.strip), CELLS), max_size=8))
def test_what_csv_writes_is_read_back(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("path", "label"), *rows])
        assert read_table(path, "t.csv").rows == tuple(rows)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["t.csv", "t.tsv", "t.jsonl"]))
def test_any_bytes_are_a_table_or_refused_in_words(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        try:
            table = read_table(Path(folder) / name, name)
        except DataError as error:
            refusal = str(error)
            assert name in refusal
            return
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert len(table.lines) == len(table.rows)


def test_the_plain_columns_of_parquet_are_read(tmp_path: Path) -> None:
    columns = {
        "path": ["1.png", "2.png"],
        "label": pyarrow.array(["cat", None]).dictionary_encode(),
        "group": [7, 8],
        "picture": [{"bytes": b"x"}, {"bytes": b"y"}],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")

    table = read_table(tmp_path / "t.parquet", "t.parquet")

    assert table.columns == ("path", "label", "group")
    assert table.rows == (("1.png", "cat", "7"), ("2.png", "", "8"))


def test_a_damaged_or_huge_parquet_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"path": ["x" * 100] * 1000}), path, compression="gzip")
    whole = path.read_bytes()

    monkeypatch.setattr(tables, "MAX_PARQUET_BYTES", 10)
    with pytest.raises(DataError, match=r"unpacks to .* MB\. Wanted: at most"):
        read_table(path, "t.parquet")
    monkeypatch.undo()
    monkeypatch.setattr(tables, "MAX_ROWS", 999)
    with pytest.raises(DataError, match="more than 999 rows"):
        read_table(path, "t.parquet")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(path, "t.parquet")


@settings(max_examples=60, deadline=None)
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4))
def test_parquet_with_bytes_changed_is_a_table_or_refused_in_words(flips: list[tuple[float, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        parquet.write_table(pyarrow.table({"path": [f"{n}.png" for n in range(40)], "y": [0.5] * 40}), path)
        data = bytearray(path.read_bytes())
        for where, bits in flips:
            data[int(where * len(data))] ^= bits
        path.write_bytes(data)
        try:
            table = read_table(path, "t.parquet")
        except DataError as error:
            refusal = str(error)
            assert refusal.startswith("t.parquet")
            return
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_without_pyarrow_parquet_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"Wanted: pyarrow\. Install it by `pip install 'automl\[parquet\]'`, or save"):
        _read(tmp_path, "t.parquet", b"PAR1")


def test_the_limit_of_a_field_is_csvs_own() -> None:
    assert csv.field_size_limit() == MAX_FIELD
