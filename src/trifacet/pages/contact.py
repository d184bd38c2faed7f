"""Sheets of photos: one picture of many, small thumbnails inside a page. Pillow only.

Who comes from the official baseline finds its `grid_image` here, as `image_grid`.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image, ImageDraw, ImageFont, ImageOps

from trifacet.core.predictions import ImageArray
from trifacet.pages.html import part

THUMBNAIL_HEIGHT_PX = 128
THUMBNAIL_BYTES = 2_400  # times 4/3 for base64 and 2,500 photos: 8 MB, so that such a page stays under 10 MB
_QUALITIES = (72, 55, 40, 25, 10)

_PAPER, _INK, _SOFT = (250, 249, 246), (29, 33, 39), (89, 97, 107)  # as page.css, light
_GLOW = (255, 176, 64)  # orange: seen on grey by eyes that do not tell red from green
_GAP_PX = 10
_CAPTION_PX = 13  # size of the font


@dataclass(frozen=True)
class PhotoTile:
    """A photo of a page: its data URI ("" for none), what it shows in words, the lines under it (first one strong).

    beside: the data URI of a second picture about the same photo, and `beside_alt` what that one shows.
    """

    uri: str
    alt: str
    lines: tuple[str, ...]
    beside: str = ""
    beside_alt: str = ""


def contact_sheet(
    images: Sequence[ImageArray], captions: Sequence[str] = (), *, columns: int = 0, tile_px: int = 128
) -> ImageArray:
    """One picture (H, W, 3) uint8 of many images (H, W, 3) uint8 of any sizes, each whole in a square of `tile_px`.

    columns: 0 takes about as many as rows. Captions that do not fit their tile end in "...".
    """
    if not len(images):
        raise ValueError("a contact sheet needs at least one image")
    if captions and len(captions) != len(images):
        raise ValueError(f"expected {len(images)} captions or none, got {len(captions)}")
    columns = columns or math.ceil(math.sqrt(len(images)))
    columns = min(columns, len(images))
    font = ImageFont.load_default(_CAPTION_PX)
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    step_x = tile_px + _GAP_PX
    step_y = tile_px + _GAP_PX + lines * (_CAPTION_PX + 4) + (2 if lines else 0)
    n_rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * step_x + _GAP_PX, n_rows * step_y + _GAP_PX), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, image in enumerate(images):
        x, y = _GAP_PX + i % columns * step_x, _GAP_PX + i // columns * step_y
        tile = ImageOps.contain(Image.fromarray(image), (tile_px, tile_px))
        sheet.paste(tile, (x + (tile_px - tile.width) // 2, y + (tile_px - tile.height) // 2))
        for row, line in enumerate(captions[i].split("\n") if captions else ()):
            top = y + tile_px + 3 + row * (_CAPTION_PX + 4)
            pen.text((x, top), _fitted(line, font, width_px=tile_px), fill=_SOFT if row else _INK, font=font)
    return np.asarray(sheet)


def image_grid(images: npt.NDArray[np.uint8], captions: Sequence[str] = (), *, columns: int = 0) -> ImageArray:
    """A grid picture (H, W, 3) uint8 of a batch (N, H, W, 3) uint8, at the images' own size or 96 px where smaller."""
    return contact_sheet(list(images), captions, columns=columns, tile_px=max(96, *images.shape[1:3]))


def _fitted(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, *, width_px: int) -> str:
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(f"{text}...") > width_px:
        text = text[:-1]
    return f"{text}..."


def as_data_uri(image: ImageArray, *, quality: int = 80) -> str:
    """An image (H, W, 3) uint8 as a WebP data URI at its own size; `quality` 0..100."""
    return _uri(_webp(Image.fromarray(image), quality))


def thumbnail_uri(image: ImageArray, *, height_px: int = THUMBNAIL_HEIGHT_PX) -> str:
    """A small WebP data URI of an image (H, W, 3) uint8: at most `height_px` high and 4/3 as wide, and light.

    Quality falls until it holds THUMBNAIL_BYTES at most; a picture of pure noise is also made smaller.
    """
    return _light_uri(ImageOps.contain(Image.fromarray(image), (height_px * 4 // 3, height_px)))


def marked_thumbnail_uri(
    image: ImageArray,
    boxes: npt.NDArray[np.floating],
    *,
    points: npt.NDArray[np.floating],
    n_strong: int,
    height_px: int = 2 * THUMBNAIL_HEIGHT_PX,
) -> str:
    """A small WebP data URI of an image with boxes (n, 4) and points (n, m, 2), in its pixels, drawn on it.

    The first `n_strong` are drawn bold, the others thin and without their points; points that are NaN are left out.
    """
    small = ImageOps.contain(Image.fromarray(image), (height_px * 4 // 3, height_px))
    pen, scale = ImageDraw.Draw(small), small.width / image.shape[1]
    for i in reversed(range(len(boxes))):  # the first lies on top
        x0, y0, x1, y1 = (float(v) * scale for v in boxes[i])
        is_strong = i < n_strong
        for grow, colour, width in ((1, _INK, 4), (0, _GLOW, 2)) if is_strong else ((0, _PAPER, 1),):
            pen.rectangle((x0 - grow, y0 - grow, x1 + grow, y1 + grow), outline=colour, width=width)
        for x, y in points[i][np.isfinite(points[i]).all(axis=1)] * scale if is_strong else ():
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_GLOW, outline=_INK)
    return _light_uri(small, n_bytes=2 * THUMBNAIL_BYTES)


def _light_uri(small: Image.Image, *, n_bytes: int = THUMBNAIL_BYTES) -> str:
    """The picture as a data URI of at most `n_bytes` before base64, in lower quality or smaller where it must be."""
    while True:
        for quality in _QUALITIES:
            content = _webp(small, quality)
            if len(content) <= n_bytes:
                return _uri(content)
        small = small.reduce(2)


def heat_image(image: ImageArray, heat: npt.NDArray[np.floating]) -> ImageArray:
    """The image (H, W, 3) uint8 in dim grey with `heat` (h, w) in 0..1, stretched over it, glowing."""
    height, width = image.shape[:2]
    picture = Image.fromarray((255 * np.clip(heat, 0, 1)).astype(np.uint8))
    glow = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)[:, :, None] / 255
    grey = np.asarray(Image.fromarray(image).convert("L"), dtype=np.float32)[:, :, None]
    return np.asarray(((1 - 0.8 * glow) * 0.6 * grey + 0.8 * glow * np.array(_GLOW)).clip(0, 255).astype(np.uint8))


def _webp(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _uri(content: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def photo_grid_html(photos: Sequence[PhotoTile], *, is_square: bool = False) -> Markup:
    """Photos with captions in a grid that fills the width; of many only those in view are laid out and decoded.

    is_square: shown whole where they are as high as wide, not cut to 3:4.
    """
    return part("photo_grid", photos=photos, is_square=is_square)
