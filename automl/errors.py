"""Every error the tool raises on purpose, and the one table of exit codes.

    AutomlError                     5
    ├── UsageError                  2   the command's words, or the recipe, are wrong
    │   ├── RecipeError             2   a recipe has faults; all of them are listed
    │   ├── RunInUse                2   a run of this name exists with other settings
    │   ├── WrongWeights            2   a weights file is not for that backbone
    │   └── WrongBackbone           2   a user's own backbone is refused
    ├── DataError                   3   the dataset was refused
    ├── DeadlinePassed              4   the deadline came before a deployable model
    ├── StageFailed                 5   a stage failed; the run can be resumed
    │   ├── VariantFailed           5   one variant cannot be had; it costs itself alone
    │   │   └── VariantKilled       5   a signal killed the process that made it; it is tried once more
    │   └── GateRefused             5   the bundle did not pass its gate
    ├── JobsFailed                  5   jobs of a batch were refused or failed; the others are done
    ├── FetchFailed                 5   files could not be fetched; the others are here
    ├── ResourceMissing             5   disk, memory, a folder that cannot be written
    │   └── DiskRefused             5   no right to write; any other process would meet it too
    │       └── DiskFull            5   no room
    ├── RunLocked                   6   another process works on this run
    ├── AnswerIsNo                  1   doctor, verify: the question was answered with no
    ├── Interrupted               130   Ctrl-C
    └── Terminated                143   SIGTERM
        ├── HungUp                129   SIGHUP: the terminal was closed
        └── OutputClosed          141   whoever read what is said went away, as `head` does

A message says what was found, what was wanted, and what to do. It is printed as it is, without a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final


class AutomlError(Exception):
    """What went wrong, in words for the user."""

    exit_code: int = 5
    jobs: Sequence[Mapping[str, object]] = ()  # of a batch that it ended: the rows, as far as they got


class UsageError(AutomlError):
    """The command's words are wrong."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe has faults; the message lists all of them."""

    def __init__(self, text: str, faults: Sequence[str] = ()) -> None:
        """Args: faults: each by itself, for whoever lists them among others."""
        super().__init__(text)
        self.faults = tuple(faults) or (text,)


class RunInUse(UsageError):
    """The name is taken: by a run with other settings or files, by one that cannot be understood, by no run at all."""

    def __init__(self, text: str, found: str = "") -> None:
        """Args: found: the message without what to do, for whoever has other remedies."""
        super().__init__(text)
        self.found = found or text


class WrongWeights(UsageError):
    """A weights file does not fit the backbone it was given for."""


class WrongBackbone(UsageError):
    """A backbone that the user brought is refused, or cannot be one."""


class DataError(AutomlError):
    """The dataset was refused."""

    exit_code = 3


class DeadlinePassed(AutomlError):
    """The deadline came before there was a model that could be deployed."""

    exit_code = 4


class StageFailed(AutomlError):
    """A stage failed; what was finished before it stays."""


class VariantFailed(StageFailed):
    """One variant cannot be had; the others go on, and the message is its note."""


class VariantKilled(VariantFailed):
    """The process that made a variant was killed by a signal; that need not happen again."""


class GateRefused(StageFailed):
    """The exported files disagree with the trained network, or the model learned nothing."""


class JobsFailed(AutomlError):
    """Not every job of a batch is done; the same command tries those again."""


class FetchFailed(AutomlError):
    """A file could not be fetched: no network, no such file there, or other bytes than it should have."""


class ResourceMissing(AutomlError):
    """Disk, memory, or a folder that can be written is missing."""


class DiskRefused(ResourceMissing):
    """The disk gives no right, or no room. Any process would meet that: it never costs one trial or variant alone."""


class DiskFull(DiskRefused):
    """The disk, or a quota, has no room."""


class RunLocked(AutomlError):
    """Another process works on this run."""

    exit_code = 6


class AnswerIsNo(AutomlError):
    """The question that the command asks was answered with no."""

    exit_code = 1


class Interrupted(AutomlError):
    """The user pressed Ctrl-C."""

    exit_code = 130


class Terminated(AutomlError):
    """The process was asked to end by SIGTERM."""

    exit_code = 143


class HungUp(Terminated):
    """The terminal was closed, and the process had not been told to live on (nohup)."""

    exit_code = 129


class OutputClosed(Terminated):
    """Whoever read the output went away. 128 and the number of SIGPIPE, by which a shell tells such an end."""

    exit_code = 141


# What the user reads in docs/cli.md; tests compare both with the classes above.
EXIT_CODES: Final[dict[int, str]] = {
    0: "done",
    1: "the answer is no (doctor, verify and the like)",
    2: "usage or recipe error: unknown recipe, key or option, bad value, name in use with other settings or files, "
    "wrong weights file, a backbone of your own that is refused",
    3: "the data was refused: no such folder, empty, one class, nothing readable, or a finding that stops a run",
    4: "the deadline came before a deployable model",
    5: "a stage failed, or a job of a batch, or a download, or a resource was missing: disk, memory, a folder that "
    "cannot be written",
    6: "locked by another run",
    129: "hung up (SIGHUP: the terminal was closed); the run can be resumed",
    130: "interrupted (Ctrl-C); the run can be resumed",
    141: "nobody reads the output any more, as in `automl runs list | head -1`; said without a word",
    143: "terminated (SIGTERM); the run can be resumed",
}

BY_NAME: Final[dict[str, type[AutomlError]]] = {
    kind.__name__: kind
    for kind in (
        AutomlError, UsageError, RecipeError, RunInUse, WrongWeights, WrongBackbone, DataError, DeadlinePassed,
        StageFailed, VariantFailed, VariantKilled, GateRefused, JobsFailed, FetchFailed, ResourceMissing, DiskRefused,
        DiskFull, RunLocked, AnswerIsNo, Interrupted, Terminated, HungUp, OutputClosed,
    )
}  # fmt: skip
"""For an error that crosses a process: a child writes the class's name and the message, the front raises it again."""
