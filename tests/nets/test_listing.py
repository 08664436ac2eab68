"""weights.yaml as a user, a bundle or an attacker writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.errors import WrongWeights
from automl.nets.listing import LISTING, MAX_BYTES, read_listing

PLAIN = "- {file: x.h5, backbone: MobileNetV2, kwargs: {alpha: 0.5}, sha256: ABC, size: 7, licence: mine, grade: exact}"


def test_an_entry_keeps_all_that_it_says(tmp_path: Path) -> None:
    (tmp_path / LISTING).write_text(PLAIN)
    (entry,) = read_listing(tmp_path)
    assert (entry.file, entry.backbone, entry.kwargs) == ("x.h5", "MobileNetV2", {"alpha": 0.5})
    assert (entry.sha256, entry.size, entry.licence, entry.source) == ("abc", 7, "mine", "")
    assert entry.more == {"grade": "exact"}


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
