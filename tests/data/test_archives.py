"""Archives: each kind is extracted whole, and a hostile member leaves nothing at all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data import archives, members
from automl.data.archives import STAMP, extract, holds_another, is_archive, is_extracted, opened, unread_in
from automl.data.layouts import list_dataset, listing_fingerprint
from automl.data.members import Member, judge
from automl.data.passed import PassedOver
from automl.errors import DataError, DiskFull
from automl.finding_table import UNFILLED
from tests.data.trees import finding_of

SHARED = Path(__file__).parents[2].parent / "shared" / "datasets"
FILES = {f"set/{label}/{n}.png": f"{label}{n}".encode() for label in ("cat", "dog") for n in range(2)}
KINDS = ["set.zip", "set.tar", "set.tar.gz", "set.tgz", "set.tar.bz2", "set.tar.xz"]


def _pack(path: Path, files: dict[str, bytes] = FILES, *more: tarfile.TarInfo) -> Path:
    """An archive of these files, and for a tar of these further entries."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(zipfile.ZipInfo(name, (2020, 2, 2, 2, 2, 2)), content)
        return path
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_580_608_922
            tar.addfile(info, io.BytesIO(content))
        for info in more:
            tar.addfile(info)
    return path


def _all_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_extracted_and_lists_as_the_folder_would(tmp_path: Path, name: str) -> None:
    extra = {"set/README.md": b"x", "set/.DS_Store": b"x", "__MACOSX/set/cat/._0.png": b"x", "set/cat/run.sh": b"x"}
    archive = _pack(tmp_path / name, {**FILES, **extra})

    root = extract(archive, tmp_path / "run" / "dataset")

    assert root == tmp_path / "run" / "dataset" / "files" / "set"
    assert opened(archive, tmp_path / "run" / "dataset") == root
    assert _all_below(tmp_path / "run") == {f"dataset/{STAMP}", *(f"dataset/files/{path}" for path in FILES)}
    assert (root / "cat" / "1.png").read_bytes() == b"cat1"
    listing = list_dataset(root)
    assert listing.classes == ("cat", "dog")
    assert {file.mtime_ns for file in listing.files} == {1_580_608_922 * 10**9}  # so another extraction is the same
    assert not any(os.access(path, os.X_OK) for path in root.rglob("*.png"))


def test_an_archive_is_extracted_once_and_again_only_when_it_changed_or_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, folder = _pack(tmp_path / "set.zip"), tmp_path / "dataset"
    before = listing_fingerprint(list_dataset(extract(archive, folder)))
    with monkeypatch.context() as patch:
        patch.setattr(archives, "_write", None)
        extract(archive, folder)  # taken over: nothing is written
    assert not holds_another(archive, folder)

    (folder / STAMP).unlink()
    assert not is_extracted(archive, folder)
    assert listing_fingerprint(list_dataset(extract(archive, folder))) == before

    os.utime(archive, (1, 1))
    assert holds_another(archive, folder)
    assert not is_extracted(archive, folder)
    _pack(archive, {"a/1.png": b"x", "b/1.png": b"x"})
    assert list_dataset(extract(archive, folder)).classes == ("a", "b")


def test_a_kill_while_writing_leaves_no_dataset_and_the_next_call_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, folder = _pack(tmp_path / "set.tar.gz"), tmp_path / "dataset"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archives, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            extract(archive, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["set.tar.gz"]
    (tmp_path / ".tmp-dataset" / "files").mkdir(parents=True)  # what SIGKILL leaves
    assert len(list_dataset(extract(archive, folder)).files) == 4
    assert not (tmp_path / ".tmp-dataset").exists()


@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz"])
def test_what_is_not_extracted_is_told_as_of_the_folder_also_by_a_resumed_run(tmp_path: Path, name: str) -> None:
    extra = {
        **{f"set/cat/{n}.heic": b"x" for n in range(3)},
        **{f"set/bird/{n}.avif": b"x" for n in range(2)},
        **dict.fromkeys(("set/.git/a", "set/.git/b/c", "set/.DS_Store", "set/__MACOSX/cat/._0.png"), b"x"),
        **dict.fromkeys(("set/readme.txt", "set/dog/Thumbs.db", "set/dog/LICENSE", "set/notes/x.csv"), b"x"),
        "set/fox/photo": b"\xff\xd8\xff\xe0 and so on",
    }
    for path, content in {**FILES, **extra}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    archive, folder = _pack(tmp_path / name, {**FILES, **extra}), tmp_path / "run" / "dataset"
    extract(archive, folder)

    listing = list_dataset(opened(archive, folder), passed_over=unread_in(archive, folder))

    plain = list_dataset(tmp_path / "set")
    assert listing.ignored == plain.ignored
    assert plain.ignored["suffix .heic"] == 3
    assert sorted(listing.ignored_paths) == sorted(plain.ignored_paths)
    assert listing.findings == plain.findings
    unfilled = finding_of(listing, UNFILLED)
    assert (unfilled.severity, unfilled.paths) == ("stop", ("bird/", "fox/", "notes/"))
    assert "fox/ (1 x image without a suffix)" in unfilled.text


def test_an_empty_class_folder_of_an_archive_is_told(tmp_path: Path) -> None:
    empty = tarfile.TarInfo("set/bird/")
    empty.type = tarfile.DIRTYPE
    archive, folder = _pack(tmp_path / "set.tar", FILES, empty), tmp_path / "dataset"

    listing = list_dataset(extract(archive, folder), passed_over=unread_in(archive, folder))

    assert finding_of(listing, UNFILLED).paths == ("bird/",)


def test_files_beside_the_dataset_s_own_folder_keep_their_way_there(tmp_path: Path) -> None:
    archive, folder = _pack(tmp_path / "set.zip", {**FILES, "other/1.heic": b"x"}), tmp_path / "dataset"

    listing = list_dataset(extract(archive, folder), passed_over=unread_in(archive, folder))

    assert listing.ignored_paths == ("../other/1.heic",)


def test_of_an_archive_that_an_earlier_version_extracted_nothing_more_is_known(tmp_path: Path) -> None:
    archive, folder = _pack(tmp_path / "set.zip", {**FILES, "set/readme.md": b"x"}), tmp_path / "dataset"
    extract(archive, folder)
    stamp = json.loads((folder / STAMP).read_bytes())
    del stamp["unread"]
    (folder / STAMP).write_text(json.dumps(stamp))

    assert is_extracted(archive, folder)
    assert unread_in(archive, folder) == PassedOver()


def test_a_member_without_suffix_that_cannot_be_read_does_not_refuse_a_zip(tmp_path: Path) -> None:
    archive = _pack(tmp_path / "set.zip", {**FILES, "set/LICENSE": b"x" * 50})
    data = bytearray(archive.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 10 : at + 12] = struct.pack("<H", 99)  # a method that no reader knows
    archive.write_bytes(data)

    assert len(list_dataset(extract(archive, tmp_path / "dataset")).files) == 4


def _tar_entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


HOSTILE = {
    "parent": _tar_entry("set/../../out.png"),
    "parent itself": _tar_entry("..", tarfile.DIRTYPE),
    "absolute": _tar_entry("/tmp/out.png"),
    "windows": _tar_entry("C:out.png"),
    "backslash": _tar_entry("set\\..\\out.png"),
    "symlink": _tar_entry("set/cat/link.png", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": _tar_entry("set/cat/link.png", tarfile.LNKTYPE, "../../../etc/passwd"),
    "device": _tar_entry("set/cat/null.png", tarfile.CHRTYPE),
    "pipe": _tar_entry("set/cat/pipe.png", tarfile.FIFOTYPE),
    "twice": _tar_entry("./set/cat/0.png"),
    "file as folder": _tar_entry("set/cat/0.png/x.png"),
    "too long": _tar_entry("set/" + "x" * 300 + ".png"),
    "too deep": _tar_entry("/".join("x" * 100) + ".png"),
}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
@pytest.mark.parametrize("entry", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_entry_refuses_the_whole_archive(tmp_path: Path, entry: tarfile.TarInfo, suffix: str) -> None:
    archive = _pack(tmp_path / f"set.{suffix}", FILES, entry)

    with pytest.raises(DataError, match="is refused: its entry .*Wanted: an archive of plain files and folders"):
        extract(archive, tmp_path / "run" / "dataset")

    assert _all_below(tmp_path) == {archive.name}


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "set/cat/0.png/x.png", "a\\..\\out.png", "set/./cat/0.png"])
def test_a_hostile_entry_of_a_zip_refuses_it_as_well(tmp_path: Path, name: str) -> None:
    archive = _pack(tmp_path / "set.zip", {**FILES, name: b"x"})

    with pytest.raises(DataError, match="is refused: its entry"):
        extract(archive, tmp_path / "run" / "dataset")
    assert _all_below(tmp_path) == {"set.zip"}


def test_links_and_encrypted_entries_of_a_zip_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("set/cat/link.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive = _pack(tmp_path / "set.zip")
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="'set/cat/link.png' is a link"):
        extract(archive, tmp_path / "dataset")

    data = bytearray(_pack(tmp_path / "locked.zip").read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1  # the flag in the list of members
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(DataError, match="is encrypted"):
        extract(tmp_path / "locked.zip", tmp_path / "dataset")


def _member(name: str, size: int = 1) -> Member:
    return Member(name=name, kind="file", size_bytes=size, mtime_s=0)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_MEMBERS", 3, "more than 3 entries"),
        ("MAX_BYTES", 30, "unpacks to more than"),
        ("MAX_MEMBER_BYTES", 9, "has 0 MB; at most 0 are taken"),
        ("RATIO_COUNTS_FROM", 0, "more than 200 times its size, as bombs do"),
    ],
)
def test_numbers_and_sizes_are_bounded(limit: str, value: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, limit, value)
    with pytest.raises(DataError, match=message):
        judge((_member(f"{n}.png", 100) for n in range(4)), Path("set.zip"), 1)


def test_a_zip_that_says_less_than_it_holds_is_cut_off_where_it_lied(tmp_path: Path) -> None:
    data = bytearray(_pack(tmp_path / "set.zip", {**FILES, "set/cat/bomb.png": b"0" * 5_000_000}).read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)  # its size, in the list of members
    (tmp_path / "set.zip").write_bytes(data)

    with pytest.raises(DataError):
        extract(tmp_path / "set.zip", tmp_path / "run" / "dataset")
    assert _all_below(tmp_path) == {"set.zip"}


def test_a_tar_header_that_claims_a_gigabyte_of_text_is_not_read(tmp_path: Path) -> None:
    header = _tar_entry("x", tarfile.XHDTYPE, size=1 << 30)
    (tmp_path / "set.tar").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + b"x" * 10_240)

    with pytest.raises(DataError, match="cannot be read: .*header"):
        extract(tmp_path / "set.tar", tmp_path / "dataset")


def test_too_little_room_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ROOM_LEFT", 1 << 60)
    with pytest.raises(DiskFull, match=r"take 0 MB, and the disk of .* has .* MB free\. Wanted"):
        extract(_pack(tmp_path / "set.zip"), tmp_path / "run" / "dataset")
    assert not (tmp_path / "run").exists()


def test_an_archive_without_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no image \(it holds 1 x suffix .txt\). Wanted: an archive"):
        extract(_pack(tmp_path / "set.zip", {"a.txt": b"x", "labels.csv": b"x"}), tmp_path / "dataset")


@pytest.mark.parametrize(
    ("files", "below"),
    [
        ({"a/b/cat/1.png": b"", "a/b/dog/1.png": b""}, "a/b"),
        ({"train/cat/1.png": b"", "train/dog/1.png": b""}, ""),  # a part is no wrapping
        ({"set/labels.csv": b"", "set/1.png": b""}, "set"),
        ({"cat/1.png": b""}, ""),
        ({"set/cat/1.png": b"", "labels.csv": b""}, ""),
    ],
)
def test_folders_that_only_wrap_the_dataset_are_gone_through(
    tmp_path: Path, files: dict[str, bytes], below: str
) -> None:
    root = extract(_pack(tmp_path / "set.tar", files), tmp_path / "dataset")
    assert root == tmp_path / "dataset" / "files" / below


@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz", "set.tar.xz", "set.tar.bz2", "set.tar"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_read_and_never_ends_otherwise(name: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        whole = bytearray(_pack(root / name).read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(whole) - 1))
            whole[at] ^= 1 << data.draw(st.integers(0, 7))
        (root / name).write_bytes(whole[: data.draw(st.integers(0, len(whole)))])

        with contextlib.suppress(DataError):
            extract(root / name, root / "run" / "dataset")

        written = {path for path in _all_below(root) if not path.startswith("run/dataset/")}
        assert written == {name}


def test_what_is_an_archive_is_told_by_name_and_kind(tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    assert not is_archive(tmp_path / "folder.zip")
    assert not is_archive(tmp_path / "none.zip")
    assert is_archive(_pack(tmp_path / "Set.ZIP".lower()))


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real datasets are not beside the repository")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("covid_xray.tar", "train/val/test folders of classes: train/, val/"),
        ("facial_csv.tar.gz", "manifest: labels.csv (path: path, label: label)"),
        ("omniglot_small.tar.gz", "nested folders below a class: Balinese/, Early_Aramaic/, Greek/, Korean/, Latin/"),
        ("steel_defects.tar.gz", "folder per class: crazing/, inclusion/, patches/, pitted_surface/, rolled-in_scale/"),
        ("driving_steering.tar.gz", "task not supported yet: regression"),
        ("scenes_multilabel.tar.gz", "task not supported yet: multi-label classification"),
        ("membrane_seg.tar", "task not supported yet: segmentation"),
    ],
)
def test_the_real_sets_are_found_to_be_what_they_are(tmp_path: Path, name: str, said: str) -> None:
    root = extract(SHARED / name, tmp_path / "dataset")
    try:
        found = list_dataset(root).layout
    except DataError as error:
        found = str(error)
    assert said in found
