"""weights.yaml as a user, a bundle or an attacker writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import WrongWeights
from automl.nets.catalogue import backbone_named
from automl.nets.listing import LISTING, MAX_BYTES, Entry, listing_text, parse_listing, read_listing

PLAIN = "- {file: x.h5, backbone: MobileNetV2, kwargs: {alpha: 0.5}, sha256: ABC, size: 7, licence: mine, grade: exact}"


def test_an_entry_keeps_all_that_it_says(tmp_path: Path) -> None:
    (tmp_path / LISTING).write_text(PLAIN)
    (entry,) = read_listing(tmp_path)
    assert (entry.file, entry.backbone, entry.kwargs) == ("x.h5", "MobileNetV2", {"alpha": 0.5})
    assert (entry.sha256, entry.size, entry.licence, entry.source) == ("abc", 7, "mine", "")
    assert entry.more == {"grade": "exact"}


@pytest.mark.parametrize(
    ("kwargs", "fits", "topped"),
    [
        ({"include_top": False}, True, False),
        ({"include_top": True}, True, True),
        ({}, True, True),
        ({"classes": 1000}, True, True),
        ({"classes": 5}, False, True),
        ({"classes": 5, "include_top": False}, True, False),
        ({"alpha": 0.5, "include_top": False}, False, False),
    ],
)
def test_an_entry_fits_a_backbone_with_imagenets_top_or_none(
    kwargs: dict[str, object], fits: bool, topped: bool
) -> None:
    entry = Entry(file="x.h5", backbone="MobileNetV2", kwargs=kwargs)
    assert (entry.fits(backbone_named("mobilenetv2")), entry.topped) == (fits, topped)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- &a {file: x.h5, backbone: B}\n- *a", r"anchors \(&\) and aliases \(\*\) are not used"),
        ("- {file: x.h5, file: y.h5, backbone: B}", "'file' a second time"),
        ("- {file: x.h5, backbone: B, size: many}", "entry 1: its size is 'many'. Wanted: a number of bytes"),
        ("#" * (MAX_BYTES + 1), "it has more than 1,000,000 bytes"),
        ("[" * 100, "more than 20 lists"),
        ("- \udcff", "cannot be read"),
        ("", "holds a NoneType. Wanted: a list"),
    ],
)
def test_a_hostile_or_broken_listing_is_refused_with_its_reason(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / LISTING).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(WrongWeights, match=message):
        read_listing(tmp_path)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Entry,
            file=st.text(max_size=20),
            backbone=st.text(max_size=20),
            kwargs=st.dictionaries(
                st.text(max_size=9), st.booleans() | st.integers(0, 999) | st.text(max_size=9), max_size=3
            ),
            sha256=st.text("0123456789abcdef", max_size=64),
            size=st.none() | st.integers(0, 2**40),
            licence=st.text(max_size=20),
            source=st.text(max_size=20),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_listing_is_read_back_as_it_was_written(entries: list[Entry]) -> None:
    assert list(parse_listing(listing_text(entries).encode(), "it")) == entries


def test_a_pipe_named_weights_yaml_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LISTING)
    with pytest.raises(WrongWeights, match="cannot be read: it is no file"):
        read_listing(tmp_path)


@pytest.mark.parametrize(("text", "stated"), [("0", "0"), ("false", "false"), ("", ""), ("~", "")])
def test_a_checksum_that_yaml_takes_for_nothing_is_a_wrong_one_and_not_none(text: str, stated: str) -> None:
    line = f"- {{file: x.h5, backbone: MobileNetV2, kwargs: {{}}, sha256: {text}}}"
    (entry,) = parse_listing(line.encode(), LISTING)
    assert entry.sha256.startswith(stated)
    assert bool(entry.sha256) == bool(stated)
