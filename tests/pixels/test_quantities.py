"""What photos measure, one number a photo and quantity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.core.tiny import manifest
from tests.data.photos import write_photo
from trifacet.core.manifest import CROP_COLUMNS, CROP_SCALE
from trifacet.pixels.looks import SMALL_PX, look
from trifacet.pixels.quantities import BY_FACTOR, comparable, quantities


def test_each_photo_is_measured_and_one_that_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    write_photo(tmp_path / "0.jpg")
    (tmp_path / "1.jpg").write_bytes(b"nothing")
    data = manifest([("worn", "male", None)] * 2, root=tmp_path, width_px=[16, 40], height_px=[20, 30])
    found = quantities(data, look(data.paths))
    assert list(found) == ["shorter side, px", "height by width", "brightness", "contrast", "sharpness", "colour"]
    assert found["shorter side, px"].tolist() == [16, 30]
    assert found["height by width"].tolist() == [1.25, 0.75]
    assert np.isnan(found["brightness"]).tolist() == [False, True]


def test_faces_are_measured_in_shares_of_their_photo(tmp_path: Path) -> None:
    square = dict(
        zip(CROP_COLUMNS, ([50.0, None], [25.0, None], [100.0, None], [75.0, None], [9.0, None]), strict=True)
    )
    data = manifest([("worn", "male", None)] * 2, root=tmp_path, width_px=[100] * 2, height_px=[200] * 2, **square)
    found = quantities(data, look(data.paths))
    assert found["face by shorter side"][0] == pytest.approx(0.5 / CROP_SCALE)
    assert found["face across"][0] == pytest.approx(0.75)
    assert found["face down"][0] == pytest.approx(0.25)
    assert found["face tilted, degrees"][0] == pytest.approx(9)
    assert np.isnan(found["face across"][1])
    assert "brightness" not in found  # no photo was there to be read


def test_twice_as_large_is_one_step_whatever_the_size() -> None:
    assert set(BY_FACTOR) == {"shorter side, px", "height by width", "sharpness", "face by shorter side"}
    assert np.diff(comparable("shorter side, px", np.array([100.0, 200, 400]))) == pytest.approx([1, 1])
    assert comparable("brightness", np.array([100.0, 200])).tolist() == [100, 200]
    assert np.isfinite(comparable("sharpness", np.array([0.0]))).all()


def test_what_is_done_besides_sees_each_photo_once_and_small_pictures_are_left_out_when_asked(tmp_path: Path) -> None:
    paths = [write_photo(tmp_path / f"{i}.jpg") for i in range(40)]
    paths[7].write_bytes(b"")
    seen = dict[int, tuple[int, ...]]()
    looks = look(paths, also=lambda row, image: seen.update({row: image.shape}), is_keeping_small=False)
    assert sorted(seen) == [i for i in range(40) if i != 7]
    assert set(seen.values()) == {(20, 16, 3)}
    assert looks.small.shape == (0, SMALL_PX, SMALL_PX)
    assert list(looks.failed) == [7]
    assert np.array_equal(looks.brightness, look(paths).brightness, equal_nan=True)
