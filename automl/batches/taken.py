"""Names of jobs that are taken: by a run with another dataset or other settings, or by what is no run of ours."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from automl.errors import RunInUse
from automl.runs.begin import Request, changed_settings
from automl.runs.folder import RunFolder
from automl.runs.resources import need_own


def refuse_taken_names(requests: Sequence[Request]) -> None:
    """Compare each job with what lies under its name, as its run will do; nothing is written.

    A dataset's files are not compared: that they have changed is its own job's affair, as is one that is refused.

    Raises: RunInUse: some names are taken; all of them are listed.
    """
    taken: dict[str, str] = {}
    for request in requests:
        folder = RunFolder(request.runs / request.name)
        try:
            need_own(folder)
            changed_settings(request, folder)
        except RunInUse as error:
            taken[request.name] = error.found.replace("\n", "\n  ")
        except (OSError, ValueError, RuntimeError):
            continue  # a folder that may not be read, a dataset's path that is none: its own job will tell
    if taken:
        raise RunInUse(
            f"{len(taken)} of {len(requests)} job(s) have a name that is taken, and no job was started:\n"
            + "".join(f"  {name}: {found}\n" for name, found in taken.items())
            + f"Wanted: for each a name that is free, or a run to go on with. {_remedy(list(taken), requests[0].runs)}"
        )


def in_batch_words(error: RunInUse, request: Request) -> RunInUse:
    """The error of one job, with what can be done about it in a batch."""
    return RunInUse(
        f"{error.found}. Wanted: a name that is free, or a run to go on with. {_remedy([request.name], request.runs)}"
    )


def _remedy(names: Sequence[str], runs: Path) -> str:
    """What to do about names that are taken; only runs of ours can be removed by a command."""
    ours = [name for name in names if RunFolder(runs / name).is_run()]
    rename = f"Give {'it' if len(names) == 1 else 'each'} another `name` in the jobs file"
    if not ours:
        return f"{rename}."
    the_runs = "the run" if len(ours) == 1 else "the runs"
    return f"{rename}, or remove {the_runs}: {shlex.join(['automl', 'runs', 'clean', *ours, '--runs', str(runs)])}"
