"""`automl weights list` and `fetch`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl.errors import FetchFailed, RecipeError, WrongWeights
from tests.weights.toy_rows import SMALL, TWO, Toys, said, toys

__all__ = ["toys"]


def listed(*words: object) -> list[dict[str, Any]]:
    rows = json.loads(said("list", "--json", *words))["weights"]
    assert isinstance(rows, list)
    return rows


def test_the_list_tells_what_is_here_what_is_missing_and_what_the_recipe_needs(toys: Toys) -> None:
    toys.cache.mkdir(parents=True)
    (toys.cache / "two-96.h5").write_bytes(TWO)
    two, small = listed("--set", "backbones=[mobilenetv2, smallnet]")
    assert (two["backbone"], two["needed"], two["state"], two["where"]) == ("mobilenetv2", True, "here", "Keras' cache")
    assert (two["file"], two["mb"]) == (str(toys.cache / "two-96.h5"), round(len(TWO) / 1e6, 2))
    assert (two["source"], two["licence"]) == (f"{toys.host.url}models/two-96.h5", "Apache-2.0")
    assert (small["backbone"], small["needed"], small["state"]) == ("mobilenetv3small", False, "missing")
    assert (small["file"], small["mb"]) == ("small.h5", 3.76)
    assert toys.host.asked == []


def test_the_list_names_the_backbones_that_the_recipe_needs_and_that_lack_weights(toys: Toys) -> None:
    text = said("list", *toys.words)
    assert text.endswith(
        "the recipe quick needs mobilenetv3small, mobilenetv2: `automl weights fetch` fetches missing ones\n"
    )
    assert json.loads(said("list", "--json", *toys.words))["missing"] == ["mobilenetv3small", "mobilenetv2"]


def test_ones_own_files_and_presets_are_listed_as_what_the_run_itself_will_look_for(toys: Toys, tmp_path: Path) -> None:
    words = ["--set", f"backbones=[{tmp_path}/mine.keras, hub:resnet_18_imagenet]"]
    mine, preset = listed(*words)[:2]
    assert (mine["backbone"], mine["file"], mine["licence"]) == ("mine.keras", f"{tmp_path}/mine.keras", "unknown")
    assert (preset["backbone"], preset["state"], preset["needed"]) == ("hub:resnet_18_imagenet", "own", True)
    assert json.loads(said("list", "--json", *words))["missing"] == []
    assert "automl weights fetch" not in said("list", *words)
    assert not any(row["state"] == "own" for row in listed(*words, "--set", "weights.pretrained=false"))
    assert said("fetch", *words).endswith("the recipe needs no pretrained weights of the table in docs/cli.md\n")


def test_what_the_limits_of_the_recipe_leave_out_is_not_needed(toys: Toys) -> None:
    toys.serve()
    limits = ["--set", "pick.max_params_m=1"]
    rows = {row["backbone"]: row["needed"] for row in listed(*toys.words, *limits)}
    assert rows == {"mobilenetv3small": True, "mobilenetv2": False}
    said("fetch", *toys.words, *limits)
    assert [path.name for path in toys.cache.iterdir()] == ["small.h5"]
    assert not any(row["needed"] for row in listed(*toys.words, "--set", "pick.licences=MIT"))


def test_licence_and_source_are_those_of_the_listing_where_there_is_one(toys: Toys) -> None:
    (toys.folder / "x.h5").write_bytes(TWO)
    (toys.folder / "weights.yaml").write_text(
        "- {file: x.h5, backbone: MobileNetV2, kwargs: {include_top: false}, licence: AGPL-3.0, source: a friend}"
    )
    row = next(row for row in listed("--weights", toys.folder) if row["backbone"] == "mobilenetv2")
    assert (row["where"], row["licence"], row["source"]) == ("--weights", "AGPL-3.0", "a friend")


def test_a_listed_file_that_is_gone_is_a_row_and_no_end_of_the_list(toys: Toys) -> None:
    (toys.folder / "weights.yaml").write_text("- {file: x.h5, backbone: MobileNetV2, kwargs: {include_top: false}}")
    rows = {row["backbone"]: row for row in listed("--weights", toys.folder, *toys.words)}
    assert rows["mobilenetv2"]["state"] == "wrong"
    assert "holds no such file" in rows["mobilenetv2"]["fault"]
    assert rows["mobilenetv3small"]["state"] == "missing"
    assert "holds no such file" in said("list", "--weights", toys.folder)


def test_a_recipe_without_pretrained_weights_needs_none(toys: Toys) -> None:
    assert not any(row["needed"] for row in listed("--set", "weights.pretrained=false"))
    assert "the recipe needs no pretrained weights" in said("fetch", "--set", "weights.pretrained=false")


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["--set", "backbones=[mobilnetv2]"], RecipeError, "'mobilnetv2', wanted one of .*did you mean .*mobilenetv2"),
        (["--recipe", "quik"], RecipeError, "no recipe named 'quik'"),
        (["--weights", "absent"], WrongWeights, "absent is not a folder.*Correct --weights"),
        (["--weights", "."], WrongWeights, r"\. holds no weights of any backbone, but 'other.h5'"),
    ],
)
def test_wrong_words_are_one_clear_message(
    toys: Toys, monkeypatch: pytest.MonkeyPatch, words: list[str], kind: type[Exception], message: str
) -> None:
    monkeypatch.chdir(toys.folder)
    Path("other.h5").write_bytes(b"")
    with pytest.raises(kind, match=message):
        said("list", *words)


def test_a_file_with_its_top_is_here_and_nothing_is_fetched(toys: Toys) -> None:
    toys.serve()
    toys.cache.mkdir(parents=True)
    (toys.cache / "small-topped.h5").write_bytes(TWO)
    words = ["--set", "backbones=[mobilenetv3small]"]
    row = listed(*words)[0]
    assert (row["state"], row["file"]) == ("here", str(toys.cache / "small-topped.h5"))
    assert row["source"] == f"{toys.host.url}models/small-topped.h5"
    assert [row["state"] for row in json.loads(said("fetch", "--json", *words))["weights"]] == ["here"]
    assert toys.host.gets() == []


def test_fetch_gets_what_is_not_here_and_the_list_finds_it(toys: Toys) -> None:
    toys.serve()
    (toys.folder / "two-96.h5").write_bytes(TWO)
    rows = json.loads(said("fetch", "--json", "--weights", toys.folder, *toys.words))["weights"]
    assert {row["backbone"]: row["state"] for row in rows} == {"mobilenetv3small": "fetched", "mobilenetv2": "here"}
    assert (toys.cache / "small.h5").read_bytes() == SMALL
    assert [path for path, _ in toys.host.gets()] == ["/models/small.h5"]
    assert [row["state"] for row in listed("--weights", toys.folder)][:2] == ["here", "here"]


def test_what_is_fetched_was_trained_nearest_to_the_size_that_the_recipe_packs_at_most(toys: Toys) -> None:
    toys.host.files["/models/two-96.h5"] = TWO
    rows = json.loads(
        said("fetch", "--json", "--set", "backbones=[mobilenetv2]", "--set", "pack.size_px=128")
    )["weights"]  # fmt: skip
    assert [(row["state"], Path(row["file"]).name) for row in rows] == [("fetched", "two-96.h5")]
    missing = listed("--set", "backbones=[mobilenetv3small]")[0]
    assert missing["file"] == "small.h5"


def test_fetch_to_a_folder_counts_that_folder_alone(toys: Toys) -> None:
    toys.serve()
    toys.cache.mkdir(parents=True)
    (toys.cache / "small.h5").write_bytes(SMALL)
    said("fetch", "--to", toys.folder / "new", *toys.words)
    assert {path.name for path in (toys.folder / "new").iterdir()} == {"small.h5", "two.h5"}


def test_one_file_that_fails_costs_itself_alone_and_the_next_call_gets_it(toys: Toys) -> None:
    toys.serve()
    toys.host.files["/models/small.h5"] = TWO
    with pytest.raises(FetchFailed, match=r"1 of 2 files could not be fetched:\n  mobilenetv3small: .*Keras states"):
        said("fetch", *toys.words)
    assert [path.name for path in toys.cache.iterdir()] == ["two.h5"]
    toys.serve()
    said("fetch", *toys.words)
    assert {path.name for path in toys.cache.iterdir()} == {"small.h5", "two.h5"}


def test_fetch_looks_once_at_the_host_and_says_how_weights_are_carried(toys: Toys) -> None:
    toys.host.files.clear()
    with pytest.raises(FetchFailed, match=r"(?s)2 of 2 .*404 Not Found.*automl weights bundle") as failed:
        said("fetch", *toys.words)
    assert failed.value.exit_code == 5
    assert [method for method, _, _ in toys.host.asked] == ["HEAD", "GET", "GET"]
