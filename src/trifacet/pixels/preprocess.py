"""The one path from an upright photo to the network's input: what training sees is what prediction sees."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from trifacet.core.predictions import ImageArray

PREPROCESS_VERSION = 1  # raise it when the pixels of `fit` change, so that old caches are not taken for new ones


@dataclass(frozen=True)
class Geometry:
    """Size in pixels of the network's input, and which part of the photo it shows.

    crop: `middle_square`, the largest centred square (of a 3:4 photo the rows 12.5 % to 87.5 %); `none`, all of it.
    """

    height_px: int
    width_px: int
    crop: Literal["middle_square", "none"] = "none"

    def describe(self) -> dict[str, Any]:
        """What a cache is keyed by, as plain values."""
        return {**asdict(self), "version": PREPROCESS_VERSION}


def fit(image: ImageArray, geometry: Geometry) -> ImageArray:
    """The input (height_px, width_px, 3) uint8 of an upright RGB image (H, W, 3) uint8 of any size.

    Resized by Pillow's bilinear filter, which averages over the source pixels when it shrinks.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    box: tuple[float, float, float, float] = (0, 0, width, height)
    if geometry.crop == "middle_square":
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    picture = Image.fromarray(image)
    size = (geometry.width_px, geometry.height_px)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=None))
