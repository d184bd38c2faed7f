from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from trifacet.core.manifest import CROP_SCALE, Crop
from trifacet.data.drawn.person import draw_person
from trifacet.data.drawn.scene import PHOTO_NAMES, draw_photo
from trifacet.pixels.faces import Face, n_faces
from trifacet.pixels.preprocess import Geometry, fit

pytest.importorskip("openvino", reason="the extra [faces] is not installed")

from trifacet.pixels.faces import FaceFinder

SQUARE = Geometry(96, 96, "face")


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def drawn(person: int, name: str = "normal") -> np.ndarray:
    return draw_photo(draw_person(0, person), name, size_px=(180, 240))


def test_a_face_is_found_with_every_kind_of_mask(finder: FaceFinder) -> None:
    found = {name: [len(finder.find(drawn(person, name))) for person in range(6)] for name in PHOTO_NAMES}
    assert found == {name: [1] * 6 for name in PHOTO_NAMES}


def test_the_points_lie_where_a_face_has_them(finder: FaceFinder) -> None:
    face = finder.find(drawn(1))[0]
    left_eye, right_eye, nose, mouth, left_ear, right_ear = face.points
    assert left_ear[0] < left_eye[0] < nose[0] < right_eye[0] < right_ear[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < mouth[1]
    assert (face.points > face.box[:2] - 10).all()
    assert (face.points < face.box[2:] + 10).all()


def test_noise_and_blank_photos_show_no_face(finder: FaceFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    assert finder.find(noise) == []
    for value in (0, 128, 255):
        assert finder.find(np.full((120, 90, 3), value, np.uint8)) == []
    assert finder.find(np.zeros((1, 900, 3), np.uint8)) == []


def test_a_face_moves_with_its_photo(finder: FaceFinder) -> None:
    photo = drawn(2)
    wide = np.full((400, 500, 3), 90, np.uint8)
    wide[100:340, 150:330] = photo
    here, there = finder.find(photo)[0], finder.find(wide)[0]
    assert np.abs(there.points - here.points - (150, 100)).max() < 10
    mirrored = finder.find(np.ascontiguousarray(photo[:, ::-1]))[0]
    assert np.abs((180 - mirrored.points[[1, 0, 2, 3, 5, 4], 0]) - here.points[:, 0]).max() < 10


@pytest.mark.parametrize("turned_deg", [-20, 15])
def test_a_turned_face_is_cut_upright(finder: FaceFinder, turned_deg: int) -> None:
    photo = Image.fromarray(drawn(3))
    turned = np.asarray(photo.rotate(-turned_deg, Image.Resampling.BICUBIC, fillcolor=(120, 120, 120)))
    before, after = finder.find(np.asarray(photo))[0], finder.find(turned)[0]
    assert after.angle_deg - before.angle_deg == pytest.approx(turned_deg, abs=7)
    upright = finder.find(fit(turned, SQUARE, crop=after.crop()))[0]
    assert abs(upright.angle_deg) < 5
    side = upright.box[2:] - upright.box[:2]
    assert 0.6 < side.max() / 96 < 1  # the face fills 1 / CROP_SCALE of the square


def test_the_largest_of_several_faces_comes_first_and_tiny_ones_do_not_count(finder: FaceFinder) -> None:
    wide = np.full((240, 420, 3), 150, np.uint8)
    wide[:, :180] = drawn(4)
    wide[90:210, 260:350] = np.asarray(Image.fromarray(drawn(5)).resize((90, 120)))
    faces = finder.find(wide)
    assert [face.area for face in faces] == sorted((face.area for face in faces), reverse=True)
    assert faces[0].box[2] < 200
    sized = [Face(np.array([0, 0, side, side], np.float32), np.zeros((6, 2), np.float32), 0.9) for side in (10, 5, 4)]
    assert (n_faces([]), n_faces(sized[:1]), n_faces(sized)) == (0, 1, 2)


def test_threads_share_one_finder(finder: FaceFinder) -> None:
    photos = [drawn(i, PHOTO_NAMES[i]) for i in range(7)] * 3
    alone = [finder.find(photo)[0].crop() for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        together = [faces[0].crop() for faces in pool.map(finder.find, photos)]
    assert alone == together


def test_a_crop_is_a_square_around_the_box_that_a_manifest_keeps_exactly() -> None:
    points = np.array([[10, 20], [30, 24], [20, 30], [20, 40], [5, 22], [36, 26]], np.float32)
    crop = Face(np.array([4.3, 10.2, 37.9, 43.1], np.float32), points, 0.9).crop()
    assert crop.x1_px - crop.x0_px == pytest.approx(CROP_SCALE * 33.6, abs=0.2)
    assert (crop.x0_px + crop.x1_px) / 2 == pytest.approx(21.1, abs=0.1)
    assert crop.angle_deg == pytest.approx(np.degrees(np.arctan2(4, 20)), abs=0.07)
    kept = [float(np.float32(v)) for v in (crop.x0_px, crop.y0_px, crop.x1_px, crop.y1_px, crop.angle_deg)]
    assert Crop(*kept) == crop
