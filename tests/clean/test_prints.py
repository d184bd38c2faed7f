"""Hashes of photos and of what copies make of them."""

from __future__ import annotations

import numpy as np
import pytest

from trifacet.clean.prints import GRID, WHOLE, View, frequencies, prints, shown, view_hashes, views

DRAW = np.random.default_rng(2)


def pictures(n: int = 30) -> np.ndarray:
    """Random pictures (n, 64, 64) uint8 of broad patches, which have every frequency that is hashed."""
    coarse = DRAW.integers(0, 256, (n, 16, 16)).astype(np.uint8)
    return np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2)


def test_a_hash_has_as_many_ones_as_zeros_over_the_photos() -> None:
    bits = np.unpackbits(prints(pictures(200)).hashes.view(np.uint8)).reshape(200, 64)
    assert np.abs(bits.mean(axis=0) - 0.5).max() <= 0.01  # above the median of all photos, by what it is


def test_light_and_contrast_leave_a_hash_nearly_as_it_was() -> None:
    plain = pictures()
    paler = (plain // 2 + 60).astype(np.uint8)
    made = prints(np.concatenate([plain, paler]))
    before, after = np.split(made.hashes, 2)
    others = np.bitwise_count(before[:, None] ^ after)
    assert np.diag(others).max() < 24 < np.median(others)


def test_the_same_pictures_have_the_same_hashes_in_any_order() -> None:
    some = pictures()
    order = DRAW.permutation(len(some))
    assert (prints(some[order]).hashes == prints(some).hashes[order]).all()


@pytest.mark.parametrize(
    ("view", "turn"),
    [
        pytest.param(View(is_mirrored=True), lambda p: p[:, :, ::-1], id="mirrored"),
        pytest.param(View(quarters=1), lambda p: np.rot90(p, 1, axes=(1, 2)), id="left"),
        pytest.param(View(quarters=2), lambda p: np.rot90(p, 2, axes=(1, 2)), id="upside down"),
        pytest.param(View(quarters=3, is_mirrored=True), lambda p: np.rot90(p[:, :, ::-1], 3, axes=(1, 2)), id="both"),
        pytest.param(
            View(top=0.25, bottom=0.75, left=0.0, right=0.5), lambda p: p[:, 16:48, :32], id="a quarter of it"
        ),
    ],
)
def test_a_view_shows_what_it_says(view: View, turn) -> None:  # type: ignore[no-untyped-def]
    some = pictures()
    wanted = turn(some)
    assert np.allclose(shown(some, view), shown(np.ascontiguousarray(wanted)), atol=1e-3)
    (hashes,) = view_hashes(some, prints(some), which=[view])
    (direct,) = view_hashes(np.ascontiguousarray(wanted), prints(some), which=[WHOLE])
    assert np.bitwise_count(hashes ^ direct).max() <= 2  # of frequencies that lie on their median


def test_views_are_told_in_words_and_no_two_are_the_same() -> None:
    assert (WHOLE.name, View(is_mirrored=True, quarters=1).name) == ("", "mirrored, turned left")
    assert View(top=0.05).name == "cut"
    assert View(left=0.1, is_mirrored=True, quarters=3).name == "cut, mirrored, turned right"
    assert WHOLE not in views()
    assert len(set(views())) == len(views())
    assert sum(view.is_cut for view in views()) == 28


def test_no_pictures_have_no_hashes() -> None:
    none = np.empty((0, 64, 64), dtype=np.uint8)
    assert len(prints(none).hashes) == 0
    assert shown(none).shape == (0, GRID, GRID)
    assert frequencies(none).shape == (0, 9, 9)
