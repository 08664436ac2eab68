"""`automl check` on the real archives: what their README says is hard about them is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automl import api
from automl.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "datasets"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the real datasets are not beside the repository"),
]


def found(name: str, **settings: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """What check says of an archive, and its findings by their kind."""
    facts = api.check(SHARED / name, settings=settings)
    assert facts["exit_code"] == 0
    assert facts["rejected"] == []  # in none of the sets does a file fail to decode
    return facts, {finding["kind"]: finding for finding in facts["findings"]}


def test_flowers_have_four_pictures_in_two_classes_and_two_copies() -> None:
    facts, told = found("flowers.tar.gz")

    conflicting = told["conflicting labels"]
    assert (conflicting["severity"], conflicting["count"], facts["left_out"]) == ("warn", 4, 8)
    assert {path.split("/")[1] for path in conflicting["paths"]} == {
        "15922772266_1167a06620.jpg", "17104364030_ee31ee279b_n.jpg", "17291451621_0e39f08b9e_n.jpg",
        "17291930305_79deae6a90_n.jpg",
    }  # fmt: skip
    assert {path.split("/")[0] for path in conflicting["paths"]} == {"rose", "tulip"}
    assert told["exact duplicates"]["count"] == 2
    assert all(path.startswith("sunflower/") for path in told["exact duplicates"]["paths"])


def test_facial_csv_has_spellings_rare_classes_a_misnamed_file_and_rows_twice() -> None:
    facts, told = found("facial_csv.tar.gz")

    assert facts["layout"] == "manifest: labels.csv (path: path, label: label)"
    assert len(facts["classes"]) == 15
    spelled = told["labels that differ by spelling"]
    assert (spelled["severity"], spelled["count"]) == ("warn", 7)
    assert "7 class(es) are spelled in 14 ways" in spelled["text"]
    assert told["misleading suffix"]["paths"] == ["images/facial-expressions_2868588k.jpg"]
    assert "WEBP" in told["misleading suffix"]["text"]
    assert told["paths with two labels"]["paths"] == ["images/Avinash_30.jpg"]
    assert told["paths listed twice"]["count"] + told["paths with two labels"]["count"] == 8
    assert told["unlisted images"]["count"] == 10
    assert told["exact duplicates"]["count"] == 2
    assert "'contempt' 9" in told["rare classes"]["text"]


def test_facial_csv_merged_has_eight_classes_very_unequal() -> None:
    facts, told = found("facial_csv.tar.gz", **{"data.merge_labels": True})

    assert facts["classes"] == ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert told["imbalanced classes"]["severity"] == "warn"
    assert "'contempt' 9, 'fear' 21" in told["imbalanced classes"]["text"]
    assert told["rare classes"]["count"] == 1


def test_sign_digits_have_three_large_turned_photos_in_one_class() -> None:
    _, told = found("sign_digits.tar.gz")

    outliers = told["size outliers"]
    assert (outliers["severity"], outliers["count"]) == ("warn", 3)
    assert outliers["paths"] == ["7/IMG_5874.JPG", "7/IMG_5935.JPG", "7/IMG_5978.JPG"]
    assert "3 x 3024x3024; all of them are in class '7'" in outliers["text"]
    assert set(outliers["paths"]) <= set(told["EXIF orientation"]["paths"])
    assert told.keys().isdisjoint({"exact duplicates", "conflicting labels", "imbalanced classes"})


def test_covid_xray_has_six_copies_across_train_and_validation() -> None:
    facts, told = found("covid_xray.tar")

    assert facts["given"] == ["train", "validation"]
    assert "Viral Pneumonia" in facts["classes"]
    leak = told["same images in train and validation"]
    assert (leak["severity"], leak["count"], facts["left_out"]) == ("warn", 6, 6)
    assert told["exact duplicates"]["count"] == 10
    assert facts["leakage"]["same pixels"] == 0
    assert "15 x L" in told["converted modes"]["text"]


def test_omniglot_small_could_be_alphabets_or_characters() -> None:
    facts, told = found("omniglot_small.tar.gz")

    assert len(facts["classes"]) == 5
    levels = told["two folder levels"]
    assert (levels["severity"], levels["count"]) == ("warn", 136)
    assert "data.level=2" in levels["advice"]
    assert "2720 x 1" in told["converted modes"]["text"]
    assert "exact duplicates" not in told


@pytest.mark.slow  # 13,165 images
def test_smiles_have_one_level_too_many_pictures_in_both_classes_and_are_uneven() -> None:
    facts, told = found("smiles.tar.gz")

    assert {label: counts["images"] for label, counts in facts["per_class"].items()} == {
        "negatives": 9475, "positives": 3690,
    }  # fmt: skip
    assert told["imbalanced classes"]["severity"] == "note"
    assert "2.57 times" in told["imbalanced classes"]["text"]
    assert told["nested folders"]["paths"] == ["negatives/negatives7", "positives/positives7"]
    assert (told["conflicting labels"]["severity"], told["conflicting labels"]["count"]) == ("warn", 5)
    assert {"10249.jpg", "2422.jpg", "29.jpg"} <= {path.split("/")[-1] for path in told["conflicting labels"]["paths"]}
    assert told["exact duplicates"]["count"] == 2


@pytest.mark.parametrize(
    ("name", "copies"),
    [("dogcat.tar.gz", 0), ("steel_defects.tar.gz", 1), pytest.param("cifar10_6k.tar.gz", 0, marks=pytest.mark.slow)],
)
def test_the_clean_ones_have_no_warning(name: str, copies: int) -> None:
    facts, told = found(name)

    assert {finding["severity"] for finding in facts["findings"]} <= {"note"}
    assert told.get("exact duplicates", {"count": 0})["count"] == copies


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("driving_steering.tar.gz", "regression"),
        ("scenes_multilabel.tar.gz", "multi-label classification"),
        ("membrane_seg.tar", "segmentation"),
    ],
)
def test_other_tasks_are_refused_in_one_clear_line(name: str, task: str) -> None:
    with pytest.raises(DataError, match=f"^{SHARED / name}: task not supported yet: {task} ") as refused:
        api.check(SHARED / name)
    assert refused.value.exit_code == 3
    assert "\n" not in str(refused.value)
