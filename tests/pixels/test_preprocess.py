from __future__ import annotations

import numpy as np
import pytest

from trifacet.pixels.preprocess import Geometry, fit


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_middle_square_of_a_portrait_photo_is_rows_30_to_210() -> None:
    photo = noise(240, 180)
    assert np.array_equal(fit(photo, Geometry(180, 180, crop="middle_square")), photo[30:210])
    smaller = fit(photo, Geometry(96, 72, crop="middle_square"))
    # Inside, where the filter does not look over the border of the square, it is as if it had been cut out before.
    assert np.array_equal(smaller[2:-2], fit(photo[30:210], Geometry(96, 72))[2:-2])


def test_the_middle_square_of_a_landscape_photo_is_its_middle_columns() -> None:
    photo = noise(100, 161)  # an odd rest: the square begins between two pixels
    cut = fit(photo, Geometry(100, 100, crop="middle_square")).astype(float)
    between = (photo[:, 30:130].astype(float) + photo[:, 31:131]) / 2
    assert np.abs(cut - between).max() <= 1


def test_a_photo_of_the_right_size_keeps_its_pixels() -> None:
    photo = noise(48, 64)
    assert np.array_equal(fit(photo, Geometry(48, 64)), photo)
    assert np.array_equal(fit(noise(64, 64), Geometry(64, 64, crop="middle_square")), noise(64, 64))


def test_all_of_the_photo_is_shown_where_nothing_is_cropped() -> None:
    photo = np.zeros((40, 80, 3), dtype=np.uint8)
    photo[:, 40:] = 200
    shown = fit(photo, Geometry(20, 20))
    assert shown.shape == (20, 20, 3)
    assert (shown[:, :9] == 0).all()
    assert (shown[:, 11:] == 200).all()


def test_shrinking_averages_over_all_pixels() -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[::2] = 255  # taking single pixels would give all black or all white
    shown = fit(stripes, Geometry(8, 8))
    assert np.abs(shown.astype(float) - 127.5).max() < 5


def test_a_grey_value_stays_what_it_is_at_any_size() -> None:
    for height, width in ((33, 47), (200, 10), (16, 16)):
        shown = fit(np.full((height, width, 3), 77, dtype=np.uint8), Geometry(24, 31, crop="middle_square"))
        assert shown.shape == (24, 31, 3)
        assert shown.dtype == np.uint8
        assert (shown == 77).all()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        pytest.param((8, 8, 3), np.float32, id="floats"),
        pytest.param((8, 8), np.uint8, id="grey"),
        pytest.param((8, 8, 4), np.uint8, id="transparency"),
        pytest.param((1, 8, 8, 3), np.uint8, id="a batch"),
    ],
)
def test_what_is_no_decoded_photo_is_refused(shape: tuple[int, ...], dtype: type) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8, got"):
        fit(np.zeros(shape, dtype=dtype), Geometry(8, 8))


def test_a_geometry_describes_all_that_decides_its_pixels() -> None:
    cases = [Geometry(8, 9), Geometry(9, 8), Geometry(8, 9, crop="middle_square")]
    assert len({str(g.describe()) for g in cases}) == 3
    assert cases[0].describe() == {"height_px": 8, "width_px": 9, "crop": "none", "version": 1}
