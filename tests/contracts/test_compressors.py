"""What every row of the compressors' table must hold, on a tiny network. A new row is one more parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.checker import check_model

from automl.compressors.table import COMPRESSOR_NAMES, COMPRESSORS, FLOAT, Compressor, compress_with, compressor_named
from automl.graph.session import open_session, predict
from tests.compressors.tiny_onnx import tiny_pixels, write_tiny


@dataclass(frozen=True, slots=True)
class Case:
    """One compressor's work on the tiny network."""

    row: Compressor
    source: Path
    target: Path
    calibration: NDArray[np.uint8]

    def compress(self, target: Path | None = None) -> Path:
        compress_with(self.row, self.source, target or self.target, self.calibration)
        return target or self.target


Law = Callable[[Case], None]


def source_file_is_unchanged(case: Case) -> None:
    before = case.source.read_bytes()
    case.compress()
    assert case.source.read_bytes() == before


def same_inputs_give_the_same_bytes_wherever_they_are_written(case: Case) -> None:
    again = case.compress(case.target.parent / "another folder" / "again.onnx")
    assert case.compress().read_bytes() == again.read_bytes()


def an_older_target_is_replaced_and_nothing_is_left_beside_it(case: Case) -> None:
    case.target.write_bytes(b"older")
    case.compress()
    check_model(onnx.load(case.target), full_check=True)
    assert {path.name for path in case.target.parent.iterdir()} == {case.source.name, case.target.name}


def inputs_outputs_and_metadata_are_those_of_the_source(case: Case) -> None:
    source, target = onnx.load(case.source), onnx.load(case.compress())
    assert list(target.graph.input) == list(source.graph.input)
    assert list(target.graph.output) == list(source.graph.output)
    wanted = {entry.key: entry.value for entry in source.metadata_props}
    assert wanted.items() <= {entry.key: entry.value for entry in target.metadata_props}.items()


def answers_stay_close_to_the_sources(case: Case) -> None:
    pixels = tiny_pixels(64, seed=9)
    wanted, wanted_features = predict(open_session(case.source), pixels)
    found, features = predict(open_session(case.compress()), pixels)
    assert np.ptp(wanted, axis=0).min() > 0.3, "a constant answer proves nothing"
    assert np.abs(found - wanted).max() < 0.05
    assert np.abs(features - wanted_features).max() < 0.05 * np.abs(wanted_features).max()


def a_batch_is_answered_as_its_images_are_one_by_one(case: Case) -> None:
    pixels = tiny_pixels(5, seed=9)
    session = open_session(case.compress())
    np.testing.assert_allclose(predict(session, pixels, 5)[0], predict(session, pixels, 1)[0], atol=1e-6)


LAWS: tuple[Law, ...] = (
    source_file_is_unchanged,
    same_inputs_give_the_same_bytes_wherever_they_are_written,
    an_older_target_is_replaced_and_nothing_is_left_beside_it,
    inputs_outputs_and_metadata_are_those_of_the_source,
    answers_stay_close_to_the_sources,
    a_batch_is_answered_as_its_images_are_one_by_one,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("row", COMPRESSORS, ids=lambda row: row.name)
def test_compressor_obeys_law(row: Compressor, law: Law, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if reason := row.known_failures.get(law.__name__):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    law(Case(row, write_tiny(tmp_path / "source.onnx"), tmp_path / "target.onnx", tiny_pixels(16)))


def test_known_failures_name_laws():
    laws = {law.__name__ for law in LAWS}
    assert all(set(row.known_failures) <= laws for row in COMPRESSORS)


def test_compressors_have_unique_names_and_are_found_by_them():
    assert len(set(COMPRESSOR_NAMES)) == len(COMPRESSORS) > 2
    assert [compressor_named(name) for name in COMPRESSOR_NAMES] == list(COMPRESSORS)
    assert COMPRESSOR_NAMES[0] == FLOAT, "of equal variants the first row wins, and nothing is simpler than none"
