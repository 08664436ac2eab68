"""What the weights of a manifest come to: their unit, Kish's number, and what is refused and told of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.images import Assigned, read_split, write_split
from automl.data.weights import (
    effective_number,
    findings_of_weights,
    read_weights,
    relative,
    taught,
    training_weights,
    weighting_of,
    write_weights,
)
from automl.errors import DataError
from automl.types import Part

POSITIVE = st.floats(1e-3, 1e3)


def rows(*weights: tuple[str, Part, float]) -> tuple[Assigned, ...]:
    return tuple(
        Assigned(path=f"{row}.png", label=label, part=part, row=row, weight=weight)
        for row, (label, part, weight) in enumerate(weights)
    )


@given(weights=st.lists(POSITIVE, min_size=1, max_size=30), unit=POSITIVE)
def test_relative_weights_have_a_mean_of_one_and_no_unit(weights: list[float], unit: float) -> None:
    ours = relative(weights)
    assert ours.dtype == np.float32
    assert ours.mean(dtype=np.float64) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(relative([weight * unit for weight in weights]), ours, rtol=1e-5)


@given(weights=st.lists(POSITIVE, min_size=1, max_size=30), zeros=st.integers(0, 5), unit=POSITIVE)
def test_the_effective_number_lies_between_one_and_all_and_knows_no_unit_and_no_zeros(
    weights: list[float], zeros: int, unit: float
) -> None:
    n = effective_number(weights)
    assert 1 - 1e-9 <= n <= len(weights) + 1e-9
    assert effective_number([weight * unit for weight in weights] + [0.0] * zeros) == pytest.approx(n)


def test_kishs_number_by_hand_and_of_weights_whose_sum_no_number_holds() -> None:
    assert effective_number([3, 1]) == pytest.approx(16 / 10)
    assert effective_number([1e308] * 7) == pytest.approx(7)
    assert relative([1e308, 1e308, 1e308]).tolist() == [1, 1, 1]


def test_equal_weights_are_none() -> None:
    assigned = rows(("a", "train", 0.1), ("b", "train", 0.1), ("a", "test", 7.0))
    assert weighting_of(assigned) is None
    assert training_weights(assigned) is None
    assert findings_of_weights(assigned, None) == ()


def test_the_training_part_alone_is_weighed_in_the_order_of_its_rows() -> None:
    assigned = rows(("a", "train", 3.0), ("a", "test", 50.0), ("b", "train", 1.0), ("a", "train", 0.0))
    weighting = weighting_of(assigned)
    assert weighting is not None
    assert (weighting.n, weighting.zero, weighting.total) == (2, 1, 4.0)
    assert (weighting.smallest, weighting.largest) == (1.0, 3.0)
    assert weighting.effective == {"a": pytest.approx(1.0), "b": pytest.approx(1.0)}
    kept = taught(assigned)
    assert [image.row for image in kept] == [0, 1, 2]
    weights = training_weights(tuple(reversed(kept)))
    assert weights is not None
    assert weights.tolist() == [1.5, 0.5]


@pytest.mark.parametrize("weight", [0.0, 1e-60], ids=["0", "nothing beside the others"])
def test_a_class_without_weight_in_train_is_refused_by_name(weight: float) -> None:
    assigned = rows(("a", "train", 1.0), ("b", "train", weight), ("b", "train", weight), ("b", "test", 1.0))
    with pytest.raises(DataError, match=r"class 'b' has 2 image\(s\) in train, and the weight of each is 0.*Wanted"):
        weighting_of(assigned)


def test_all_weights_of_train_zero_is_refused() -> None:
    with pytest.raises(DataError, match=r"class 'a' has 1 image\(s\) in train"):
        weighting_of(rows(("a", "train", 0.0), ("b", "train", 0.0)))


def test_what_is_told_of_weights() -> None:
    assigned = rows(
        *[("a", "train", 1.0)] * 9, ("a", "train", 1000.0), *[("b", "train", 2.0)] * 3, ("b", "train", 0.0),
        ("b", "test", 0.0), ("b", "validation", 5.0),
    )  # fmt: skip
    found = {finding.kind: finding for finding in findings_of_weights(assigned, weighting_of(assigned))}
    assert set(found) == {"weight 0 in validation or test", "weights on few images", "weights"}
    assert found["weight 0 in validation or test"].paths == ("14.png",)
    assert "'a' has 10, which say as much as 1.0 of equal weight" in found["weights on few images"].text
    assert found["weights"].severity == "note"
    assert "13 training image(s) have weights from 1 to 1000, 1015 in all" in found["weights"].text
    assert "1 of weight 0 teach nothing" in found["weights"].text


def test_the_table_and_the_array_hold_what_was_written(tmp_path: Path) -> None:
    assigned = rows(("a", "train", 0.1), ("b", "test", 0.0))
    write_split(tmp_path / "split.csv", assigned)
    assert read_split(tmp_path / "split.csv") == assigned

    write_weights(tmp_path, relative([3, 1]))
    assert read_weights(tmp_path).tolist() == [1.5, 0.5]
    write_weights(tmp_path, None)
    assert read_weights(tmp_path) is None


def test_a_split_csv_without_the_column_weighs_all_alike(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("path,label,part,row,fold,group\r\n1.png,a,train,0,0,\r\n")
    assert [image.weight for image in read_split(tmp_path / "split.csv")] == [1.0]
