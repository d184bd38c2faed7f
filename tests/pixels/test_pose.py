"""What faces are like: size, sharpness, and where the head is turned."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from trifacet.core.manifest import FACE_COLUMNS
from trifacet.pixels.faces import Face
from trifacet.pixels.looks import look_at
from trifacet.pixels.pose import NOSE_BY_EARS, NOSE_BY_EYES, PART_PX, measure_faces, see_face, turns_deg

UPRIGHT = Face(np.array([10, 20, 50, 60], np.float32), np.full((6, 2), 30, np.float32), 0.9)


def head(turn_deg: float, *, tilt_deg: float = 0.0, nod_deg: float = 0.0) -> np.ndarray:
    """Six points (6, 2) of a head in space as a far camera sees it; the nose stands as far before eyes and ears as the
    measure takes it to: eyes 1 from the middle, ears 2 and as much further back."""
    nose = NOSE_BY_EYES
    ears = nose - 2 * NOSE_BY_EARS
    space = np.array([[-1, -1, 0], [1, -1, 0], [0, 0, nose], [0, 1, 0.5], [-2, 0, ears], [2, 0, ears]], dtype=float)
    t, n, r = np.radians((turn_deg, nod_deg, tilt_deg))
    nod = np.array([[1, 0, 0], [0, np.cos(n), -np.sin(n)], [0, np.sin(n), np.cos(n)]])
    turn = np.array([[np.cos(t), 0, np.sin(t)], [0, 1, 0], [-np.sin(t), 0, np.cos(t)]])
    tilt = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray((space @ (tilt @ nod @ turn).T)[:, :2] * 20 + 100)


@given(turn=st.floats(-75, 75), tilt=st.floats(-170, 170))
def test_the_turn_of_a_head_in_space_is_recovered_however_it_is_tilted(turn: float, tilt: float) -> None:
    assert turns_deg(head(turn, tilt_deg=tilt)[None])[0] == pytest.approx(turn, abs=0.01)


@given(turn=st.floats(-40, 40), nod=st.floats(-10, 10))
def test_a_nod_changes_the_turn_by_little(turn: float, nod: float) -> None:
    assert turns_deg(head(turn, nod_deg=nod)[None])[0] == pytest.approx(turn, abs=5)


def test_a_mirrored_head_is_turned_to_the_other_side() -> None:
    points = head(25)
    mirrored = (200 - points[:, 0], points[:, 1])
    mirrored_points = np.stack(mirrored, axis=1)[[1, 0, 2, 3, 5, 4]]
    assert turns_deg(np.stack([points, mirrored_points])).tolist() == pytest.approx([25, -25])


@pytest.mark.parametrize(
    ("unknown", "turn"),
    [
        pytest.param([4, 5], 30.0, id="the ears"),
        pytest.param([4], 30.0, id="one ear"),
        pytest.param([3], 30.0, id="the mouth"),
        pytest.param([2], math.nan, id="the nose"),
        pytest.param([0], math.nan, id="an eye"),
    ],
)
def test_what_is_known_tells_the_turn(unknown: list[int], turn: float) -> None:
    points = head(30)
    points[unknown] = np.nan
    assert turns_deg(points[None])[0] == pytest.approx(turn, nan_ok=True)


def test_points_in_one_place_tell_nothing() -> None:
    assert np.isnan(turns_deg(np.full((1, 6, 2), 7.0))).all()


def test_ears_that_changed_sides_do_not_count() -> None:
    points = head(30)
    points[4:] = points[[5, 4]]
    assert turns_deg(points[None])[0] == pytest.approx(30)


def test_a_face_is_measured_in_the_order_of_the_columns() -> None:
    image = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    face = Face(np.array([-10, 20, 50, 60], np.float32), head(-30, tilt_deg=15).astype(np.float32), 0.9)
    ((side, share, sharpness, turn, tilt),) = measure_faces([see_face(image, face)])
    assert len(FACE_COLUMNS) == 5
    assert side == 60
    assert share == pytest.approx(50 * 40 / 8000)  # of the box what lies in the photo
    assert sharpness > 1
    assert (turn, tilt) == (pytest.approx(30, abs=0.1), pytest.approx(15, abs=0.1))


def test_the_sharpness_of_a_face_is_that_of_a_photo_of_its_pixels() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (PART_PX, PART_PX), dtype=np.uint8)
    image = np.repeat(np.asarray(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(1)))[:, :, None], 3, axis=2)
    whole = Face(np.array([0, 0, PART_PX, PART_PX], np.float32), UPRIGHT.points, 0.9)
    at_its_size = np.kron(image, np.ones((3, 3, 1), np.uint8))  # photos are told at 192 pixels, faces at 64
    (numbers,) = measure_faces([see_face(image, whole)])
    large = np.asarray(Image.fromarray(at_its_size).resize((PART_PX, PART_PX), Image.Resampling.BOX))
    assert (large == image).all()
    luma = image[:, :, 0].astype(float)
    laplacian = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    assert numbers[2] == pytest.approx(laplacian.var() / luma.var(), rel=1e-4)
    assert look_at(at_its_size)[0][2] > 0


def test_a_blurred_face_in_a_sharp_photo_is_less_sharp_and_a_plain_one_not_at_all() -> None:
    image = np.random.default_rng(2).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    face = Face(np.array([20, 20, 100, 100], np.float32), UPRIGHT.points, 0.9)
    blurred = image.copy()
    soft = Image.fromarray(image).filter(ImageFilter.GaussianBlur(4))
    blurred[20:100, 20:100] = np.asarray(soft)[20:100, 20:100]
    plain = np.full_like(image, 90)
    sharp, dull, none = measure_faces([see_face(one, face) for one in (image, blurred, plain)])[:, 2]
    assert sharp > 4 * dull > 0
    assert none == 0


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((0.0, 0.0, 0.4, 0.4), id="smaller than a pixel"),
        pytest.param((99.7, 79.8, 130.0, 120.0), id="at the last pixel"),
        pytest.param((-500.0, -500.0, 600.0, 600.0), id="all around the photo"),
        pytest.param((0.0, 0.0, 1.0, 80.0), id="a line"),
    ],
)
def test_any_box_in_the_photo_can_be_measured(box: tuple[float, ...]) -> None:
    image = np.random.default_rng(3).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    (numbers,) = measure_faces([see_face(image, Face(np.array(box, np.float32), UPRIGHT.points, 0.9))])
    assert np.isfinite(numbers[:3]).all()
    assert 0 <= numbers[1] <= 1


def test_no_faces_are_measured_as_none() -> None:
    assert measure_faces([]).shape == (0, 5)
