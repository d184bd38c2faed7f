from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from trifacet.core.predictions import ImageArray
from trifacet.pixels.dress import HEAD, FaceArray, put_mask, put_occluder, view_of
from trifacet.pixels.masks import MASK_KINDS

FRONT = 50 * HEAD[:, :2] + (80, 70)  # a face of 50 pixels a unit that looks at the camera


def points(*, yaw_deg: float = 0, turn_deg: float = 0) -> FaceArray:
    """The six points of a head turned aside by `yaw_deg` and tilted by `turn_deg`, around (80, 70)."""
    yaw, turn = np.radians([yaw_deg, turn_deg])
    x = HEAD[:, 0] * np.cos(yaw) + HEAD[:, 2] * np.sin(yaw)
    flat = 50 * np.stack([x, HEAD[:, 1]], axis=1)
    cos, sin = np.cos(turn), np.sin(turn)
    return (flat @ np.array([[cos, sin], [-sin, cos]]) + (80, 70)).astype(np.float32)


def plain(value: int = 150) -> ImageArray:
    return np.full((160, 160, 3), value, np.uint8)


@pytest.mark.parametrize("yaw_deg", [-40, 0, 25])
@pytest.mark.parametrize("turn_deg", [-15, 0, 30])
def test_the_head_is_turned_as_its_points_say(yaw_deg: float, turn_deg: float) -> None:
    view = view_of(points(yaw_deg=yaw_deg, turn_deg=turn_deg))
    assert np.degrees(view.yaw) == pytest.approx(yaw_deg, abs=2)
    assert np.degrees(view.turn) == pytest.approx(turn_deg, abs=2)
    assert view.unit_px == pytest.approx(50, rel=0.05)


def test_points_that_fall_together_are_no_crash() -> None:
    for wrong in (np.zeros((6, 2)), np.full((6, 2), 40.0)):
        assert view_of(wrong.astype(np.float32)).unit_px >= 1
        assert put_mask(plain(), wrong.astype(np.float32), rng=np.random.default_rng(0)).image.shape == (160, 160, 3)


def test_a_worn_mask_covers_nose_mouth_and_chin_and_a_wrong_one_bares_something() -> None:
    nose, mouth = FRONT[2].round().astype(int), FRONT[3].round().astype(int)
    shown: dict[str, list[tuple[bool, bool]]] = {"worn": [], "incorrect": []}
    for seed in range(60):
        made = put_mask(plain(), points(), rng=np.random.default_rng(seed))
        moved = np.abs(made.image.astype(int) - 150).max(2) > 8
        shown[made.shows].append((bool(moved[nose[1], nose[0]]), bool(moved[mouth[1], mouth[0]])))
        assert (made.shows == "worn") == made.what.endswith(" worn")
    assert 15 < len(shown["worn"]) < 45
    assert np.mean(shown["worn"], axis=0).min() > 0.9
    assert np.mean(shown["incorrect"], axis=0)[0] < 0.2


def test_nothing_beside_the_drawing_changes() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    made = put_mask(noise, points(), rng=np.random.default_rng(4))
    same = (made.image == noise).all(axis=2)
    assert same[:40].mean() > 0.95  # the forehead
    assert 0.2 < same.mean() < 0.95


def test_a_dark_photo_gets_a_dark_mask() -> None:
    def brightness(value: int) -> float:
        made = put_mask(plain(value), points(), rng=np.random.default_rng(2), kinds=["kf94"])
        return float(made.image[95:110, 70:90].mean())

    assert brightness(50) < 0.7 * brightness(200)


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_every_kind_is_drawn_on_a_turned_face_at_any_place(kind: str) -> None:
    for yaw_deg in (-50, 0, 50):
        for shift in ((0, 0), (-90, 60), (500, 500)):
            where = points(yaw_deg=yaw_deg) + np.array(shift, np.float32)
            made = put_mask(plain(), where, rng=np.random.default_rng(0), kinds=[kind])
            assert made.what.startswith(kind)
            assert (made.image != 150).any() == (shift != (500, 500))


def test_every_occluder_is_drawn_and_leaves_the_face_bare() -> None:
    photo = np.asarray(Image.fromarray(plain()).convert("RGB"))
    made = [put_occluder(photo, points(), rng=np.random.default_rng(seed)) for seed in range(60)]
    assert {m.what for m in made} == {"scarf", "cup", "hand", "phone", "strands"}
    assert {m.shows for m in made} == {"not_worn"}
    assert all((m.image != photo).any() for m in made)


def test_a_beard_leaves_eyes_and_a_mouth_that_is_no_mask() -> None:
    made = [put_occluder(plain(), points(), rng=np.random.default_rng(i), may_be_bearded=True) for i in range(60)]
    bearded = [m.image for m in made if m.what == "beard"]
    assert bearded
    eye, cheek = FRONT[0].round().astype(int), (FRONT[3] + (22, 4)).round().astype(int)
    assert all((image[eye[1], eye[0]] == 150).all() for image in bearded)
    assert np.mean([(image[cheek[1], cheek[0]] != 150).any() for image in bearded]) > 0.8
