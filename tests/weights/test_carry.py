"""`automl weights bundle` and `import`: there and back, and bundles as an attacker or a bad disk leaves them."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automl.errors import AutomlError, DiskFull, FetchFailed, UsageError, WrongWeights
from automl.nets.listing import parse_listing, read_listing
from automl.nets.weights import Place, locate, read
from automl.weights import bring
from tests.weights.toy_rows import SMALL, TWO, Toys, said, sha256, toys

__all__ = ["toys"]


def told(*words: object) -> list[dict[str, Any]]:
    rows = json.loads(said(*words, "--json"))["weights"]
    assert isinstance(rows, list)
    return rows


@pytest.fixture
def bundle(toys: Toys, tmp_path: Path) -> Path:
    """Both toys' weights, of which the second was told by weights.yaml."""
    (toys.folder / "small.h5").write_bytes(SMALL)
    (toys.folder / "mine.h5").write_bytes(TWO)
    (toys.folder / "weights.yaml").write_text(
        "- {file: mine.h5, backbone: MobileNetV2, kwargs: {include_top: false}, licence: AGPL-3.0, source: a friend, "
        "grade: exact}"
    )
    said("bundle", tmp_path / "q.tar", "--weights", toys.folder, *toys.words)
    return tmp_path / "q.tar"


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_a_bundle_states_checksum_size_licence_and_source_of_each_file(bundle: Path, toys: Toys) -> None:
    with tarfile.open(bundle) as tar:
        names = tar.getnames()
        listing = tar.extractfile("weights.yaml")
        assert listing is not None
        small, mine = parse_listing(listing.read(), "it")
    assert names == ["weights.yaml", "small.h5", "mine.h5"]
    assert (small.sha256, small.size, small.licence) == (sha256(SMALL), len(SMALL), "Apache-2.0")
    assert small.source == f"{toys.host.url}models/small.h5"
    assert small.kwargs == {**toys.small.arguments, "input_shape": [224, 224, 3]}
    assert (mine.sha256, mine.licence, mine.source) == (sha256(TWO), "AGPL-3.0", "a friend")
    assert mine.kwargs == {"include_top": False, "alpha": 1.0}
    assert mine.more == {"grade": "exact"}


def test_the_same_weights_make_the_same_tar(bundle: Path, toys: Toys, tmp_path: Path) -> None:
    said("bundle", tmp_path / "again.tar", "--weights", toys.folder, *toys.words)
    assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize("place", ["cache", "variable", "to"])
@pytest.mark.parametrize("unpacked", [False, True])
def test_what_was_imported_is_what_a_run_finds(
    bundle: Path, toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, unpacked: bool
) -> None:
    target = toys.cache if place == "cache" else tmp_path / "new" / "folder"
    if place == "variable":
        monkeypatch.setenv("AUTOML_WEIGHTS", str(target))
    source = bundle
    if unpacked:
        source = tmp_path / "unpacked"
        with tarfile.open(bundle) as tar:
            tar.extractall(source, filter="data")
    rows = told("import", source, *(["--to", target] if place == "to" else []))
    assert [row["state"] for row in rows] == ["new", "new"]
    assert files_in(target).keys() == {"weights.yaml", "small.h5", "mine.h5"}
    for row, name, held in ((toys.small, "small.h5", SMALL), (toys.two, "mine.h5", TWO)):
        located = locate(row, Place(path=target, named="--to"))
        assert located is not None
        assert read(located).sha256 == sha256(held)
        assert located.path == target / name


def test_a_file_with_its_top_is_carried_as_one(toys: Toys, tmp_path: Path) -> None:
    (toys.folder / "small-topped.h5").write_bytes(TWO)
    (toys.folder / "mine.h5").write_bytes(SMALL)
    (toys.folder / "weights.yaml").write_text("- {file: mine.h5, backbone: MobileNetV2}")
    said("bundle", tmp_path / "two.tar", "--weights", toys.folder, "--set", "backbones=[mobilenetv2]")
    (toys.folder / "weights.yaml").unlink()
    said("bundle", tmp_path / "small.tar", "--weights", toys.folder, "--set", "backbones=[mobilenetv3small]")
    for tar in ("two.tar", "small.tar"):
        said("import", tmp_path / tar, "--to", tmp_path / "new")
    small, two = read_listing(tmp_path / "new")
    assert (small.kwargs["include_top"], two.kwargs["include_top"]) == (True, True)
    assert small.source == f"{toys.host.url}models/small-topped.h5"
    for row in (toys.small, toys.two):
        located = locate(row, Place(path=tmp_path / "new", named="--to"))
        assert located is not None
        assert read(located).topped


def test_an_import_done_twice_changes_nothing(bundle: Path, toys: Toys) -> None:
    said("import", bundle)
    before = {path: path.stat().st_mtime_ns for path in toys.cache.iterdir()}
    assert [row["state"] for row in told("import", bundle)] == ["here", "here"]
    assert {path: path.stat().st_mtime_ns for path in toys.cache.iterdir()} == before


def test_what_the_folder_listed_stays_listed_behind_what_was_imported(bundle: Path, toys: Toys) -> None:
    toys.cache.mkdir(parents=True)
    (toys.cache / "old.h5").write_bytes(SMALL)
    (toys.cache / "weights.yaml").write_text("- {file: old.h5, backbone: MobileNetV2, kwargs: {include_top: false}}")
    said("import", bundle)
    assert [entry.file for entry in read_listing(toys.cache)] == ["small.h5", "mine.h5", "old.h5"]


def test_another_file_of_the_same_name_is_replaced_by_force_alone(bundle: Path, toys: Toys) -> None:
    toys.cache.mkdir(parents=True)
    (toys.cache / "small.h5").write_bytes(TWO)
    with pytest.raises(UsageError, match=r"holds other files of the names small.h5. Nothing was written.*--force"):
        said("import", bundle)
    assert files_in(toys.cache) == {"small.h5": TWO}
    assert [row["state"] for row in told("import", bundle, "--force")] == ["replaced", "new"]
    assert files_in(toys.cache)["small.h5"] == SMALL


def test_a_bundle_fetches_what_is_not_here(toys: Toys, tmp_path: Path) -> None:
    toys.serve()
    rows = told("bundle", tmp_path / "q.tar", *toys.words)
    assert [row["file"] for row in rows] == [str(toys.cache / "small.h5"), str(toys.cache / "two.h5")]
    assert rows[1]["source"] == f"{toys.host.url}models/two.h5, by its name; no checksum is stated there"


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ([], FetchFailed, r"(?s)the weights of 2 backbone\(s\) can be had nowhere:\n  mobilenetv3small: .*404"),
        (["--set", "weights.download=false"], FetchFailed, "the recipe forbids downloads"),
        (["--set", "weights.pretrained=false"], UsageError, "there is nothing to bundle"),
    ],
)
def test_a_bundle_is_whole_or_not_there(
    toys: Toys, tmp_path: Path, words: list[str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        said("bundle", tmp_path / "q.tar", *toys.words, *words)
    assert not (tmp_path / "q.tar").exists()


def test_a_file_that_is_there_is_no_place_for_a_bundle(bundle: Path, toys: Toys) -> None:
    with pytest.raises(UsageError, match="q.tar is there already"):
        said("bundle", bundle, "--weights", toys.folder, *toys.words)
    said("bundle", bundle, "--weights", toys.folder, *toys.words, "--force")


def test_a_name_that_could_be_misread_is_another_in_the_bundle(toys: Toys, tmp_path: Path) -> None:
    (toys.folder / "my weights.h5").write_bytes(TWO)
    (toys.folder / "weights.yaml").write_text(
        "- {file: my weights.h5, backbone: MobileNetV2, kwargs: {include_top: false}}"
    )
    said("bundle", tmp_path / "q.tar", "--weights", toys.folder, "--set", "backbones=[mobilenetv2]")
    with tarfile.open(tmp_path / "q.tar") as tar:
        assert tar.getnames() == ["weights.yaml", "mobilenetv2.h5"]


Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


def rebuilt(bundle: Path, change: Change) -> Path:
    """The bundle with its members changed."""
    with tarfile.open(bundle) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]
    change(members)
    with tarfile.open(bundle, "w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return bundle


def add(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(data)
        members.append((info, data))

    return change


def in_listing(old: str, new: str) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info, data = members[0]
        text = data.decode()
        assert old in text
        data = text.replace(old, new).encode()
        info.size = len(data)
        members[0] = (info, data)

    return change


def as_kind(kind: bytes, link: str) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info, _ = members[1]
        info.type, info.linkname, info.size = kind, link, 0
        members[1] = (info, b"")

    return change


def spoilt(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    info, data = members[2]
    members[2] = (info, data[:-1] + b"x")


def longer(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    info, data = members[2]
    info.size += 1
    members[2] = (info, data + b"x")


HOSTILE: dict[str, tuple[Change, str]] = {
    "one byte is another": (spoilt, "'mine.h5' is damaged: it has not the sha256"),
    "longer than listed": (longer, "has 8,009 bytes, and its weights.yaml says 8,008"),
    "a path": (add("../evil.h5"), r"its entry '../evil.h5' is not in its weights.yaml"),
    "absolute": (add("/tmp/evil.h5"), "is not in its weights.yaml"),
    "a file that is not listed": (add("more.h5", data=b"x"), "'more.h5' is not in its weights.yaml"),
    "a folder": (add("sub", tarfile.DIRTYPE), "'sub' is not in its weights.yaml"),
    "a listed file twice": (add("small.h5", data=SMALL), "'small.h5' is there twice"),
    "a link in place of a file": (as_kind(tarfile.SYMTYPE, "/etc/passwd"), "'small.h5' is a link"),
    "a hard link": (as_kind(tarfile.LNKTYPE, "mine.h5"), "'small.h5' is a link"),
    "a device": (as_kind(tarfile.CHRTYPE, ""), "'small.h5' is no plain file"),
    "a pipe": (as_kind(tarfile.FIFOTYPE, ""), "'small.h5' is no plain file"),
    "a listed path": (in_listing('"small.h5"', '"../small.h5"'), "gives '../small.h5' a name that no weights file has"),
    "a listed name with an escape": (in_listing('"small.h5"', '"\\e[2J.h5"'), "a name that no weights file has"),
    "listed as hidden": (in_listing('"small.h5"', '".tmp-import.h5"'), "a name that no weights file has"),
    "no checksum": (in_listing(f'"{sha256(SMALL)}"', '""'), "gives 'small.h5' no sha256"),
    "a checksum of another": (in_listing(sha256(SMALL), sha256(TWO)), "'small.h5' is damaged"),
    "a size beyond bounds": (in_listing(str(len(SMALL)), "9000000000000"), "no size from 64 to 2,000,000,000 bytes"),
    "listed twice": (in_listing('"small.h5"', '"mine.h5"'), "lists a file twice"),
    "lists nothing": (in_listing('"file"', '"fiel"'), "Wanted: a list of mappings"),
    "weights.yaml is not the first": (lambda members: members.reverse(), "does not begin with a weights.yaml"),
    "a file is missing": (lambda members: members.__delitem__(2), "it lacks mine.h5"),
    "empty": (lambda members: members.clear(), "does not begin with a weights.yaml"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bundle_that_is_not_as_it_must_be_is_refused_and_nothing_of_it_is_kept(
    bundle: Path, toys: Toys, name: str
) -> None:
    change, why = HOSTILE[name]
    with pytest.raises(WrongWeights, match=why) as refused:
        said("import", rebuilt(bundle, change))
    assert refused.value.exit_code == 2
    assert files_in(toys.cache) == {}
    assert not list(bundle.parent.rglob("evil.h5"))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.9])
def test_a_bundle_that_was_cut_is_refused(bundle: Path, toys: Toys, share: float) -> None:
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[: int(16_000 * share)])
    with pytest.raises(WrongWeights, match="is refused"):
        said("import", bundle)
    assert files_in(toys.cache) == {}


def test_what_is_no_tar_is_refused(bundle: Path, toys: Toys) -> None:
    for held in (b"", b"<html>" * 999, SMALL, gzip.compress(bundle.read_bytes())[:200]):
        bundle.write_bytes(held)
        with pytest.raises(WrongWeights, match="is refused"):
            said("import", bundle)


def test_a_listed_web_page_is_refused_though_its_checksum_is_right(bundle: Path, toys: Toys) -> None:
    page = b"<!doctype html>" + b" " * (len(SMALL) - 15)

    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        in_listing(sha256(SMALL), sha256(page))(members)
        members[1] = (members[1][0], page)

    with pytest.raises(WrongWeights, match="'small.h5' is no weights file: it is a web page"):
        said("import", rebuilt(bundle, change))


def test_a_folder_without_a_listing_is_no_bundle(toys: Toys, tmp_path: Path) -> None:
    (toys.folder / "small.h5").write_bytes(SMALL)
    with pytest.raises(WrongWeights, match="its weights.yaml lists 0 files"):
        said("import", toys.folder)
    with pytest.raises(UsageError, match=r"absent is not there\. Wanted: a tar"):
        said("import", tmp_path / "absent")


def test_a_folder_whose_file_is_gone_is_refused(bundle: Path, toys: Toys, tmp_path: Path) -> None:
    with tarfile.open(bundle) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    (tmp_path / "unpacked" / "mine.h5").unlink()
    with pytest.raises(WrongWeights, match="its entry 'mine.h5' is no file"):
        said("import", tmp_path / "unpacked")
    assert files_in(toys.cache) == {}


def test_a_disk_without_room_is_told_before_anything_is_written(
    bundle: Path, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage("/"))(10**9, 10**9 - 50_000, 50_000)
    monkeypatch.setattr(bring.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskFull, match="or name another folder with --to"):
        said("import", bundle)
    assert files_in(toys.cache) == {}


def test_what_a_killed_import_left_is_swept_and_the_next_one_is_whole(bundle: Path, toys: Toys) -> None:
    (toys.cache / ".tmp-import").mkdir(parents=True)
    (toys.cache / ".tmp-import" / "small.h5").write_bytes(b"half")
    said("import", bundle)
    assert files_in(toys.cache).keys() == {"weights.yaml", "small.h5", "mine.h5"}


def test_a_place_that_is_a_file_is_told(bundle: Path, toys: Toys) -> None:
    with pytest.raises(AutomlError, match="q.tar"):
        said("import", bundle, "--to", bundle)


def test_what_a_listing_says_reaches_no_terminal_as_it_is(bundle: Path, toys: Toys) -> None:
    said("import", rebuilt(bundle, in_listing('"AGPL-3.0"', '"\\e[2J"')))
    for words in (["list"], ["import", bundle]):
        assert "\x1b" not in said(*words)
        assert r"'\x1b[2J'" in said(*words)
