"""What a batch does before its first job: limits that leave nothing are refused, weights are found and fetched."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automl.batches import ahead, loop
from automl.batches.ahead import fetch_ahead
from automl.batches.jobs_file import Job
from automl.batches.loop import execute_batch
from automl.errors import UsageError, WrongWeights
from automl.recipe.load import load_recipe
from tests.batches.fake_runs import quiet, request_in
from tests.weights.toy_rows import SMALL, TWO, Toys, toys

__all__ = ["toys"]

TWO_JOBS = """
jobs:
  - {dataset: a, set: {backbones: [mobilenetv3small, mobilenetv2]}}
  - {dataset: b, set: {backbones: [mobilenetv2, smallnet]}}
  - {dataset: c, recipe: demo}
"""


def job(name: str, *settings: str) -> Job:
    return Job(name=name, dataset=Path("x"), recipe=load_recipe("quick", settings))


BOTH = job("both", "backbones=[mobilenetv3small, mobilenetv2]")
SECOND = job("second", "backbones=[mobilenetv2, smallnet]")


def test_each_need_of_several_jobs_is_fetched_once_and_what_is_here_not_at_all(toys: Toys) -> None:
    toys.serve()
    (toys.folder / "small.h5").write_bytes(SMALL)
    assert fetch_ahead([BOTH, SECOND, BOTH], toys.folder, None, quiet) == {}
    assert [path for path, _ in toys.host.gets()] == ["/models/two.h5"]
    assert (toys.cache / "two.h5").read_bytes() == TWO


def test_a_job_that_lacks_weights_is_told_with_the_reason_and_what_becomes_of_it(toys: Toys) -> None:
    toys.host.files["/models/small.h5"] = SMALL
    told = fetch_ahead([BOTH, SECOND, job("alone", "backbones=[mobilenetv2]")], None, None, quiet)
    reason = f"no weights for mobilenetv2 (two.h5: {toys.host.url}models/two.h5 answers 404 Not Found)"
    again = "unless they can be fetched when the job begins"
    assert told == {
        "both": f"{reason}: left out, {again}",
        "second": f"{reason}: left out, {again}",
        "alone": f"{reason}: replaced by smallnet, which nobody has trained, {again}",
    }
    assert [path for path, _ in toys.host.gets()] == ["/models/small.h5", "/models/two.h5"]


def test_a_recipe_that_forbids_downloads_or_wants_no_weights_asks_nobody(toys: Toys) -> None:
    toys.serve()
    jobs = [
        job("forbids", "backbones=[mobilenetv2]", "weights.download=false"),
        job("random", "weights.pretrained=false"),
        job("small", "backbones=[smallnet]"),
        job("limited", "backbones=[mobilenetv2, smallnet]", "pick.max_params_m=1"),
    ]
    assert fetch_ahead(jobs, None, None, quiet) == {
        "forbids": "no weights for mobilenetv2 (not here, and the recipe forbids downloads): replaced by smallnet, "
        "which nobody has trained"
    }
    assert toys.host.asked == []


def test_a_listed_file_that_is_gone_is_told_of_the_jobs_that_need_it(toys: Toys) -> None:
    toys.serve()
    (toys.folder / "small.h5").write_bytes(SMALL)
    (toys.folder / "weights.yaml").write_text("- {file: x.h5, backbone: MobileNetV2, kwargs: {include_top: false}}")
    (text,) = fetch_ahead([BOTH, job("small", "backbones=[mobilenetv3small]")], toys.folder, None, quiet).values()
    assert text.startswith("no weights for mobilenetv2 (")
    assert "holds no such file" in text
    assert text.endswith("a wrong file ends the job")


def test_a_folder_that_is_wrong_as_a_whole_ends_the_batch(toys: Toys) -> None:
    (toys.folder / "weights.yaml").write_text("a: [")
    with pytest.raises(WrongWeights, match="weights.yaml cannot be read"):
        fetch_ahead([BOTH], toys.folder, None, quiet)
    assert fetch_ahead([job("small", "backbones=[smallnet]")], toys.folder, None, quiet) == {}


def test_fetching_ends_when_its_time_is_over(toys: Toys) -> None:
    toys.serve()
    told = fetch_ahead([BOTH], None, time.time() - 1, quiet)
    assert "the time for it is over" in told["both"]
    assert not toys.cache.exists()


def test_before_the_first_job_the_weights_are_here_and_what_lacks_is_in_row_page_and_ear(
    toys: Toys, tmp_path: Path, runs_that_end: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = runs_that_end()
    monkeypatch.setattr(loop, "fetch_ahead", ahead.fetch_ahead)
    toys.host.files["/models/small.h5"] = SMALL
    heard: list[Mapping[str, Any]] = []

    def hear(event: Mapping[str, Any]) -> None:
        if event["event"] == "job started":
            assert (toys.cache / "small.h5").exists()
        heard.append(event)

    facts = execute_batch(request_in(tmp_path, TWO_JOBS), hear)
    assert runs.names == ["a", "b", "c"]
    lacking = {row["name"]: row["lacking"] for row in facts["jobs"]}
    assert lacking["c"] == ""
    assert all(lacking[name].startswith("no weights for mobilenetv2 (two.h5: ") for name in "ab")
    before = heard[: next(n for n, event in enumerate(heard) if event["event"] == "job started")]
    assert [event["text"] for event in before if event["event"] == "warning"] == [
        f"job {name}: {lacking[name]}" for name in "ab"
    ]
    page = Path(facts["page"]).read_text()
    assert "Weights that were not to be had when the batch began" in page

    asked = len(toys.host.asked)
    again = execute_batch(request_in(tmp_path, TWO_JOBS), quiet)
    assert len(toys.host.asked) == asked, "finished jobs need no weights"
    assert [row["lacking"] for row in again["jobs"]] == ["", "", ""]


def test_jobs_whose_limits_leave_no_backbone_are_all_told_before_any_begins(tmp_path: Path, runs_that_end: Any) -> None:
    runs = runs_that_end()
    text = """
    jobs:
      - {dataset: a, set: {pick.max_params_m: 0.5}}
      - {dataset: b}
      - {dataset: c, set: {backbones: [resnet50], pick.licences: [Apache-2.0]}}
    """
    with pytest.raises(UsageError) as refused:
        execute_batch(request_in(tmp_path, text), quiet)
    message = str(refused.value)
    assert message.startswith("the limits of 2 of 3 job(s) leave no backbone, and no job was started:\n  a: ")
    assert "mobilenetv3small is left out: 0.939 million parameters, pick.max_params_m allows 0.5" in message
    assert (
        "\n  c: resnet50 is left out: the licence of its weights is 'MIT', pick.licences accepts Apache-2.0\n"
        in message
    )
    assert not runs.asked
