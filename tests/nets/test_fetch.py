"""Downloads from a host on this machine: cut, gone on with, wrong, missing, and from two processes at once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl.errors import FetchFailed
from automl.nets import catalogue, fetch
from automl.nets.catalogue import WeightsFile
from automl.nets.fetch import fetch_file, host_trouble
from tests.weights_host import Host, content, serving

WHOLE = content()
MD5 = hashlib.md5(WHOLE).hexdigest()
STATED = WeightsFile("models", "net.h5", MD5)
UNSTATED = WeightsFile("models", "net.h5")
PART = ".tmp-net.h5.part"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with serving() as found:
        monkeypatch.setattr(catalogue, "KERAS_HOST", found.url)
        found.files["/models/net.h5"] = WHOLE
        host_trouble.cache_clear()
        yield found
    host_trouble.cache_clear()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("stated", [MD5, hashlib.sha256(WHOLE).hexdigest(), ""])
def test_a_file_is_fetched_whole_with_its_progress_told_in_bytes(host: Host, tmp_path: Path, stated: str) -> None:
    told: list[tuple[int, int]] = []
    path = fetch_file(WeightsFile("models", "net.h5", stated), tmp_path / "new" / "folder",
                      progress=lambda *bytes_: told.append(bytes_))  # fmt: skip
    assert path == tmp_path / "new" / "folder" / "net.h5"
    assert path.read_bytes() == WHOLE
    assert names_in(path.parent) == ["net.h5"]
    assert told[-1] == (len(WHOLE), len(WHOLE))
    assert sorted(told) == told


def test_a_file_that_is_there_is_not_asked_for(host: Host, tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"mine")
    assert fetch_file(STATED, tmp_path).read_bytes() == b"mine"
    assert host.asked == []


@pytest.mark.parametrize("tagged", [True, False])
def test_a_connection_that_is_cut_is_gone_on_with_from_there(host: Host, tmp_path: Path, tagged: bool) -> None:
    host.cut_after, host.tagged = 120_000, tagged
    assert fetch_file(STATED, tmp_path).read_bytes() == WHOLE
    assert [wanted for _, wanted in host.gets()] == ["", "bytes=120000-", "bytes=240000-"]


def test_a_host_without_ranges_is_asked_for_the_whole_again(host: Host, tmp_path: Path) -> None:
    host.cut_after, host.cuts_left, host.ranges = 120_000, 1, False
    assert fetch_file(STATED, tmp_path).read_bytes() == WHOLE


def test_two_halves_are_never_joined_where_nothing_tells_that_they_are_of_one_file(host: Host, tmp_path: Path) -> None:
    host.cut_after, host.cuts_left, host.tagged = 120_000, 1, False
    assert fetch_file(UNSTATED, tmp_path).read_bytes() == WHOLE
    assert [wanted for _, wanted in host.gets()] == ["", ""]


def test_a_host_that_always_cuts_at_the_same_place_is_given_up_and_the_next_call_goes_on(
    host: Host, tmp_path: Path
) -> None:
    host.cut_after, host.ranges = 120_000, False
    with pytest.raises(FetchFailed, match=r"net.h5 broke off: 120,000 of 300,008 bytes came"):
        fetch_file(STATED, tmp_path)
    assert len(host.gets()) == 2
    assert names_in(tmp_path) == [PART]
    host.cut_after, host.ranges = None, True
    assert fetch_file(STATED, tmp_path).read_bytes() == WHOLE
    assert host.gets()[-1] == ("/models/net.h5", "bytes=120000-")


@pytest.mark.parametrize("left", [WHOLE[:100], b"of another file" * 9, WHOLE, WHOLE + b"more"])
def test_what_an_earlier_call_left_is_gone_on_with_only_if_it_makes_the_right_file(
    host: Host, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / PART).write_bytes(left)
    assert fetch_file(STATED, tmp_path).read_bytes() == WHOLE
    assert names_in(tmp_path) == ["net.h5"]


def test_what_an_earlier_call_left_is_thrown_away_where_no_checksum_is_known(host: Host, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(WHOLE[:100])
    fetch_file(UNSTATED, tmp_path)
    assert host.gets() == [("/models/net.h5", "")]


def test_a_host_that_says_no_length_is_believed_by_the_checksum(host: Host, tmp_path: Path) -> None:
    host.lengths = False
    assert fetch_file(STATED, tmp_path).read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("served", "file", "message"),
    [
        (WHOLE[:-1] + b"x", STATED, r"damaged or another file: its md5 is \w{32}, and Keras states " + MD5),
        (b"<!DOCTYPE html><title>Sign in</title>" + b" " * 99, UNSTATED, "no weights file: it is a web page"),
        (b"<html>", UNSTATED, "it is a web page"),
        (b"PK\3\4" + b"x" * 99, UNSTATED, "it begins with b'PK.*which no HDF5 file does"),
        (None, STATED, "net.h5 answers 404 Not Found"),
        (b"", UNSTATED, "broke off: 0 of 0 bytes came"),
    ],
)
def test_a_wrong_answer_is_told_with_its_reason_and_leaves_no_file(
    host: Host, tmp_path: Path, served: bytes | None, file: WeightsFile, message: str
) -> None:
    host.files = {} if served is None else {"/models/net.h5": served}
    with pytest.raises(FetchFailed, match=message):
        fetch_file(file, tmp_path)
    assert names_in(tmp_path) == []


def test_a_file_beyond_all_bounds_is_refused(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 200_000)
    with pytest.raises(FetchFailed, match="more than 0 GB"):
        fetch_file(STATED, tmp_path)
    assert names_in(tmp_path) == []


def test_a_host_that_falls_silent_is_given_up_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        monkeypatch.setattr(catalogue, "KERAS_HOST", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        monkeypatch.setattr(fetch, "host_trouble", lambda host: "")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(FetchFailed, match="broke off: .*timed out"):
            fetch_file(STATED, tmp_path, stall_s=0.2)


def test_a_host_that_cannot_be_reached_is_asked_once_for_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as gone:
        monkeypatch.setattr(catalogue, "KERAS_HOST", gone.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    host_trouble.cache_clear()
    for name in ("a.h5", "b.h5"):
        with pytest.raises(FetchFailed, match=rf"{name}: {gone.url} cannot be reached \(.*Connection refused"):
            fetch_file(WeightsFile("models", name), tmp_path)
    assert host_trouble.cache_info().misses == 1
    host_trouble.cache_clear()


def test_a_folder_that_cannot_be_made_is_told(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FetchFailed, match=r"file/below/net.h5 cannot be written: Not a directory"):
        fetch_file(STATED, tmp_path / "file" / "below")


def test_two_at_once_fetch_a_file_once(host: Host, tmp_path: Path) -> None:
    both = [threading.Thread(target=fetch_file, args=(STATED, tmp_path)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert (tmp_path / "net.h5").read_bytes() == WHOLE
    assert len(host.gets()) == 1
    assert names_in(tmp_path) == ["net.h5"]
