from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data import marks as marks_module
from automl.data.flags import read_flags, rejected_flags, write_flags
from automl.data.looks import LOOKS
from automl.data.marks import CONVERSIONS, SUFFIXES_OF, Pictures
from automl.data.rules import RULES, Flag, apply_rules, findings_of, flags_of, only_class
from automl.errors import StageFailed
from automl.types import Finding, Rejected
from tests.strategies import an_image

PHOTO = {  # what a usual photo looks like
    "brightness": 115, "contrast": 55, "entropy": 7.4, "sharpness": 0.19, "darkest": 0, "low": 28, "high": 233,
    "brightest": 255,
}  # fmt: skip
DARK = {"brightness": 9, "contrast": 6, "entropy": 4, "sharpness": 0.07, "low": 0, "high": 30, "brightest": 60}
BRIGHT = {"brightness": 245, "contrast": 6, "entropy": 4, "sharpness": 0.07, "darkest": 200, "low": 230, "high": 254}
CONSTANT = {"brightness": 80, "contrast": 0, "entropy": 0, "sharpness": 1, "darkest": 80, "low": 80, "high": 80,
            "brightest": 80}  # fmt: skip
BLACK = {**CONSTANT, "brightness": 0, "darkest": 0, "low": 0, "high": 0, "brightest": 0}
FOG = {"contrast": 3, "entropy": 3.4, "sharpness": 0.07, "darkest": 110, "low": 112, "high": 120, "brightest": 130}
PAGE = {"brightness": 250, "contrast": 12, "entropy": 0.4, "low": 255, "high": 255}
BLURRED = {"sharpness": 0.07}
SHADED = {"brightness": 12}


def _set(odd: Sequence[Mapping[str, float]] = (), *, usual: Mapping[str, float] = PHOTO, n: int = 60) -> Pictures:
    """So many usual pictures that differ a little, and after them the odd ones, each usual but for what is given."""
    rng = np.random.default_rng(3)
    looks = np.zeros(n + len(odd), LOOKS)
    for name, value in usual.items():
        scale = {"sharpness": 0.05, "brightness": 0.2}.get(name, 0.0)
        looks[name] = np.clip(value * (1 + scale * rng.uniform(-1, 1, len(looks))), 0, 255 if scale else value)
    for at, given_ in enumerate(odd, start=n):
        for name, value in given_.items():
            looks[name][at] = value
    images = [an_image(f"{at % 3}/{at:03}.png", str(at % 3), str(at), row=at) for at in range(len(looks))]
    return Pictures(images=images, looks=looks)


def _named(pictures: Pictures, at: int) -> list[str]:
    """The rules that marked one picture."""
    return [kind for kind, found in apply_rules(pictures).items() if at in found]


def _findings(pictures: Pictures) -> dict[str, Finding]:
    return {finding.kind: finding for finding in findings_of(pictures, apply_rules(pictures))}


def test_rules_have_unique_names_and_none_is_empty() -> None:
    assert len({rule.kind for rule in RULES}) == len(RULES) > 0
    assert all(rule.text.endswith(".") and rule.text.startswith("{n} ") for rule in RULES)


def test_a_usual_set_has_no_findings() -> None:
    assert _findings(_set()) == {}


@pytest.mark.parametrize(
    ("look", "levels"),
    [
        (BLACK, 1),  # 8 bits in 16
        ({"darkest": 0, "low": 0, "high": 15, "brightest": 15, "contrast": 4}, 16),  # 12 bits in 16
        ({"darkest": 0, "low": 0, "high": 15, "brightest": 255, "contrast": 6}, 16),  # and a pixel that failed
        ({"darkest": 128, "low": 130, "high": 142, "brightest": 143, "contrast": 4}, 16),  # 12 bits with an offset
    ],
)
def test_pictures_of_16_bits_with_a_narrow_range_are_told_by_that_cause_first(
    look: Mapping[str, float], levels: int
) -> None:
    pictures = _set([look] * 3)
    plain = _named(pictures, 60)
    deep = [replace(image, mode="I;16B") if at >= 60 else image for at, image in enumerate(pictures.images)]
    pictures = replace(pictures, images=deep)

    assert "16 bits of narrow range" not in plain
    assert _named(pictures, 60)[0] == "16 bits of narrow range"
    assert not {"constant images", "dark images"} & set(_named(pictures, 60))
    finding = _findings(pictures)["16 bits of narrow range"]
    assert (finding.severity, finding.count) == ("warn", 3)
    assert finding.advice.startswith("Rescale them to 8 bits before, all by the same factor")
    assert [flag.value for flag in flags_of(pictures, apply_rules(pictures)) if flag.rule == finding.kind] == [
        f"{levels} of 256 grey levels"
    ] * 3


def test_pictures_of_16_bits_that_use_their_range_are_not() -> None:
    pictures = _set([CONSTANT])
    deep = [replace(image, mode="I;16" if at < 60 else image.mode) for at, image in enumerate(pictures.images)]

    assert "16 bits of narrow range" not in _findings(replace(pictures, images=deep))


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        (CONSTANT, "constant images"), (BLACK, "constant images"), (DARK, "dark images"), (BRIGHT, "bright images"),
        (FOG, "low information"), (PAGE, "low information"), (BLURRED, "blurry images"),
        (SHADED, "brightness outliers"),
    ],
)  # fmt: skip
def test_the_first_cause_alone_names_a_picture(odd: Mapping[str, float], kind: str) -> None:
    pictures = _set([odd])

    assert _named(pictures, 60) == [kind]
    assert _findings(pictures)[kind].paths == ("0/060.png",)


@pytest.mark.parametrize(
    "usual",
    [
        {**PHOTO, "high": 60, "brightness": 20},
        {**PHOTO, "low": 230, "contrast": 10, "brightness": 240},
        {**PHOTO, "contrast": 4, "entropy": 3},
        {**PHOTO, "entropy": 0.4, "contrast": 66},
        {**PHOTO, "sharpness": 0.072},
    ],
    ids=["nights", "snow", "fog", "drawings", "blurred"],
)
def test_what_a_whole_set_is_like_is_no_fault_of_its_pictures(usual: Mapping[str, float]) -> None:
    assert _findings(_set(usual=usual)) == {}


@settings(deadline=None, max_examples=60)
@given(
    odd=st.lists(st.sampled_from([DARK, BRIGHT, CONSTANT, FOG, PAGE, BLURRED]), max_size=6), seed=st.integers(0, 999)
)
def test_a_picture_has_one_look_at_most_and_the_order_of_files_does_not_matter(
    odd: list[Mapping[str, float]], seed: int
) -> None:
    pictures = _set(odd)
    order = np.random.default_rng(seed).permutation(len(pictures.images))
    mixed = Pictures(images=[pictures.images[at] for at in order], looks=pictures.looks[order])

    assert findings_of(mixed, apply_rules(mixed)) == findings_of(pictures, apply_rules(pictures))
    looks = {rule.kind for rule in RULES if rule.of == "look"}
    assert all(len(looks & set(_named(pictures, at))) <= 1 for at in range(len(pictures.images)))
    assert all(len(looks & set(_named(pictures, at))) == 1 for at in range(60, 60 + len(odd)))


def test_few_pictures_do_not_tell_what_is_usual() -> None:
    pictures = _set([BLURRED, SHADED], n=7)
    images = [*pictures.images[:-1], replace(pictures.images[-1], width_px=3000, height_px=3000)]

    assert _findings(replace(pictures, images=images)) == {}


def test_paths_come_worst_first_and_twenty_at_most() -> None:
    odd = [{**DARK, "high": high} for high in (50, 20, 40)]

    assert _findings(_set(odd))["dark images"].paths == ("1/061.png", "2/062.png", "0/060.png")
    many = _findings(_set([DARK] * 25, n=200))["dark images"]
    assert (many.count, len(many.paths)) == (25, 20)


def test_a_picture_far_less_sharp_than_an_even_set_is_blurred_although_photos_are_no_sharper() -> None:
    even = _set([{"sharpness": 0.1}], usual={**PHOTO, "sharpness": 0.24})

    assert _named(even, 60) == ["blurry images"]
    mixed = _set([{"sharpness": 0.1}])
    mixed.looks["sharpness"][:60] = np.linspace(0.1, 0.4, 60)
    assert _named(mixed, 60) == []


def _sized(sizes: Sequence[tuple[int, int]], labels: Sequence[str] = ()) -> Pictures:
    pictures = _set([{}] * len(sizes))
    images = list(pictures.images)
    for at, (width, height) in enumerate(sizes, start=60):
        images[at] = replace(images[at], width_px=width, height_px=height)
    for at, label in enumerate(labels, start=60):
        images[at] = replace(images[at], label=label)
    return replace(pictures, images=images)


def test_size_outliers_in_one_class_are_a_warning_that_names_it() -> None:
    spread = _findings(_sized([(300, 240), (3, 3), (320, 250)], "012"))["size outliers"]
    together = _findings(_sized([(320, 240)] * 4 + [(3, 3)], "22222"))["size outliers"]

    assert (spread.severity, "class" in spread.text) == ("note", False)
    assert together.severity == "warn"
    assert "4 x 320x240, 1 x 3x3; all of them are in class '2', which they give away." in together.text


@pytest.mark.parametrize("size", [(96, 72), (11, 8), (64, 48)])
def test_sizes_within_three_times_the_usual_are_no_outliers(size: tuple[int, int]) -> None:
    assert _named(_sized([size]), 60) == ([] if size != (96, 72) else ["size outliers"])


def test_a_set_of_all_sizes_has_no_size_outliers() -> None:
    rng = np.random.default_rng(1)
    sizes = [(int(edge), int(edge)) for edge in np.exp(rng.uniform(3, 7, 200))]

    assert "size outliers" not in _findings(_sized(sizes))


def test_strips_are_told_by_shape_and_not_again_by_size() -> None:
    assert _named(_sized([(400, 20)]), 60) == ["odd aspect"]
    assert _named(_sized([(10, 60)]), 60) == ["odd aspect"]
    assert _named(_sized([(40, 20)]), 60) == []


def test_a_set_of_panoramas_has_no_odd_aspect() -> None:
    pictures = _set()
    wide = [replace(image, width_px=400, height_px=100) for image in pictures.images]

    assert _findings(replace(pictures, images=wide)) == {}


def test_one_class_is_named_only_where_chance_would_hardly_do_it() -> None:
    images = _set().images

    assert only_class(images, [0]) == ""
    assert only_class(images, [0, 3]) == ""  # one time in three
    assert only_class(images, [0, 3, 6, 9]) == "0"
    assert only_class(images, [0, 1, 3, 6, 9]) == ""


def test_what_the_file_itself_is_like_is_told_besides_how_it_looks() -> None:
    pictures = _set([DARK])
    images = list(pictures.images)
    images[60] = replace(images[60], path="0/060.jpg", mode="CMYK", format="WEBP")
    path = frozenset({images[60].path})
    pictures = replace(pictures, images=images, turned=path, transparent=path, animated=path)

    assert _named(pictures, 60) == [
        "dark images", "misleading suffix", "animated images", "EXIF orientation", "transparency", "converted modes",
    ]  # fmt: skip
    found = _findings(pictures)
    assert found["misleading suffix"].text == (
        "1 file(s) are of another format than their suffix says (1 x WEBP); they were read by their content."
    )
    assert found["animated images"].text == "1 file(s) hold several frames or pages; the first one is used."
    assert "1 x CMYK (printing inks: Pillow's plain formula" in found["converted modes"].text


@pytest.mark.parametrize("format_", SUFFIXES_OF)
def test_usual_suffixes_in_either_case_are_not_misleading(format_: str) -> None:
    pictures = _set()
    images = [
        replace(image, format=format_, path=f"{at}{suffix.upper() if at % 2 else suffix}")
        for at, (image, suffix) in enumerate(zip(pictures.images, SUFFIXES_OF[format_] * 60, strict=False))
    ]

    assert _findings(replace(pictures, images=images)) == {}


@pytest.mark.parametrize("mode", CONVERSIONS)
def test_each_conversion_is_named_and_rare_modes_come_first(mode: str) -> None:
    pictures = _set()
    images = [replace(image, mode="L" if at < 40 else "RGB") for at, image in enumerate(pictures.images)]
    images[50] = replace(images[50], mode=mode)

    found = _findings(replace(pictures, images=images))["converted modes"]

    assert f"1 x {mode} ({CONVERSIONS[mode]})" in found.text or mode == "L"
    assert found.paths[0] == (images[50].path if mode != "L" else images[0].path) or mode == "L"


def test_an_empty_set_is_judged_without_a_fault() -> None:
    assert findings_of(_set(n=0), apply_rules(_set(n=0))) == ()


def test_flags_survive_their_file_with_odd_names(tmp_path: Path) -> None:
    pictures = _set([DARK, CONSTANT])
    flags = (*flags_of(pictures, apply_rules(pictures)), Flag(path='a "b",\nc\r', label="=1", rule="x", value=""))

    write_flags(tmp_path / "flags.csv", flags)

    assert read_flags(tmp_path / "flags.csv") == tuple(sorted(flags, key=lambda flag: flag.path))
    assert (tmp_path / "flags.csv").read_text().splitlines()[0] == "path,label,rule,value"
    assert Flag(path="0/060.png", label="0", rule="dark images", value="99 % below 30") in flags


def test_rejected_files_are_flagged_with_their_reason() -> None:
    (flag,) = rejected_flags([Rejected(path="a/b.png", label="a", reason="truncated", detail="cut")])

    assert flag == Flag(path="a/b.png", label="a", rule="truncated", value="cut")


@pytest.mark.parametrize(
    "text", ["", "path,label\na,b\n", "path,label,rule,value\na,b\n", "path,label,rule,value\na,b,c,d,e\n"]
)
def test_flags_that_are_not_what_check_wrote_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "flags.csv").write_text(text)

    with pytest.raises(StageFailed, match=r"flags\.csv cannot be read.*--redo check"):
        read_flags(tmp_path / "flags.csv")


def test_no_threshold_is_so_near_another_that_a_rule_could_never_speak() -> None:
    assert marks_module.CONSTANT_CONTRAST < marks_module.FLAT_CONTRAST < marks_module.BRIGHT_CONTRAST
    assert marks_module.BLURRED > 1 / 16
