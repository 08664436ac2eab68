import errno
from pathlib import Path

import pytest

from automl.errors import DataError, DiskFull, DiskRefused, ResourceMissing, StageFailed
from automl.runs.refused import GO_ON, in_words, refusals_in_words, without_redo


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OSError(errno.ENOSPC, "a\nb"), DiskFull, "^No space left on device: /here/run. Wanted: room on that disk, w"),
        (OSError(errno.ENOSPC, "a", "/from", None, "/to"), DiskFull, "^No space left on device: /to. Wanted: room on"),
        (OSError(errno.EDQUOT, "a", "/a"), DiskFull, "^Disk quota exceeded: /a. Wanted: room within the disk quota"),
        (OSError(errno.EROFS, "a", "/a"), DiskRefused, "^Read-only file system: /a. Wanted: a file system that can be"),
        (PermissionError(errno.EACCES, "a", "/a"), DiskRefused, "^Permission denied: /a. Wanted: the right to read or"),
        (RuntimeError("write failed: 'No space left on device'"), DiskFull, "^No space left on device: /here/run"),
        (MemoryError(), ResourceMissing, r"^memory ran out \(MemoryError\); [\d,]+ MB are free now. Wanted: more mem"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), ResourceMissing, "^memory ran out"),
        (RuntimeError("std::bad_alloc"), ResourceMissing, r"^memory ran out \(RuntimeError: std::bad_alloc\)"),
        (ImportError("\nNumPy:\nfailed to map segment"), ResourceMissing, r"^memory ran out \(ImportError: NumPy"),
        (FileNotFoundError(errno.ENOENT, "No file", "/a"), StageFailed, "^FileNotFoundError: No file: /a. Run the"),
    ],
)  # fmt: skip
def test_what_was_refused_is_said_with_its_path_its_figures_and_how_to_go_on(tmp_path, error, kind, text):
    worded = in_words(error, Path("/here/run"))
    assert type(worded) is kind
    assert worded.exit_code == 5
    with pytest.raises(kind, match=text):
        raise worded
    assert str(worded).endswith(GO_ON)


def test_a_fault_of_ours_is_told_in_one_line_with_the_log_that_has_the_rest(tmp_path):
    worded = in_words(ValueError("first\nsecond"), tmp_path, log=tmp_path / "log.txt")
    assert str(worded) == f"ValueError: first (the whole story is in {tmp_path / 'log.txt'})"


def test_an_error_for_users_stays_as_it_is(tmp_path):
    error = DataError("one class")
    assert in_words(error, tmp_path) is error
    with pytest.raises(DataError, match="^one class$"), refusals_in_words(tmp_path, 600):
        raise error


def test_a_run_says_how_much_it_takes_and_how_much_of_it_is_there(tmp_path):
    (tmp_path / "pixels.u8").write_bytes(bytes(3 * 10**6))
    with (
        pytest.raises(DiskFull, match="The whole run takes at most 1,600 MB, of which it has 3.$"),
        refusals_in_words(tmp_path, 1600),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "pack" / "rows.npy"))


def test_a_command_with_redo_is_told_to_leave_it_out_and_to_go_on():
    assert without_redo(f"no room. {GO_ON}") == (
        "no room. Run the same command again without --redo to go on: what was finished is kept."
    )
