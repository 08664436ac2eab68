"""One row a task. What depends on the task is looked up here, so that another task comes as a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a kind of prediction needs; code is named as text and imported where it runs."""

    name: str
    head: str  # builds the layers on top of the features
    loss: str  # the training loss
    metrics: tuple[str, ...]  # Keras names, watched while training
    probe: str  # the quick fit on frozen features
    few_probe: str  # the same where a class has few images
    evaluate: str  # scores of predictions against the truth


TASKS: Final = (
    Task(
        name="classification",
        head="automl.nets.head:classification_head",
        loss="automl.training.fit:classification_loss",
        metrics=("accuracy",),
        probe="automl.nets.probe:fit_probe",
        few_probe="automl.nets.discriminant:fit_few",
        evaluate="automl.metrics.classification:score",
    ),
)


def task_named(name: str) -> Task:
    """The row of that name. Raises: KeyError: there is none."""
    return {task.name: task for task in TASKS}[name]
