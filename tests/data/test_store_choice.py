"""Which store: a pure decision, and what is said of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.store_choice import Choice, Wish, choose_store, finding_of, raw_bytes

MB = 10**6


def choose(wish: Wish = "auto", *, n: int = 1000, free: int = 10_000, spare: int = 600, most: float = 1000.0) -> Choice:
    """1,000 pictures of 100 px take 30 MB."""
    return choose_store(
        wish, n_images=n, sizes_px=(100,), free_bytes=free * MB, spare_bytes=spare * MB, max_bytes=most * MB
    )


def test_maps_are_packed_where_the_disk_and_the_recipe_hold_them() -> None:
    assert choose() == choose(free=630) == choose(most=30) == Choice(kind="raw")


def test_else_pictures_come_from_the_files_with_every_figure_told() -> None:
    assert choose(free=629) == Choice(
        kind="files",
        why="the packed pixels would take 30 MB, "
        "and the disk has 629 MB free, 600 MB of which the rest of the run needs",
    )
    assert choose(most=29.9).why == "the packed pixels would take 30 MB, and pack.max_disk_mb allows 30 MB"
    assert choose(n=2000, most=45).why == "the packed pixels would take 60 MB, and pack.max_disk_mb allows 45 MB"


@pytest.mark.parametrize("wish", ["raw", "files"])
def test_the_recipes_word_is_law_and_nothing_is_said_of_it(wish: Wish) -> None:
    for free in (0, 10_000):
        choice = choose(wish, free=free, most=1)
        assert choice == Choice(kind=wish)
        assert finding_of(choice, n_images=5, seconds_an_image=1) is None


@given(
    n=st.integers(1, 10**7), sizes=st.lists(st.integers(16, 1024), min_size=1, max_size=3), free=st.integers(0, 10**13),
    spare=st.integers(0, 10**10), most=st.floats(1, 1e13), more=st.integers(0, 10**13),
)  # fmt: skip
def test_raw_maps_always_fit_and_more_room_never_takes_them_away(
    n: int, sizes: list[int], free: int, spare: int, most: float, more: int
) -> None:
    def with_free(free_bytes: int) -> Choice:
        return choose_store(
            "auto", n_images=n, sizes_px=sizes, free_bytes=free_bytes, spare_bytes=spare, max_bytes=most
        )

    if with_free(free).kind == "raw":
        assert raw_bytes(n, sizes) + spare <= free
        assert raw_bytes(n, sizes) <= most
        assert with_free(free + more) == Choice(kind="raw")
    else:
        assert with_free(free).why


def test_the_finding_tells_what_each_pass_costs_and_what_to_do() -> None:
    finding = finding_of(choose(free=0), n_images=2000, seconds_an_image=0.01)

    assert finding is not None
    assert (finding.severity, finding.count) == ("warn", 2000)
    assert "the disk has 0 MB free" in finding.text
    assert "the 2000 images are decoded from the dataset's files again whenever they are read" in finding.text
    assert "each pass over them takes about 20 s" in finding.text
    assert "pack.max_disk_mb" in finding.advice
