"""A person keeps every pixel, whatever stands behind; of the background nothing is left that was not asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifacet.core.predictions import ImageArray
from trifacet.pixels.fills import FILLS, TRANSPARENT, fill_name, filled

ROWS, COLUMNS = np.mgrid[:60, :48]
PERSON = (COLUMNS - 24) ** 2 + (ROWS - 30) ** 2 < 14**2
MASK = np.where(PERSON, 255, 0).astype(np.uint8)


def noise(seed: int = 0) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (60, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("fill", [*FILLS, "ff8000", TRANSPARENT])
def test_the_person_keeps_every_pixel_before_every_fill(fill: str) -> None:
    made = filled(noise(), MASK, fill=fill)
    assert (made.shape[2], made.dtype) == (4 if fill == TRANSPARENT else 3, np.uint8)
    assert (made[PERSON, :3] == noise()[PERSON]).all()


@pytest.mark.parametrize(
    ("fill", "colour"),
    [
        pytest.param("white", (255, 255, 255), id="white"),
        pytest.param("black", (0, 0, 0), id="black"),
        pytest.param("grey", (128, 128, 128), id="grey"),
        pytest.param("ff8000", (255, 128, 0), id="a colour"),
        pytest.param(TRANSPARENT, (0, 0, 0, 0), id="nothing, and no colour beneath it"),
    ],
)
def test_a_plain_fill_is_that_colour_and_nothing_of_the_background(fill: str, colour: tuple[int, ...]) -> None:
    assert (filled(noise(), MASK, fill=fill)[~PERSON] == colour).all()


def test_the_mean_is_of_the_background_alone() -> None:
    image = np.where(PERSON[..., None], np.uint8(250), np.uint8(0)) + np.zeros((60, 48, 3), np.uint8)
    image[~PERSON] = (10, 60, 110)
    image[:30][~PERSON[:30]] = (30, 80, 130)
    made = filled(image, MASK, fill="mean")[~PERSON]
    assert (made == made[0]).all()
    assert np.abs(made[0].astype(int) - (20, 70, 120)).max() <= 1


def test_the_blurred_background_holds_nothing_of_the_person() -> None:
    image = np.where(PERSON[..., None], np.uint8(255), np.uint8(40)) + np.zeros((60, 48, 3), np.uint8)
    around = filled(image, MASK, fill="blur")[~PERSON]
    assert np.abs(around.astype(int) - 40).max() <= 2  # blurred as it stands, a person of 255 would shine around


def test_blurring_takes_the_detail_and_keeps_the_light() -> None:
    made, before = filled(noise(), MASK, fill="blur")[~PERSON], noise()[~PERSON]
    assert made.std() < before.std() / 4
    assert abs(made.mean() - before.mean()) < 5


@given(st.integers(0, 255), st.sampled_from([*FILLS, "12ab9f"]))
def test_between_person_and_background_both_are_seen_by_their_share(share: int, fill: str) -> None:
    image = noise(share)
    whole, none = (filled(image, np.full((60, 48), v, np.uint8), fill=fill).astype(float) for v in (255, 0))
    made = filled(image, np.full((60, 48), share, np.uint8), fill=fill).astype(float)
    if fill not in ("blur", "mean"):  # of these the backdrop hangs on the mask
        assert np.abs(made - (whole * share + none * (255 - share)) / 255).max() <= 1
    assert (whole == image).all()


@pytest.mark.parametrize(
    ("text", "name"), [("white", "white"), (" Blur ", "blur"), ("#FF8000", "ff8000"), ("00ff00", "00ff00")]
)
def test_a_fill_is_known_by_its_name_or_its_colour(text: str, name: str) -> None:
    assert fill_name(text) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("whit", "Did you mean 'white'?"),
        ("#ff80", "Known: white, black, grey, mean, blur, transparent, or a colour as RRGGBB."),
    ],
)
def test_a_fill_that_is_none_is_answered_with_what_was_meant(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        fill_name(text)
