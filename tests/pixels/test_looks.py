"""What photos look like in numbers, and what is told of those that are no photos any more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from trifacet.core.files import sha256_file
from trifacet.core.predictions import ImageArray
from trifacet.data.drawn import draw_person, draw_photo
from trifacet.pixels.looks import SMALL_PX, look, look_at

NOISE = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)


def blurred(image: ImageArray, px: int) -> ImageArray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(px)))


def flat(level: int) -> ImageArray:
    return np.full((120, 90, 3), level, dtype=np.uint8)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(flat(0), (0, 0, 0, 0), id="black"),
        pytest.param(flat(255), (255, 0, 0, 0), id="white"),
        pytest.param(flat(128), (128, 0, 0, 0), id="grey"),
        pytest.param(np.where(np.arange(90)[:, None] < 45, flat(0), flat(200)), (100, 100, None, 0), id="halves"),
    ],
)
def test_light_contrast_sharpness_and_colour_are_what_the_pixels_say(
    image: ImageArray, expected: tuple[float | None, ...]
) -> None:
    told, small = look_at(image.astype(np.uint8))
    for value, wanted in zip(told, expected, strict=True):
        assert wanted is None or value == pytest.approx(wanted, abs=1)
    assert (small.shape, small.dtype) == ((SMALL_PX, SMALL_PX), np.uint8)


def test_sharpness_falls_with_blur_and_not_with_light_contrast_or_size() -> None:
    face = draw_photo(draw_person(1, 3), "normal", size_px=(180, 240))
    sharp = [look_at(blurred(face, px))[0][2] for px in (0, 1, 2, 4, 8)]
    assert sharp == sorted(sharp, reverse=True)
    assert sharp[0] > 20 * sharp[3]
    soft = blurred(face, 1)
    paler, larger = (soft // 2 + 90).astype(np.uint8), np.asarray(Image.fromarray(soft).resize((360, 480)))
    of = [look_at(image)[0][2] for image in (soft, paler, larger)]
    assert of == pytest.approx([of[0]] * 3, rel=0.3)


def test_colour_tells_a_coloured_photo_from_a_grey_one() -> None:
    red = flat(0)
    red[:, :, 0] = 255
    assert look_at(red)[0][3] > 60
    assert look_at(np.repeat(NOISE[:, :, :1], 3, axis=2))[0][3] < 1


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (4000, 16), (16, 4000)])
def test_photos_of_any_shape_have_a_look(size: tuple[int, int]) -> None:
    told, small = look_at(np.zeros((*size, 3), dtype=np.uint8))
    assert np.isfinite(told).all()
    assert small.shape == (SMALL_PX, SMALL_PX)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_cannot_be_read_is_told_and_the_others_have_their_numbers(tmp_path: Path, workers: int) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(40)]
    for i, path in enumerate(paths):
        Image.fromarray(flat(5 * i)).save(path)
    hashes = [sha256_file(path) for path in paths]
    paths[3].unlink()
    paths[17].write_bytes(b"no photo")
    Image.fromarray(flat(1)).save(paths[20])
    paths[30].write_bytes(paths[30].read_bytes()[:60])
    seen: list[tuple[int, int]] = []
    told = look(paths, hashes=hashes, workers=workers, progress=lambda done, n: seen.append((done, n)))
    changed = "other bytes than when it was ingested"
    assert told.failed == {3: "No such file or directory", 17: changed, 20: changed, 30: changed}
    whole = [i for i in range(40) if i not in told.failed]
    assert np.isnan(told.brightness[[3, 17, 20, 30]]).all()
    assert told.brightness[whole].tolist() == [5 * i for i in whole]
    assert told.small[whole, 0, 0].tolist() == [5 * i for i in whole]
    assert seen == [(16, 40), (32, 40), (40, 40)]
    assert look(paths, workers=workers).failed == {
        3: "No such file or directory",
        17: "wrong_type",
        30: "truncated",
    }


def test_photos_that_their_metadata_turn_are_looked_at_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    halves = np.where(np.arange(120)[:, None, None] < 60, flat(0), flat(255)).astype(np.uint8)
    Image.fromarray(halves[::-1, ::-1]).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    Image.fromarray(halves).save(tmp_path / "plain.jpg", quality=95)
    told = look([tmp_path / "turned.jpg", tmp_path / "plain.jpg"])
    assert told.exif == {0: ("turned upright by its metadata",)}
    assert told.small[0, 0, 0] < 10 < 240 < told.small[0, -1, 0]
    assert np.abs(told.small[0].astype(int) - told.small[1]).max() <= 2


def test_no_photos_have_no_looks() -> None:
    told = look([])
    assert (len(told.brightness), told.small.shape, told.failed) == (0, (0, SMALL_PX, SMALL_PX), {})
