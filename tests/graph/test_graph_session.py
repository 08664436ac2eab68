"""Opening and running files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from automl.errors import DataError, StageFailed
from automl.graph.session import check_foreign, open_session, predict
from tests.onnx_toys import finished, max_difference, picture, shake, signed, write


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    image = picture(5, 4)
    write(shake(finished(image, signed(image, 2))), tmp_path / "toy.onnx")
    return tmp_path / "toy.onnx"


def test_pictures_give_the_same_in_batches_of_any_size(toy: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5, 4, 3), dtype=np.uint8)
    session = open_session(toy, threads=1)
    whole, by_two = predict(session, pixels, batch=5), predict(session, pixels[::-1][::-1], batch=2)
    assert [one.shape for one in whole] == [(5, 3), (5, 40)]
    assert all(one.dtype == np.float32 for one in whole)
    assert all(max_difference(a, b) < 1e-6 for a, b in zip(by_two, whole, strict=True))


def test_no_picture_is_an_error(toy: Path):
    with pytest.raises(ValueError, match="no pictures"):
        predict(open_session(toy), np.zeros((0, 5, 4, 3), np.uint8))


def test_threads_are_those_that_were_asked_for_and_nodes_run_one_after_the_other(toy: Path):
    options = open_session(toy, threads=2).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)


def test_a_file_that_onnxruntime_cannot_open_is_named(tmp_path: Path):
    (tmp_path / "cut.onnx").write_bytes(b"\x08\x08garbage")
    with pytest.raises(StageFailed, match=r"cannot open .*cut\.onnx.*Redo the stage"):
        open_session(tmp_path / "cut.onnx")


def test_a_foreign_file_of_our_own_making_is_let_in(toy: Path):
    check_foreign(toy)


def test_a_foreign_file_above_the_limit_is_refused_unread(tmp_path: Path):
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(3_000_000)
    with pytest.raises(DataError, match=r"huge\.onnx has 3 MB, and at most 2 are read"):
        check_foreign(tmp_path / "huge.onnx", limit_mb=2)


def test_a_foreign_file_that_is_no_onnx_is_refused(tmp_path: Path):
    (tmp_path / "text.onnx").write_text("not a model at all")
    with pytest.raises(DataError, match=r"text\.onnx is no ONNX file"):
        check_foreign(tmp_path / "text.onnx")


def test_an_empty_foreign_file_is_refused(tmp_path: Path):
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.onnx is no ONNX file"):
        check_foreign(tmp_path / "empty.onnx")


def outside(name: str) -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), name)
    onnx.external_data_helper.set_external_data(tensor, location="../../etc/passwd")
    tensor.ClearField("raw_data")
    return tensor


def graph_of(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> onnx.GraphProto:
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    return helper.make_graph(nodes, "g", [], [result], constants)


@pytest.mark.parametrize("where", ["constant", "attribute", "branch"])
def test_a_foreign_file_that_would_read_other_files_is_refused_wherever_it_says_so(tmp_path: Path, where: str):
    inner = graph_of([helper.make_node("Constant", [], ["y"], value=outside("hidden"))], [])
    condition = numpy_helper.from_array(np.array(True), "c")
    graph = {
        "constant": graph_of([helper.make_node("Identity", ["hidden"], ["y"])], [outside("hidden")]),
        "attribute": inner,
        "branch": graph_of([helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)], [condition]),
    }[where]
    path = tmp_path / "foreign.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(DataError, match=r"keeps \d tensor\(s\) in other files \(hidden"):
        check_foreign(path)


def test_pixels_of_a_memory_map_are_read_batch_by_batch(toy: Path, tmp_path: Path):
    pixels = np.memmap(tmp_path / "pixels.u8", np.uint8, "w+", shape=(3, 5, 4, 3))
    pixels[:] = np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint8)
    session = open_session(toy)
    assert np.array_equal(predict(session, pixels, 1)[1], predict(session, np.array(pixels), 1)[1])
