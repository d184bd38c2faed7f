"""Copies of photos are found whatever was done to them, and other photos are not taken for copies."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from trifacet.clean.duplicates import find_copies, groups_of, radius_for
from trifacet.clean.prints import View, prints, shown, view_hashes, views
from trifacet.core.predictions import ImageArray
from trifacet.data.drawn import draw_person, draw_photo
from trifacet.pixels.decode import decode
from trifacet.pixels.looks import look_at

N_PEOPLE = 40


@pytest.fixture(scope="module")
def photos() -> list[ImageArray]:
    """One bare photo each of people drawn in one framing."""
    return [np.asarray(draw_photo(draw_person(5, i), "normal")) for i in range(N_PEOPLE)]


def small(images: list[ImageArray]) -> np.ndarray:
    return np.stack([look_at(image)[1] for image in images])


def jpeg(image: ImageArray) -> ImageArray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=30)
    return decode(buffer.getvalue())


def resized(image: ImageArray) -> ImageArray:
    return np.asarray(Image.fromarray(image).resize((image.shape[1] // 3, image.shape[0] // 3)))


def cut(image: ImageArray) -> ImageArray:
    """A tenth off each side, most of it left and below."""
    height, width = image.shape[:2]
    return image[round(0.02 * height) : round(0.92 * height), round(0.08 * width) : round(0.98 * width)]


@pytest.mark.parametrize(
    ("change", "view"),
    [
        pytest.param(jpeg, "", id="recompressed"),
        pytest.param(resized, "", id="resized"),
        pytest.param(lambda image: np.clip(image * 1.2, 0, 255).astype(np.uint8), "", id="brighter"),
        pytest.param(lambda image: image[:, ::-1], "mirrored", id="mirrored"),
        pytest.param(lambda image: np.rot90(image), "turned left", id="turned left"),
        pytest.param(lambda image: np.rot90(image, 2), "upside down", id="upside down"),
        pytest.param(lambda image: np.rot90(image, 3), "turned right", id="turned right"),
        pytest.param(lambda image: np.rot90(image[:, ::-1]), "mirrored, turned left", id="both"),
        pytest.param(cut, "cut", id="cut"),
        pytest.param(lambda image: jpeg(np.ascontiguousarray(cut(image)[:, ::-1])), "cut, mirrored", id="all of it"),
    ],
)
def test_a_copy_is_found_and_nothing_else(
    photos: list[ImageArray], change: Callable[[ImageArray], ImageArray], view: str
) -> None:
    copied = [np.ascontiguousarray(change(image)) for image in photos[::4]]
    found = find_copies(small([*photos, *copied]))
    pairs = {(a, b): v for a, b, v in zip(found.first.tolist(), found.second.tolist(), found.views, strict=True)}
    assert sorted(tuple(sorted(pair)) for pair in pairs) == [(4 * i, N_PEOPLE + i) for i in range(len(copied))]
    assert {pairs[pair] for pair in pairs if pair[0] < pair[1]} <= {view}
    assert (found.likeness >= 0.87).all()


def test_people_in_one_framing_are_no_copies(photos: list[ImageArray]) -> None:
    assert len(find_copies(small(photos))) == 0


def test_photos_of_one_tone_are_no_copies() -> None:
    flat = [np.full((60, 50, 3), tone, dtype=np.uint8) for tone in (0, 0, 90, 255)]
    assert len(find_copies(small(flat))) == 0


def test_no_photo_and_one_photo_have_no_copies(photos: list[ImageArray]) -> None:
    assert len(find_copies(np.empty((0, 64, 64), dtype=np.uint8))) == 0
    assert len(find_copies(small(photos[:1]))) == 0


def test_groups_join_copies_of_copies(photos: list[ImageArray]) -> None:
    found = find_copies(small([*photos[:5], jpeg(photos[3]), resized(photos[3]), jpeg(photos[1])]))
    assert groups_of(found, 8) == [[1, 7], [3, 5, 6]]


@pytest.mark.parametrize("view", views(), ids=lambda view: f"{view.name}, {view.top:g} {view.left:g} {view.bottom:g}")
def test_a_view_is_hashed_as_the_picture_that_it_shows(photos: list[ImageArray], view: View) -> None:
    pictures = small(photos)
    seen = shown(pictures, view, side_px=64).round().astype(np.uint8)
    made = prints(pictures)
    (hashes,) = view_hashes(pictures, made, which=[view])
    # The same frequencies, up to rounding to whole greys.
    assert np.bitwise_count(hashes ^ next(view_hashes(seen, made, which=[View()]))).max() <= 4


@pytest.mark.parametrize(
    ("n", "bits"), [(200, 18), (201, 10), (50_000, 10), (50_001, 8), (200_001, 6), (10_000_000, 6)]
)
def test_hashes_of_many_photos_must_be_nearer(n: int, bits: int) -> None:
    assert radius_for(n) == bits
