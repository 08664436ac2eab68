"""Tables: paths give way in a narrow terminal, other columns do not; elsewhere every row is one whole line."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from automl.cli import tables
from automl.cli.tables import print_table, shortened

FOLDER = "/home/somebody/pictures/of/many/kinds/and/of/long/names/flowers"
ROWS = [
    (f"{FOLDER}/rose/IMG_20261121_123456_a_really_long_name_of_a_file_from_a_camera_0001.jpg", "rose", "0.9871"),
    (f"{FOLDER}/daisy/7.png", "oxeye daisy of the field", "0.5012"),
    ("s.png", "daisy", "0.9000"),
]


def printed_at(width: int, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, ...]]) -> list[str]:
    """The rows' lines of a table on a terminal of this width."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, width=width, highlight=False)
    monkeypatch.setattr(tables, "stdout", lambda: console)
    print_table(("image", "label", "probability"), rows, right=("probability",), paths="image")
    lines = [line for line in screen.getvalue().splitlines() if line.strip()]
    assert lines[0].split() == ["image", "label", "probability"]
    assert all(cell_len(line) <= width for line in lines)
    return lines[2:]


@pytest.mark.parametrize("width", [200, 120, 80, 60])
def test_a_terminal_shows_a_line_a_row_with_whole_labels_and_numbers(width, monkeypatch):
    lines = printed_at(width, monkeypatch, ROWS)
    assert len(lines) == 3
    for line, (path, label, number) in zip(lines, ROWS, strict=True):
        shown, *others = line.strip().split("   ", 1)
        assert " ".join(others).split() == [*label.split(), number]
        assert shown.endswith(path[-5:])
        assert (shown == path) != ("\N{HORIZONTAL ELLIPSIS}" in shown)
    assert lines[2].split()[0] == "s.png"
    assert (FOLDER in lines[1]) == (width >= 120)


def test_a_label_that_would_take_more_than_half_the_terminal_is_folded_and_nothing_is_lost(monkeypatch):
    label = "abcdefghijklmnopqrstuvwxyz" * 2
    lines = printed_at(60, monkeypatch, [(ROWS[1][0], label, "0.5012")])
    assert "0.5012" in lines[0]
    assert "7.png" in lines[0]
    cells = [line.replace("0.5012", "").split()[-1] for line in lines]
    assert "".join(cells) == label


def test_output_that_is_no_terminal_has_every_row_whole_on_one_line(capsys):
    path = "/" + "/".join(["folder"] * 500) + "/a.png"
    print_table(("image", "label"), [(path, "rose")], paths="image")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["image", "label"], [path, "rose"]]


@pytest.mark.parametrize(
    ("path", "width", "wanted"),
    [
        ("a/b/cat.png", 11, "a/b/cat.png"),
        ("a/b/cat.png", 10, "…/cat.png"),
        ("/data/rose/cat.png", 14, "…/rose/cat.png"),
        ("/data/rose/cat.png", 13, "…/cat.png"),
        ("/data/rose/0123456789.png", 9, "0123….png"),
        ("0123456789.png", 8, "012….png"),
        ("'/data/rose/c\\x07t.png'", 12, r"'c\x0…t.png'"),
        ("'/data/rose/c\\x07t.png'", 14, r"'…/c\x07t.png'"),
        ("/data/猫猫猫猫猫猫.png", 11, "猫猫…猫.png"),
        ("/data/cat.png", 1, "…"),
    ],
)
def test_folders_go_first_then_the_names_middle(path, width, wanted):
    assert shortened(path, width) == wanted
    assert cell_len(wanted) <= width
