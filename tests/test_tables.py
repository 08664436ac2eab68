"""Every table: not empty, unique names, and each piece of code named as text can be imported."""

import dataclasses

import pytest

from automl import errors, records
from automl.code import load_entry
from automl.errors import AutomlError
from automl.recipe.model import Recipe
from automl.runs.checking import CLEAN, PAGE
from automl.runs.dataset import BODY
from automl.runs.pipeline import FIRST_DEPLOYABLE
from automl.runs.rehearsal import ENTRY
from automl.stage_table import (
    BUNDLE_FAULTS,
    EXPORT,
    FINGERPRINT,
    IS_EXPORTED,
    IS_NAMED,
    LAYOUTS,
    LEFT_OUT,
    NAME_SHOWN,
    NAMED_FILES,
    NEED_CANDIDATES,
    NEED_REPLACEABLE,
    OPENED,
    STAGE_NAMES,
    STAGES,
)
from automl.task_table import TASKS, task_named


def test_there_are_ten_stages_in_the_order_of_the_data():
    assert STAGE_NAMES == (
        "check", "split", "pack", "pick", "tune", "train", "compress", "evaluate", "export", "report",
    )  # fmt: skip
    assert FIRST_DEPLOYABLE in STAGE_NAMES


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stages_code_its_record_and_its_recipe_sections_exist(stage):
    assert load_entry(stage.entry).__module__ == f"automl.stages.{stage.name}"
    assert dataclasses.is_dataclass(getattr(records, stage.record))
    assert set(stage.recipe) <= set(Recipe.model_fields)


def test_every_section_of_the_recipe_is_read_by_some_stage():
    assert set(Recipe.model_fields) == {section for stage in STAGES for section in stage.recipe}


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        LAYOUTS,
        FINGERPRINT,
        NEED_CANDIDATES,
        NEED_REPLACEABLE,
        BUNDLE_FAULTS,
        PAGE,
        CLEAN,
        "automl.stages.examine:examine_keras",
        EXPORT,
        IS_EXPORTED,
        IS_NAMED,
        LEFT_OUT,
        NAME_SHOWN,
        NAMED_FILES,
        OPENED,
        BODY,
    ],
)
def test_code_that_the_front_names_as_text_exists(entry):
    assert callable(load_entry(entry))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_tasks_code_exists(task):
    for entry in (task.head, task.loss, task.probe, task.evaluate):
        assert callable(load_entry(entry))


def test_tasks_have_unique_names_and_are_found_by_them():
    assert len({task.name for task in TASKS}) == len(TASKS) > 0
    assert [task_named(task.name) for task in TASKS] == list(TASKS)


def _all_errors(kind=AutomlError):
    return [kind, *(inner for sub in kind.__subclasses__() for inner in _all_errors(sub))]


@pytest.mark.parametrize("kind", _all_errors(), ids=lambda kind: kind.__name__)
def test_each_error_stands_in_the_drawing_with_its_exit_code_and_can_cross_processes(kind):
    assert kind.exit_code in errors.EXIT_CODES
    assert errors.BY_NAME[kind.__name__] is kind
    line = next(line for line in errors.__doc__.splitlines() if f" {kind.__name__} " in line)
    assert f" {kind.exit_code}" in line


def test_every_documented_exit_code_but_success_has_an_error():
    assert {kind.exit_code for kind in _all_errors()} == set(errors.EXIT_CODES) - {0}
