"""What the recipe's limits leave of its backbones, and in which words the others go."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from automl.errors import RecipeError
from automl.nets.catalogue import BACKBONES, Backbone, backbone_named
from automl.nets.limits import REMEDIES, Taken, accepts, known_limits, measured_limits, need_candidates, nothing_left
from automl.nets.own.rows import Facts, as_row
from automl.nets.weights import Place, Weighted
from automl.recipe.model import Pick, Recipe, Weights
from automl.types import Footprint, WeightsFound

SMALL, TWO, EFFICIENT = (backbone_named(name) for name in ("mobilenetv3small", "mobilenetv2", "efficientnetv2b0"))
ROWS = (SMALL, TWO, EFFICIENT)
NOWHERE: tuple[Place, ...] = ()


def left_by(pick: Pick, *names: str, weights: Weights | None = None, looked: tuple[Place, ...] = NOWHERE) -> object:
    """The names of those that are left, and the notes of the others."""
    rows = tuple(backbone_named(name) for name in names) or ROWS
    kept, taken = known_limits(rows, pick, weights or Weights(), looked, 160)
    return [row.name for row in kept], [one.note for one in taken]


def test_without_limits_nothing_is_taken() -> None:
    assert left_by(Pick(), "convnextxlarge", "smallnet") == (["convnextxlarge", "smallnet"], [])


def test_a_backbone_with_too_many_parameters_is_left_out_by_name() -> None:
    assert left_by(Pick(max_params_m=3)) == (
        ["mobilenetv3small", "mobilenetv2"],
        ["efficientnetv2b0 is left out: 5.919 million parameters, pick.max_params_m allows 3"],
    )


def test_a_backbone_whose_weights_have_another_licence_is_left_out_with_both() -> None:
    assert left_by(Pick(licences=("MIT", "BSD-3-Clause")), "resnet50", "densenet121", "vgg16") == (
        ["resnet50", "densenet121"],
        ["vgg16 is left out: the licence of its weights is 'CC-BY-4.0', pick.licences accepts MIT, BSD-3-Clause"],
    )


def test_random_weights_have_no_licence_that_could_be_refused() -> None:
    assert left_by(Pick(licences=("MIT",)), "smallnet") == (["smallnet"], [])
    kept = left_by(Pick(licences=("MIT",)), "mobilenetv2", weights=Weights(pretrained=False))
    assert kept == (["mobilenetv2"], [])


def brought(name: str, **known: object) -> Backbone:
    """A row of one's own."""
    facts = Facts(**{"file": f"/x/{name}", "licence": "unknown: the owner's", "pixels": "auto", **known})
    return as_row(Path("/x", name), facts)


def test_a_preset_is_of_an_unknown_licence_which_pick_licences_must_accept() -> None:
    preset, mine = brought("hub:vgg"), brought("mine.keras")
    kept, (taken,) = known_limits((preset, mine), Pick(licences=("MIT",)), Weights(), NOWHERE, 160)
    assert [row.name for row in kept] == ["mine.keras"], "whoever brings a file knows what is allowed with it"
    assert taken.note == (
        'hub:vgg is left out: the licence of its weights is "unknown: the owner\'s", pick.licences accepts MIT'
    )
    assert known_limits((preset,), Pick(licences=("MIT", "unknown")), Weights(), NOWHERE, 160)[1] == ()
    assert known_limits((preset,), Pick(licences=("MIT",)), Weights(pretrained=False), NOWHERE, 160)[1] == ()


def test_of_one_that_cannot_be_had_no_limit_says_anything() -> None:
    absent = brought("hub:vgg", fault="no network", licence="")
    assert known_limits((absent,), Pick(licences=("MIT",)), Weights(), NOWHERE, 160) == ((absent,), ())


def listed(folder: Path, licence: str | None) -> tuple[Place, ...]:
    """A folder whose weights.yaml states that licence of MobileNetV2's weights."""
    (folder / "x.h5").write_bytes(b"")
    entry = {"file": "x.h5", "backbone": "MobileNetV2", "kwargs": {"include_top": False}}
    (folder / "weights.yaml").write_text(yaml.safe_dump([entry if licence is None else {**entry, "licence": licence}]))
    return (Place(path=folder, named="--weights"),)


@pytest.mark.parametrize(
    ("stated", "stays"), [("MIT (a friend's)", True), ("no licence file in the repository", False), (None, False)]
)
def test_the_licence_that_a_listing_states_of_the_file_goes_before_the_catalogues(
    tmp_path: Path, stated: str | None, stays: bool
) -> None:
    kept, notes = left_by(Pick(licences=("MIT",)), "mobilenetv2", looked=listed(tmp_path, stated))
    assert kept == (["mobilenetv2"] if stays else [])
    assert notes == (
        []
        if stays
        else [
            f"mobilenetv2 is left out: the licence of its weights is {(stated or 'Apache-2.0')!r}, pick.licences "
            "accepts MIT"
        ]
    )


def test_a_long_story_in_a_listing_is_cut_and_odd_characters_are_spelled_out(tmp_path: Path) -> None:
    _, notes = left_by(Pick(licences=("MIT",)), "mobilenetv2", looked=listed(tmp_path, "own\x1b[31m" + "x" * 500))
    assert "'own\\x1b[31mxxx" in notes[0]
    assert "x..." in notes[0]
    assert len(notes[0]) < 250


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("Apache-2.0", True),
        ("apache-2.0", True),
        ("Apache-2.0 (ours)", True),
        ("Apache-2.0, Google LLC (LICENSE.md next to the model)", True),
        ("Apache-2.0.", True),
        ("GPL-3.0 OR Apache-2.0", True),
        ("MIT AND Apache-2.0", False),
        ("Apache-2.0 AND Apache-2.0 (twice)", True),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("Apache-2.0-no-patents", False),
        ("Apache", False),
        ("repository Apache-2.0", False),
        ("container SLA0044; backbone values are those of Keras (code (and docs) or Apache-2.0)", False),
        ("", False),
    ],
)
def test_a_licence_is_accepted_by_the_name_that_it_begins_with(licence: str, accepted: bool) -> None:
    assert accepts(("Apache-2.0",), licence) is accepted


def test_the_names_of_the_catalogue_accept_the_catalogue() -> None:
    names = {row.licence.split()[0] for row in BACKBONES}
    assert names == {"Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0"}
    assert all(accepts(tuple(names), row.licence) for row in BACKBONES)


def footprint(latency_ms: float, memory_mb: float = 30.0, *, noise: float = 0.0) -> Footprint:
    return Footprint(
        latency_ms=latency_ms, latency_spread_ms=noise, memory_mb=memory_mb, memory_spread_mb=noise, measured="then"
    )


def measured(row: object, found: Footprint | None) -> Weighted:
    weights = WeightsFound(backbone=row.name, source="cache", path="x", sha256="0")
    return Weighted(row=row, weights=weights, footprint=found)


def test_what_takes_longer_or_more_memory_than_is_allowed_is_left_out_with_both_figures() -> None:
    found = [
        measured(SMALL, footprint(1.4, 28.0)),
        measured(TWO, footprint(8.25, 48.5, noise=0.1)),
        measured(EFFICIENT, footprint(4.0, 80.0, noise=2.0)),
    ]
    choice = measured_limits(found, {}, Pick(max_latency_ms=5, max_memory_mb=60), 160)
    assert [one.row.name for one in choice.kept] == ["mobilenetv3small"]
    assert [(one.by, one.note) for one in choice.taken] == [
        (
            "pick.max_latency_ms",
            "mobilenetv2 is left out: 8.25 ms for an image of 160 px on this machine (noise 0.10), pick.max_latency_ms "
            "allows 5",
        ),
        (
            "pick.max_memory_mb",
            "efficientnetv2b0 is left out: 80.00 MB for an image of 160 px on this machine (noise 2.00), "
            "pick.max_memory_mb allows 60",
        ),
    ]
    assert choice.remarks == ()


def test_a_limit_that_is_not_set_takes_nothing() -> None:
    found = [measured(TWO, footprint(8.0, 5000.0))]
    assert measured_limits(found, {}, Pick(max_latency_ms=8), 160).kept == tuple(found)


def test_what_exceeds_a_limit_by_no_more_than_noise_stays_and_it_is_said() -> None:
    found = [measured(TWO, footprint(5.5, noise=0.5)), measured(SMALL, footprint(5.51, noise=0.5))]
    choice = measured_limits(found, {}, Pick(max_latency_ms=5), 96)
    assert [one.row.name for one in choice.kept] == ["mobilenetv2"]
    assert choice.remarks == (
        "mobilenetv2 stays: 5.50 ms for an image of 96 px on this machine, pick.max_latency_ms allows 5, and 0.50 ms "
        "are noise",
    )


def test_what_could_not_be_measured_cannot_keep_a_limit() -> None:
    choice = measured_limits([measured(TWO, None)], {"mobilenetv2": "killed"}, Pick(max_memory_mb=60), 96)
    assert choice.kept == ()
    assert [one.note for one in choice.taken] == [
        "mobilenetv2 is left out: its latency and memory could not be measured, and pick.max_memory_mb is set: killed"
    ]


def test_the_error_where_nothing_is_left_tells_what_took_each_and_what_to_do() -> None:
    pick = Pick(max_params_m=2.5, licences=("MIT",))
    with pytest.raises(RecipeError) as refused:
        need_candidates(Recipe(backbones=("mobilenetv2", "efficientnetv2b0"), pick=pick), None)
    assert str(refused.value) == (
        "no backbone is left to choose from:\n"
        "  mobilenetv2: the licence of its weights is 'Apache-2.0', pick.licences accepts MIT\n"
        "  efficientnetv2b0: 5.919 million parameters, pick.max_params_m allows 2.5\n"
        "Add to pick.licences, raise pick.max_params_m, or name other backbones: docs/cli.md lists them with "
        "parameters and licences. mobilenet_025 is the smallest (0.219 million), smallnet (0.304 million) needs no "
        "pretrained weights."
    )
    assert len(refused.value.faults) == 2
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("by", REMEDIES)
def test_each_limit_has_its_remedy(by: str) -> None:
    assert REMEDIES[by][1:] in str(nothing_left([Taken(backbone="x", by=by, why="y")]))


def test_one_candidate_within_the_limits_is_enough() -> None:
    need_candidates(Recipe(pick=Pick(max_params_m=1)), None)
