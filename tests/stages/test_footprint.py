"""The limits of pick at work: what is measured, when it is not, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from automl.errors import RecipeError
from automl.nets.catalogue import backbone_named
from automl.recipe.model import Pick, Recipe, Weights
from automl.runs import cache
from automl.runtime.context import ChildEnded, StageContext
from automl.stages import footprint
from automl.stages.footprint import key_of, within_limits
from tests.conftest import MakeContext, QuietFront

SMALL, TWO = backbone_named("mobilenetv3small"), backbone_named("mobilenetv2")


@dataclass
class Measuring(QuietFront):
    """Children that write and measure nothing: what each backbone takes is given, a value a measurement."""

    ms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    dies: str = ""  # the backbone whose measuring a signal ends
    asked: list[str] = field(default_factory=list)  # what each child was for

    def run_child(
        self, kind: str, entry: str, arguments: Mapping[str, object], log: Path, limit_s: float | None
    ) -> ChildEnded:
        assert limit_s is not None
        assert limit_s <= 300
        name = str(arguments.get("backbone") or Path(str(arguments["path"])).stem)
        before = sum(one == f"measure {name}" for one in self.asked)
        self.asked.append(f"{'write' if kind == 'keras' else 'measure'} {name}")
        ok = kind == "keras" or name != self.dies
        series = self.ms.get(name, (1.0,))
        result = {"latency_ms": series[before % len(series)], "memory_mb": 30.0} if kind == "plain" and ok else {}
        return ChildEnded(
            ok=ok, result=result, error="" if ok else "killed by signal 9", exit_code=0 if ok else -9, timed_out=False,
            seconds=0.0,
        )  # fmt: skip


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of Keras and of automl that hold nothing but two backbones' weights."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    models = tmp_path / "keras" / "models"
    models.mkdir(parents=True)
    for row in (SMALL, TWO):
        (models / row.weights_files[0].name).write_bytes(b"\x89HDF\r\n\x1a\n")
    return tmp_path / "cache" / "automl" / "footprints.json"


@pytest.fixture
def context(make_context: MakeContext, tmp_path: Path) -> StageContext:
    recipe = Recipe(
        backbones=("mobilenetv2", "mobilenetv3small"),
        weights=Weights(download=False),
        pick=Pick(max_latency_ms=5),
    )
    ctx = make_context("pick", tmp_path, recipe)
    return replace(ctx, front=Measuring(ms={"mobilenetv2": (8.0, 8.2, 8.1), "mobilenetv3small": (1.4, 1.5, 1.6)}))


def left(ctx: StageContext, **pick: object) -> tuple[list[str], list[str]]:
    """Whom the limits leave, and what was said."""
    said: list[str] = []
    changed = ctx.recipe.model_copy(update={"pick": Pick(**pick)}) if pick else ctx.recipe
    kept = within_limits(replace(ctx, recipe=changed), (160,), said.append)
    return [one.row.name for one in kept], said


def test_each_backbone_is_written_once_and_measured_three_times_in_turns(context: StageContext) -> None:
    kept, said = left(context)
    assert kept == ["mobilenetv3small"]
    assert said == [
        "mobilenetv2 is left out: 8.10 ms for an image of 160 px on this machine (noise 0.20), pick.max_latency_ms "
        "allows 5"
    ]
    turn = ["measure mobilenetv3small", "measure mobilenetv2"]
    assert context.front.asked == ["write mobilenetv3small", "write mobilenetv2", *turn * 3]
    assert not context.output("footprint").exists()


def test_what_was_measured_is_remembered_and_the_ranking_says_when(context: StageContext) -> None:
    first = within_limits(context, (160,), lambda text: None)
    context.front.asked.clear()
    second = within_limits(context, (160,), lambda text: None)
    assert context.front.asked == []
    assert first == second
    own = second[0].footprint
    assert (own.latency_ms, own.memory_mb) == (1.5, 30.0)
    assert own.measured.startswith("20")


@pytest.mark.parametrize("held", [b"", b"{", b"[]", b'{"%b": 3}', b'{"%b": {"latency_ms": "fast"}}'])
def test_a_cache_that_cannot_be_read_is_measured_anew(context: StageContext, own_folders: Path, held: bytes) -> None:
    own_folders.parent.mkdir(parents=True)
    own_folders.write_bytes(held.replace(b"%b", key_of(backbone_named("mobilenetv2"), 160).encode()))
    left(context)
    assert context.front.asked.count("write mobilenetv2") == 1
    assert key_of(backbone_named("mobilenetv2"), 160) in cache.remembered("footprints.json")


def test_a_cache_that_cannot_be_written_costs_nothing(context: StageContext, own_folders: Path) -> None:
    own_folders.parent.parent.mkdir()
    own_folders.parent.write_bytes(b"a file in the folder's place")
    assert left(context)[0] == ["mobilenetv3small"]


def test_another_size_processor_package_or_writer_is_another_measurement(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = {
        key_of(backbone_named("mobilenetv2"), 160),
        key_of(backbone_named("mobilenetv2"), 96),
        key_of(backbone_named("mobilenetv3small"), 160),
    }
    with monkeypatch.context() as patch:
        patch.setattr(footprint, "describe_cpu", lambda: "another")
        keys.add(key_of(backbone_named("mobilenetv2"), 160))
    with monkeypatch.context() as patch:
        patch.setattr(footprint.metadata, "version", lambda name: "9" if name == "onnxruntime" else "1")
        keys.add(key_of(backbone_named("mobilenetv2"), 160))
    with monkeypatch.context() as patch:
        (tmp_path / "writer.py").write_text("another")
        patch.setattr(footprint.graph, "__path__", [str(tmp_path)])
        keys.add(key_of(backbone_named("mobilenetv2"), 160))
    assert len(keys) == 6


def test_noisy_timings_are_told_and_measured_again_next_time(context: StageContext) -> None:
    context.front.ms = {"mobilenetv2": (4.0, 8.0, 4.2), "mobilenetv3small": (1.0, 1.0, 1.1)}
    kept, said = left(context)
    assert kept == ["mobilenetv3small", "mobilenetv2"]
    assert said == [
        "the latency of mobilenetv2 was hard to measure: 3 equal measurements differ by 4.00 of 4.20 ms, as when other "
        "programs run. It is not remembered"
    ]
    context.front.asked.clear()
    left(context)
    assert set(context.front.asked) == {"write mobilenetv2", "measure mobilenetv2"}


def test_nothing_is_measured_where_neither_latency_nor_memory_is_limited(context: StageContext) -> None:
    assert left(context, max_params_m=100)[0] == ["mobilenetv3small", "mobilenetv2"]
    assert context.front.asked == []


def test_what_is_left_out_beforehand_is_not_measured(context: StageContext) -> None:
    assert left(context, max_params_m=1, max_latency_ms=100)[0] == ["mobilenetv3small"]
    assert "write mobilenetv2" not in context.front.asked


def test_a_backbone_whose_process_dies_is_left_out_alone(context: StageContext) -> None:
    context.front.dies = "mobilenetv2"
    kept, said = left(context, max_memory_mb=40)
    assert kept == ["mobilenetv3small"]
    assert said == [
        "mobilenetv2 is left out: its latency and memory could not be measured, and pick.max_memory_mb is set: killed "
        "by signal 9"
    ]
    assert context.front.asked.count("measure mobilenetv2") == 1


def test_where_nothing_is_left_each_candidate_is_told_with_what_took_it(context: StageContext) -> None:
    wanted = ("mobilenetv2", "mobilenetv3small", "xception", "resnet50", "densenet121", "convnexttiny")
    limits = Pick(max_latency_ms=1, max_memory_mb=20, max_params_m=25, licences=("Apache-2.0", "BSD-3-Clause"))
    ctx = replace(context, recipe=context.recipe.model_copy(update={"backbones": wanted, "pick": limits}))
    with pytest.raises(RecipeError) as refused:
        within_limits(ctx, (64,), lambda text: None)
    assert str(refused.value).splitlines()[:-1] == [
        "no backbone is left to choose from:",
        "  xception: it needs images of at least 71 px, and these are packed at 64 px",
        "  resnet50: the licence of its weights is 'MIT', pick.licences accepts Apache-2.0, BSD-3-Clause",
        "  convnexttiny: 27.82 million parameters, pick.max_params_m allows 25",
        "  densenet121: it has no pretrained weights here, and none could be fetched",
        "  mobilenetv3small: 1.50 ms for an image of 64 px on this machine (noise 0.20), pick.max_latency_ms allows 1",
        "  mobilenetv3small: 30.00 MB for an image of 64 px on this machine (noise 0.00), pick.max_memory_mb allows 20",
        "  mobilenetv2: 8.10 ms for an image of 64 px on this machine (noise 0.20), pick.max_latency_ms allows 1",
        "  mobilenetv2: 30.00 MB for an image of 64 px on this machine (noise 0.00), pick.max_memory_mb allows 20",
    ]


def test_the_small_net_that_stands_in_must_keep_the_limits_too(context: StageContext) -> None:
    recipe = context.recipe.model_copy(update={"backbones": ("mobilenet_025",), "pick": Pick(max_params_m=0.25)})
    with pytest.raises(RecipeError) as refused:
        within_limits(replace(context, recipe=recipe), (64,), lambda text: None)
    assert "  mobilenet_025: it has no pretrained weights here, and none could be fetched\n" in str(refused.value)
    assert "  smallnet: 0.304 million parameters, pick.max_params_m allows 0.25\n" in str(refused.value)


def test_the_small_net_for_small_images_must_keep_the_limits_too(context: StageContext) -> None:
    recipe = context.recipe.model_copy(update={"pick": Pick(max_params_m=0.25)})
    with pytest.raises(RecipeError, match="smallnet: 0.304 million"):
        within_limits(replace(context, recipe=recipe), (32,), lambda text: None)
