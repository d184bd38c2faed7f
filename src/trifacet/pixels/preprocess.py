"""The one path from an upright photo to the network's input: what training sees is what prediction sees."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from trifacet.core.manifest import CROP_SCALE, Crop
from trifacet.core.predictions import ImageArray

PX_HEIGHT = 512  # of the photos of the original task, in whose pixels crops are told
PREPROCESS_VERSION = 1  # raise it when the pixels of `fit` change, so that old caches are not taken for new ones


@dataclass(frozen=True)
class Geometry:
    """Size in pixels of the network's input, and which part of the photo it shows.

    crop: `face`, the upright square around the face, the middle square where none is known; `middle_square`, the
    largest centred square (of a 3:4 photo the rows 12.5 % to 87.5 %); `centre`, `crop_size` about the middle; `none`,
    all of it. face_scale: the side of the square around the face, in sides of the face's box. crop_size: (height,
    width), shares of the photo's sides where neither is above 1, else pixels of a photo 512 high, or (`strict_px`) of
    the photo as it is, and at most all of it.
    """

    height_px: int
    width_px: int
    crop: Literal["face", "middle_square", "centre", "none"] = "none"
    face_scale: float = CROP_SCALE
    crop_size: tuple[float, float] | None = None
    strict_px: bool = False

    def describe(self) -> dict[str, Any]:
        """What a cache is keyed by, as plain values."""
        told = asdict(self)
        if self.crop != "face":
            del told["face_scale"]
        if self.crop != "centre":
            del told["crop_size"], told["strict_px"]
        return {**told, "version": PREPROCESS_VERSION}


def fit(image: ImageArray, geometry: Geometry, *, crop: Crop | None = None) -> ImageArray:
    """The input (height_px, width_px, 3) uint8 of an upright RGB image (H, W, 3) uint8 of any size.

    Resized by Pillow's bilinear filter, which averages over the source pixels when it shrinks. crop: the face, for a
    geometry that shows it; what it covers beyond the photo repeats the photo's border.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    size = (geometry.width_px, geometry.height_px)
    if geometry.crop == "face" and crop is not None:
        return _cut(image, crop.scaled(geometry.face_scale / CROP_SCALE), size=size)
    height, width = image.shape[:2]
    shown_height, shown_width = _shown(geometry, height=height, width=width)
    left, top = (width - shown_width) / 2, (height - shown_height) / 2
    box = (left, top, left + shown_width, top + shown_height)
    picture = Image.fromarray(image)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=None))


def _shown(geometry: Geometry, *, height: int, width: int) -> tuple[float, float]:
    """Height and width of the part about the middle that is shown, in pixels of the photo."""
    if geometry.crop == "none":
        return height, width
    if geometry.crop != "centre" or geometry.crop_size is None:
        return min(height, width), min(height, width)
    tall, wide = geometry.crop_size
    if max(tall, wide) <= 1:
        return tall * height, wide * width
    unit = 1.0 if geometry.strict_px else height / PX_HEIGHT
    return min(tall * unit, height), min(wide * unit, width)


def _cut(image: ImageArray, crop: Crop, *, size: tuple[int, int]) -> ImageArray:
    """The turned square, cut at about twice the size asked for where it is larger, then shrunk.

    An affine map alone would skip source pixels; a photo is brought near to the size by whole factors before.
    """
    side = crop.x1_px - crop.x0_px
    corner = side / 2 * np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) @ _turn(crop.angle_deg).T
    corners = np.array([(crop.x0_px + crop.x1_px) / 2, (crop.y0_px + crop.y1_px) / 2]) + corner
    (left, top), (right, bottom) = np.floor(corners.min(0) - 1).astype(int), np.ceil(corners.max(0) + 2).astype(int)
    rows = np.clip(np.arange(top, bottom), 0, image.shape[0] - 1)  # beyond the photo its border is repeated
    columns = np.clip(np.arange(left, right), 0, image.shape[1] - 1)
    factor = max(1, int(side / (2 * max(size))))
    region = Image.fromarray(image[rows[:, None], columns]).reduce(factor)
    origin, across, down = ((p - (left, top)) / factor for p in corners[:3])
    cut = [max(n, round(side / factor)) for n in size]
    (a, d), (b, e) = (across - origin) / cut[0], (down - origin) / cut[1]
    map_back = (a, b, origin[0], d, e, origin[1])
    turned = region.transform((cut[0], cut[1]), Image.Transform.AFFINE, map_back, Image.Resampling.BILINEAR)
    return np.asarray(turned.resize(size, Image.Resampling.BILINEAR))


def _turn(angle_deg: float) -> npt.NDArray[np.float64]:
    """The matrix (2, 2) that turns points (x, y) clockwise, y pointing down."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.array([[cos, -sin], [sin, cos]])
