from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from trifacet.pages import contact


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plain(rgb: tuple[int, int, int], height: int = 40, width: int = 30) -> np.ndarray:
    return np.broadcast_to(np.array(rgb, dtype=np.uint8), (height, width, 3))


def opened(uri: str) -> Image.Image:
    head, _, content = uri.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(
    ("image", "size"),
    [
        pytest.param(plain((200, 30, 30), 512, 384), (96, 128), id="a portrait"),
        pytest.param(plain((200, 30, 30), 300, 900), (170, 57), id="a wide picture"),
        pytest.param(plain((200, 30, 30), 20, 15), (96, 128), id="a tiny picture"),
    ],
)
def test_a_thumbnail_keeps_the_shape_of_its_photo(image: np.ndarray, size: tuple[int, int]) -> None:
    thumbnail = opened(contact.thumbnail_uri(image))
    assert thumbnail.size == size
    assert np.abs(np.asarray(thumbnail.convert("RGB")).mean((0, 1)) - (200, 30, 30)).max() < 6


def test_a_thumbnail_of_pure_noise_is_light_all_the_same() -> None:
    uri = contact.thumbnail_uri(noise(512, 384))
    assert len(base64.b64decode(uri.partition(",")[2])) <= contact.THUMBNAIL_BYTES
    assert opened(uri).height >= 32


def test_a_data_uri_holds_the_image_at_its_own_size() -> None:
    assert opened(contact.as_data_uri(noise(30, 50))).size == (50, 30)


def test_a_contact_sheet_places_each_image_in_its_tile() -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    sheet = contact.contact_sheet([plain(c, 60, 60) for c in colours], columns=2, tile_px=60)
    assert sheet.shape == (2 * 70 + 10, 2 * 70 + 10, 3)
    centres = [sheet[40, 40], sheet[40, 110], sheet[110, 40]]
    assert [tuple(c) for c in centres] == colours
    assert tuple(sheet[110, 110]) == tuple(sheet[2, 2])  # the fourth place stays empty


def test_captions_stand_under_their_images_and_never_leave_the_tile() -> None:
    images = [plain((0, 0, 0), 60, 60)]
    bare = contact.contact_sheet(images, tile_px=60)
    sheet = contact.contact_sheet(images, ["a caption far too long for its tile\nsecond"], tile_px=60)
    assert sheet.shape[0] == bare.shape[0] + 2 * 17 + 2
    below = sheet[71:, :, :]
    assert (below[:, 10:70] < 200).any()
    assert (below[:, 71:] == below[-1, -1]).all()


def test_captions_must_be_as_many_as_images() -> None:
    with pytest.raises(ValueError, match=r"^expected 1 captions or none, got 2$"):
        contact.contact_sheet([plain((0, 0, 0))], ["a", "b"])


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a contact sheet needs at least one image$"):
        contact.contact_sheet([])


def test_an_image_grid_shows_a_batch_at_its_own_size() -> None:
    batch = np.stack([noise(128, 96, seed) for seed in range(16)])
    grid = contact.image_grid(batch, [f"gt {i}\npred {i}" for i in range(16)])
    assert grid.shape[1] == 4 * (128 + 10) + 10
    assert grid.dtype == np.uint8
    assert np.array_equal(grid[10 : 10 + 128, 10 + 16 : 10 + 16 + 96], batch[0])


def test_a_photo_grid_decodes_late_and_escapes_names() -> None:
    tiles = [
        contact.PhotoTile("data:image/webp;base64,AA", "<a>", ("50 %", "<id>")),
        contact.PhotoTile("", "b", ("x",)),
    ]
    grid = contact.photo_grid_html(tiles)
    assert 'decoding="async"' in grid
    assert 'alt="&lt;a&gt;"' in grid
    assert "&lt;id&gt;" in grid
    assert grid.count("no picture") == 1


def test_heat_glows_where_it_is_high_over_a_dim_grey_picture() -> None:
    image = np.zeros((60, 40, 3), dtype=np.uint8)
    image[:, :, 0] = 200
    hot = contact.heat_image(image, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert hot.shape == image.shape
    assert hot[5, 5, 0] - hot[5, 5, 2] > 100  # orange
    assert hot[55, 35].tolist() == [hot[55, 35, 0]] * 3  # grey
    assert hot[55, 35, 0] < 60


def test_faces_are_drawn_where_they_are_and_those_that_count_are_bold() -> None:
    boxes = np.array([[40, 40, 120, 120], [200, 40, 280, 120]], dtype=np.float32)
    points = np.full((2, 6, 2), np.nan, dtype=np.float32)
    points[:, 0] = [[60, 60], [220, 60]]
    grey = plain((90, 90, 90), 192, 320)
    uri = contact.marked_thumbnail_uri(grey, boxes, points=points, n_strong=1, height_px=192)
    shown = np.asarray(opened(uri).convert("RGB")).astype(int)
    scale = shown.shape[1] / 320
    assert shown.shape[1] == 256

    def light(x: float, y: float) -> int:
        """How far the most changed pixel near a place of the photo is from the grey that was there."""
        column, row = round(x * scale), round(y * scale)
        return int(np.abs(shown[row - 2 : row + 3, column - 2 : column + 3] - 90).max())

    assert light(40, 80) > 100  # the left side of the first box
    assert light(60, 60) > 100  # its point
    assert light(200, 80) > 60  # the side of the second
    assert light(220, 60) < 30  # whose points are not drawn
    assert light(80, 80) < 30
    assert light(160, 80) < 30


def test_a_photo_without_faces_is_shown_as_it_is() -> None:
    nobody = contact.marked_thumbnail_uri(
        plain((10, 200, 30), 300, 200), np.zeros((0, 4)), points=np.zeros((0, 6, 2)), n_strong=0
    )
    thumbnail = opened(nobody)
    assert thumbnail.size == (171, 256)
    assert np.abs(np.asarray(thumbnail.convert("RGB")).mean((0, 1)) - (10, 200, 30)).max() < 6
