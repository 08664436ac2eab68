"""How what is not read of a dataset is told, and what is advised."""

from __future__ import annotations

import pytest

from automl.data.passed import KINDS_TOLD, advice_on, is_odd, told


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


def test_what_may_surprise_is_told_first_and_rare_kinds_are_counted_together() -> None:
    assert told({"hidden": 9, "suffix .heic": 3, "suffix .mp4": 5}) == "3 x suffix .heic, 5 x suffix .mp4, 9 x hidden"
    numbered = {f"suffix .{number:04}": 2 for number in range(1000)}
    assert told(numbered).startswith("2 x suffix .0000, ")
    assert told(numbered).endswith(f" and {2 * (1000 - KINDS_TOLD)} more of {1000 - KINDS_TOLD} other kinds")


def test_every_kind_that_may_surprise_has_its_advice_and_plain_texts_have_none() -> None:
    assert advice_on({"hidden": 1, "suffix .txt": 1}) == ""
    assert advice_on({"suffix .heic": 1, "suffix .avif": 2}) == (
        "Convert pictures of formats that are not read to JPEG or PNG."
    )
    assert advice_on({"name that is not UTF-8": 1, "link that leaves the dataset": 2, "suffix .mp4": 1}) == (
        "Put the files themselves where links leave the dataset, or give the folder that they lead to. "
        "Rename what has a name that is not UTF-8. See that no file of another kind was meant as an image."
    )
