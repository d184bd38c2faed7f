from __future__ import annotations

import numpy as np
import pytest

from trifacet.core.manifest import Crop
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


FACE = Geometry(40, 40, crop="face")


def test_a_level_crop_of_the_right_size_keeps_its_pixels() -> None:
    photo = noise(100, 80)
    assert np.array_equal(fit(photo, FACE, crop=Crop(20, 30, 60, 70)), photo[30:70, 20:60])


def test_a_crop_turned_by_a_quarter_shows_the_photo_turned_back() -> None:
    photo = noise(100, 80)
    assert np.array_equal(fit(photo, FACE, crop=Crop(20, 30, 60, 70, angle_deg=90)), np.rot90(photo[30:70, 20:60]))


def test_a_crop_beyond_the_photo_repeats_its_border() -> None:
    photo = noise(50, 40)
    cut = fit(photo, FACE, crop=Crop(-10, -5, 30, 35))
    assert np.array_equal(cut[5:, 10:], photo[:35, :30])
    assert (cut[:6, 10:] == photo[0, :30]).all()
    far = fit(photo, FACE, crop=Crop(1000, 1000, 1040, 1040))
    assert (far == photo[-1, -1]).all()


@pytest.mark.parametrize("angle_deg", [0.0, 30.0])
@pytest.mark.parametrize("side", [60, 95, 400])
def test_a_shrunk_crop_averages_over_all_its_pixels(side: int, angle_deg: float) -> None:
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 200
    cut = fit(stripes, FACE, crop=Crop(300 - side / 2, 300 - side / 2, 300 + side / 2, 300 + side / 2, angle_deg))
    middle = cut[10:30, 10:30].astype(float)
    assert abs(middle.mean() - 100) < 3
    if side > 2 * 40:
        assert middle.std() < 20  # sampled alone, the stripes would be 0 and 200


def test_without_a_face_the_middle_square_is_shown() -> None:
    photo = noise(240, 180)
    assert np.array_equal(fit(photo, FACE), fit(photo, Geometry(40, 40, crop="middle_square")))


def test_an_enlarged_crop_is_smooth() -> None:
    photo = np.zeros((60, 60, 3), np.uint8)
    photo[:, 30:] = 200
    row = fit(photo, FACE, crop=Crop(25, 25, 35, 35)).astype(int)[20, :, 0]
    assert (np.diff(row) >= 0).all()
    assert (row[0], row[-1]) == (0, 200)


def test_a_wider_square_shows_more_around_the_face() -> None:
    photo = noise(200, 200)
    crop = Crop(80, 80, 120, 120)
    wide = fit(photo, Geometry(80, 80, "face", face_scale=2.5), crop=crop)
    assert np.array_equal(wide, photo[60:140, 60:140])
    assert np.array_equal(fit(photo, FACE, crop=crop), photo[80:120, 80:120])
    keys = [Geometry(8, 8, crop, face_scale=scale).describe() for crop in ("face", "none") for scale in (1.25, 2.0)]
    assert keys[0] != keys[1]
    assert keys[2] == keys[3]  # where no face is cut, its scale makes no other cache


def centre(*size: float, strict: bool = False, out: tuple[int, int]) -> Geometry:
    return Geometry(*out, crop="centre", crop_size=(size[0], size[1]), strict_px=strict)


def test_a_centre_crop_is_of_shares_of_the_photo_or_of_pixels_of_one_512_high() -> None:
    photo = noise(256, 192)  # half as high: 360 pixels of the original photos are 180 of it
    assert np.array_equal(fit(photo, centre(0.5, 0.25, out=(128, 48))), photo[64:192, 72:120])
    assert np.array_equal(fit(photo, centre(360, 240, out=(180, 120))), photo[38:218, 36:156])
    assert np.array_equal(fit(photo, centre(180, 120, strict=True, out=(180, 120))), photo[38:218, 36:156])
    assert np.array_equal(fit(noise(512, 384), centre(360, 360, out=(360, 360))), noise(512, 384)[76:436, 12:372])


def test_a_centre_crop_is_at_most_all_of_the_photo() -> None:
    photo = noise(100, 80)
    assert np.array_equal(fit(photo, centre(512, 512, out=(100, 80))), photo)
    assert np.array_equal(fit(photo, centre(50, 4000, strict=True, out=(50, 80))), photo[25:75])


def test_only_a_centre_crop_makes_a_cache_of_its_size() -> None:
    sizes = [((0.5, 0.5), False), ((300, 300), False), ((300, 300), True)]
    told = [
        Geometry(8, 8, crop, crop_size=s, strict_px=px).describe() for crop in ("centre", "none") for s, px in sizes
    ]
    assert len({str(about) for about in told[:3]}) == 3
    assert told[3:] == [Geometry(8, 8).describe()] * 3
