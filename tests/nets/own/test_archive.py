"""The zip round a user's network: judged by its list before a byte of a member is read."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from automl.nets.own.allowed import NotAllowed
from automl.nets.own.archive import CONFIG, METADATA, WEIGHTS, copy_member, need_keras_3, opened, read_member

SMALL = {METADATA: b'{"keras_version": "3.15.1"}', CONFIG: b"{}", WEIGHTS: b"weights"}


def packed(path: Path, members: dict[str, bytes], *more: tuple[zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        for info, data in more:
            archive.writestr(info, data)
    return path


def entry(name: str, *, mode: int = 0o100600, compress: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type, info.create_system = mode << 16, compress, 3
    return info


def test_a_file_of_keras_is_opened_and_its_members_come_out_whole(tmp_path: Path) -> None:
    path, out = packed(tmp_path / "a.keras", SMALL), io.BytesIO()
    with opened(path) as (archive, checksum):
        assert read_member(archive, CONFIG) == b"{}"
        copy_member(archive, WEIGHTS, out)
    assert out.getvalue() == b"weights"
    assert len(checksum) == 64


def without(name: str) -> dict[str, bytes]:
    return {key: data for key, data in SMALL.items() if key != name}


def patched(path: Path, old: bytes, new: bytes) -> Path:
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


def bomb() -> tuple[zipfile.ZipInfo, bytes]:
    return entry(WEIGHTS, compress=zipfile.ZIP_DEFLATED), b"\0" * 2_000_000


MEMBERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "an asset": (
        lambda path: packed(path, SMALL, (entry("assets/vocabulary.txt"), b"x")),
        "it holds 'assets/vocabulary.txt'; wanted",
    ),
    "a way up": (lambda path: packed(path, SMALL, (entry("../model.weights.h5"), b"x")), r"it holds '\.\./model"),
    "an absolute path": (lambda path: packed(path, SMALL, (entry("/etc/cron.d/x"), b"x")), "it holds '/etc/cron.d/x'"),
    "another system's path": (lambda path: packed(path, SMALL, (entry("..\\config.json"), b"x")), "it holds "),
    "a folder": (lambda path: packed(path, SMALL, (entry("assets/"), b"")), "it holds 'assets/'"),
    "a pickle": (lambda path: packed(path, SMALL, (entry("model.pkl"), b"x")), "it holds 'model.pkl'"),
    "arrays of numpy": (
        lambda path: packed(path, without(WEIGHTS), (entry("model.weights.npz"), b"x")),
        "it holds 'model.weights.npz'",
    ),
    "a name that zipfile cuts": (
        lambda path: patched(
            packed(path, without(CONFIG), (entry("config.json|txt"), b"{}")), b"json|txt", b"json\0txt"
        ),
        "it holds 'config.json.x00txt'",
    ),
    "a link": (
        lambda path: packed(path, without(CONFIG), (entry(CONFIG, mode=0o120777), b"/etc/passwd")),
        "its member config.json is a link",
    ),
    "a device": (
        lambda path: packed(path, without(CONFIG), (entry(CONFIG, mode=0o060600), b"x")),
        "its member config.json is a link or another special file",
    ),
    "a bomb": (lambda path: packed(path, without(WEIGHTS), bomb()), "unpacks to more than 100 times its size"),
    "a config without end": (
        lambda path: packed(path, {**SMALL, CONFIG: b" " * 16_000_001}),
        "its member config.json unpacks to more than 16,000,000 bytes",
    ),
    "no weights": (lambda path: packed(path, without(WEIGHTS)), "it lacks model.weights.h5"),
    "nothing": (lambda path: packed(path, {}), "it lacks config.json and metadata.json and model.weights.h5"),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_a_member_that_keras_does_not_write_refuses_the_file(case: str, tmp_path: Path) -> None:
    make, why = MEMBERS[case]
    with pytest.raises(NotAllowed, match=why), opened(make(tmp_path / "a.keras")):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # zipfile says so of the file that is made here
def test_a_member_that_is_there_twice_refuses_the_file(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.keras", SMALL, (entry(CONFIG), b"[]"))
    with pytest.raises(NotAllowed, match="its member config.json is there twice"), opened(path):
        pass


def test_an_encrypted_member_refuses_the_file(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.keras", SMALL)
    data = bytearray(path.read_bytes())
    for start in (data.index(b"PK\x01\x02") + 8, data.index(b"PK\x03\x04") + 6):
        data[start] |= 1
    path.write_bytes(data)
    with pytest.raises(NotAllowed, match="is encrypted"), opened(path):
        pass


def test_damage_is_told_of_the_member_that_has_it(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.keras", {**SMALL, WEIGHTS: b"weights" * 100})
    data = bytearray(path.read_bytes())
    data[data.index(b"weightsweights")] ^= 1
    path.write_bytes(data)
    with opened(path) as (archive, _), pytest.raises(NotAllowed, match=r"model\.weights\.h5 is damaged: Bad CRC"):
        copy_member(archive, WEIGHTS, io.BytesIO())


def test_no_more_is_unpacked_than_the_list_says(tmp_path: Path) -> None:
    """A member that claims 7 bytes and deflates to two million."""
    deflated = zlib.compress(b"\0" * 2_000_000, wbits=-15)
    path = packed(tmp_path / "a.keras", without(WEIGHTS), (entry(WEIGHTS), deflated))
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    local = data.rindex(b"PK\x03\x04")
    for at, size_at in ((central + 10, central + 24), (local + 8, local + 22)):
        data[at : at + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        data[size_at : size_at + 4] = struct.pack("<I", 7)
    path.write_bytes(data)
    out = io.BytesIO()
    with opened(path) as (archive, _), pytest.raises(NotAllowed, match="is damaged"):
        copy_member(archive, WEIGHTS, out)
    assert len(out.getvalue()) <= 7


def test_what_is_no_zip_is_told_as_what_it_is(tmp_path: Path) -> None:
    """CVE-2025-9905: safe_mode does not hold for .h5 files, so a .h5 under another name is none of ours."""
    with h5py.File(tmp_path / "old.keras", "w") as file:
        file["x"] = [1.0]
    (tmp_path / "text.keras").write_text("no network at all")
    (tmp_path / "cut.keras").write_bytes(packed(tmp_path / "a.keras", SMALL).read_bytes()[:60])
    os.mkfifo(tmp_path / "pipe.keras")
    for name, why in (
        ("old", "it is no .keras file but an HDF5 file, as Keras 2 wrote them"),
        ("text", "it is no .keras file but begins with b'no netwo'"),
        ("cut", "it is no whole zip"),
        ("pipe", "it is no regular file"),
    ):
        with pytest.raises(NotAllowed, match=why), opened(tmp_path / f"{name}.keras"):
            pass


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"keras_version": "2.15.0"}, r"Keras 2\.15\.0 wrote it; wanted: Keras 3"),
        ({}, "does not say which Keras"),
        ([], "does not"),
    ],
)
def test_only_keras_3_writes_such_files(metadata: object, why: str) -> None:
    need_keras_3(SMALL[METADATA])
    with pytest.raises(NotAllowed, match=why):
        need_keras_3(json.dumps(metadata).encode())
