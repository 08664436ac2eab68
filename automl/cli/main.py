"""The command `automl`: a lazy group. A command's file is imported when that command runs, or shows its help."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import stat
import sys
import tempfile
import traceback
from types import FrameType
from typing import Final, NoReturn

import click

from automl.errors import AutomlError, HungUp, Interrupted, OutputClosed, ResourceMissing, Terminated

# name -> (module of its click command, one line for `automl --help`)
COMMANDS: Final = {
    "run": ("automl.cli.run", "From a folder of images to a verified ONNX bundle."),
    "check": ("automl.cli.check", "What is wrong with a folder of images, before anything is trained."),
    "batch": ("automl.cli.batch", "One run after another, by a jobs file."),
    "demo": ("automl.cli.demo", "The whole path on 1,797 handwritten digits, in a few minutes."),
    "predict": ("automl.cli.predict", "What a bundle says of images."),
    "recipes": ("automl.cli.recipes", "The shipped recipes."),
    "runs": ("automl.cli.runs", "List, show or remove runs."),
    "weights": ("automl.cli.weights", "List, fetch, verify and carry pretrained weights."),
    "doctor": ("automl.cli.doctor", "Can `automl run` work on this machine?"),
}

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LazyGroup(click.Group):
    """Knows its commands by name and help line alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="automl")
def cli() -> None:
    """Point at a folder of images, get a model that is ready to deploy.

    Start with `automl run FOLDER`: one folder a class, train/ and test/ folders of classes, or images and a labels.csv.
    """


def main() -> NoReturn:
    """Run the command; every error the tool knows ends as one message and its exit code."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup leaves it, who wants the command to live on
        signal.signal(signal.SIGHUP, _hang_up)
    try:
        code = cli.main(standalone_mode=False)
    except click.Abort:
        _leave("interrupted", Interrupted.exit_code)
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        _leave("", 2)
    except AutomlError as error:
        _leave(str(error), error.exit_code)
    except SystemExit as end:  # click and rich end so, with 1, where they find that nobody reads stdout any more
        _leave("", OutputClosed.exit_code if end.code == 1 else 0)
    except OSError as error:
        # The runs word their own, and those of a file have its name: this one is of what a command prints.
        if error.filename is not None or error.errno not in NO_ROOM:
            _leave_fault(error)
        _leave(
            f"the output cannot be written: {error.strerror}. Wanted: room for it. Make room on that disk, or send the "
            "output elsewhere.",
            ResourceMissing.exit_code,
        )
    except Exception as error:  # noqa: BLE001  # a fault of ours: told with a file to report, no traceback
        _leave_fault(error)
    _leave("", code if isinstance(code, int) else 0)


def _leave_fault(error: Exception) -> NoReturn:
    """A fault of ours: one line for the user, the rest in a file."""
    _leave(f"{type(error).__name__}: {error}. This is a fault of automl; please report {_write_fault()}", 5)


def _write_fault() -> str:
    """The traceback of the fault at hand in a file of its own. Returns: its path."""
    with tempfile.NamedTemporaryFile("w", prefix="automl-fault-", suffix=".txt", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name


def _leave(text: str, code: int) -> NoReturn:
    try:
        if text:
            click.echo(f"automl: {text}", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody is there to hear it; else Python would try once more, and end with a code of its own
        _fall_silent(1, 2)
    sys.exit(code)


def _fall_silent(*handles: int) -> None:
    """What is written to these from here on goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for handle in handles:
        os.dup2(nowhere, handle)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    _only_once()
    raise Interrupted("interrupted by Ctrl-C")


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    _only_once()
    raise Terminated("terminated by SIGTERM")


def _hang_up(signum: int, frame: FrameType | None) -> NoReturn:
    _only_once()
    # A terminal that is gone refuses every word, and is no terminal any more; one that is there, or a file, hears.
    _fall_silent(*(handle for handle in (1, 2) if _is_device(handle) and not os.isatty(handle)))
    raise HungUp("the terminal was closed (SIGHUP)")


def _is_device(handle: int) -> bool:
    try:
        return stat.S_ISCHR(os.fstat(handle).st_mode)
    except OSError:  # closed from the beginning
        return False


def _only_once() -> None:
    """A second signal must not break into the first one's cleaning up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
