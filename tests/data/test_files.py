from __future__ import annotations

import pytest

from automl.data.files import KINDS_TOLD, is_odd, told


@pytest.mark.parametrize("reason", ["hidden", "Thumbs.db", "__MACOSX", "suffix .txt", "suffix .csv"])
def test_what_lies_beside_images_everywhere_is_not_odd(reason: str) -> None:
    assert not is_odd(reason)


@pytest.mark.parametrize(
    "reason",
    ["not a regular file", "link that leaves the dataset", "name that is not UTF-8", "no suffix", "suffix .heic",
     "suffix .mp4", "suffix .zip", "image outside the class folders"],
)  # fmt: skip
def test_what_may_be_missed_is_odd(reason: str) -> None:
    assert is_odd(reason)


def test_the_most_frequent_kinds_are_told_and_the_others_are_counted() -> None:
    assert told({"hidden": 1, "suffix .heic": 3}) == "3 x suffix .heic, 1 x hidden"
    numbered = {f"suffix .{number:04}": 2 for number in range(1000)}
    assert told(numbered).startswith("2 x suffix .0000, ")
    assert told(numbered).endswith(f", {2 * (1000 - KINDS_TOLD)} of {1000 - KINDS_TOLD} more kinds")
