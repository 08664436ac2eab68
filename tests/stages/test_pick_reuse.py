"""A second pick of a run computes what is new in it, and what no longer holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from automl.nets.catalogue import Own, backbone_named
from automl.nets.weights import Weighted
from automl.recipe.model import Pack, Recipe, Weights
from automl.records import Picked
from automl.runs.done import write_done
from automl.runs.folder import RunFolder
from automl.runtime.context import StageContext
from automl.stages import check, judged, pack, pick, split
from automl.stages.pick_reuse import inputs_with
from automl.types import WeightsFound
from tests.conftest import QuietFront, write_bars

ALONE = Recipe(backbones=("smallnet",), pack=Pack(size_px=64), weights=Weights(pretrained=False))
WITH_ANOTHER = ALONE.model_copy(update={"backbones": ("smallnet", "mobilenetv3small")})


def context(root: Path, stage: str, recipe: Recipe) -> StageContext:
    return StageContext(
        folder=RunFolder(root / "runs" / "tiny"), stage=stage, recipe=recipe, dataset=root / "bars",
        exports=root / "exports", weights=None, deadline_at=None, front=QuietFront(),
    )  # fmt: skip


def finish(ctx: StageContext, record: Picked) -> None:
    ctx.folder.write_record(record)
    write_done(ctx.folder.stage("pick"), inputs={}, seconds=1, finished_at="now")


def again(root: Path, recipe: Recipe) -> StageContext:
    """The run with its pick set aside, as `--redo pick` with another setting leaves it."""
    ctx = context(root, "pick", recipe)
    if ctx.folder.stage("pick").exists():
        ctx.folder.stage("pick").rename(ctx.folder.earlier("pick"))
    return ctx


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run whose pick has finished with one candidate."""
    write_bars(tmp_path / "bars", per_class=12, size_px=64)
    for stage in (check, split, pack):
        ctx = context(tmp_path, stage.__name__.split(".")[-1], ALONE)
        ctx.folder.write_record(stage.run(ctx))
    ctx = context(tmp_path, "pick", ALONE)
    finish(ctx, pick.run(ctx))
    return tmp_path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The backbones that were judged."""
    names: list[str] = []
    judge = judged.judge

    def noted(ctx: StageContext, one: object, *args: object, **named: object) -> None:
        names.append(one.row.name)
        judge(ctx, one, *args, **named)

    monkeypatch.setattr(judged, "judge", noted)
    return names


def test_one_more_candidate_costs_its_own_network_alone(root: Path, computed: list[str]) -> None:
    first = context(root, "pick", ALONE).record(Picked)
    ctx = again(root, WITH_ANOTHER)
    built: list[str] = []
    build = judged.build_backbone

    def noted(row: object, size_px: int) -> object:
        built.append(row.name)
        return build(row, size_px)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judged, "build_backbone", noted)
        second = pick.run(ctx)

    assert computed == ["mobilenetv3small"]
    others = [] if second.chosen == "smallnet" else [second.chosen]  # its features of all images
    assert built == ["mobilenetv3small", *others, second.chosen]  # the last time to be saved as a whole network
    assert second.taken_over == ("smallnet-64",)
    assert first.ranking[0] in second.ranking
    assert not ctx.folder.earlier("pick").exists()

    finish(ctx, second)
    fewer = pick.run(again(root, ALONE))
    assert computed == ["mobilenetv3small"]
    assert fewer == replace(first, taken_over=("smallnet-64",))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"pick": ALONE.pick.model_copy(update={"folds": 3})},
        {"pick": ALONE.pick.model_copy(update={"neighbours": 3})},
    ],
    ids=["seed", "folds", "neighbours"],
)
def test_a_setting_that_the_probe_depends_on_computes_it_anew(
    root: Path, computed: list[str], change: dict[str, object]
) -> None:
    found = pick.run(again(root, ALONE.model_copy(update=change)))
    assert (computed, found.taken_over) == (["smallnet"], ())


def test_a_setting_that_it_does_not_depend_on_takes_it_over(root: Path, computed: list[str]) -> None:
    found = pick.run(again(root, ALONE.model_copy(update={"pick": ALONE.pick.model_copy(update={"max_params_m": 50})})))
    assert (computed, found.taken_over) == ([], ("smallnet-64",))


@pytest.mark.parametrize("file", ["sample", "score.json", "probe.npz"])
def test_an_item_with_a_file_that_has_changed_since_is_computed_anew(
    root: Path, computed: list[str], file: str
) -> None:
    ctx = again(root, WITH_ANOTHER.model_copy(update={"backbones": ("smallnet",)}))
    path = next((ctx.folder.earlier("pick") / "smallnet-64").glob(f"{file}*"))
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert pick.run(ctx).taken_over == ()
    assert computed == ["smallnet"]


def test_other_images_compute_it_anew(root: Path, computed: list[str]) -> None:
    ctx = again(root, ALONE)
    table = ctx.input("check", "images.csv")
    table.write_text(table.read_text().replace("across/000.png", "across/0000.png"))
    assert pick.run(ctx).taken_over == ()
    assert computed == ["smallnet"]


def test_a_second_pick_that_is_killed_goes_on_with_what_the_first_one_held(root: Path, computed: list[str]) -> None:
    ctx = again(root, WITH_ANOTHER)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pick, "rank", killed)
        with pytest.raises(KeyboardInterrupt):
            pick.run(ctx)
    found = pick.run(context(root, "pick", WITH_ANOTHER))
    assert computed == ["mobilenetv3small"]
    assert found.taken_over == ("smallnet-64",)


def test_ones_own_backbone_is_another_where_other_pixel_values_reach_its_first_layer(tmp_path: Path) -> None:
    own = Own(folder=tmp_path, file="mine.keras", sha256="of the user's file", sizes_px=(160,))
    weights = WeightsFound(backbone="mine.keras", source="own", path="mine.keras", sha256=own.sha256)
    one = Weighted(row=replace(backbone_named("mobilenetv2"), own=own), weights=weights)
    found = []
    for scale in (1 / 255, 1 / 127.5):
        (tmp_path / "config.json").write_text(json.dumps({"rescale": scale}))
        found.append(inputs_with({}, one))
    assert found[0] != found[1]
    assert inputs_with({}, one) == found[1]
