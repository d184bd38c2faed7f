"""What stands behind a person instead of the background: a plain colour, the photo's own, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from trifacet.core.errors import nearest
from trifacet.core.predictions import ImageArray

Mask = npt.NDArray[np.uint8]  # (H, W), 0 background .. 255 person
Backdrop = npt.NDArray[np.float32]  # (H, W, 3), or (3,) where it is one colour; 0..255

TRANSPARENT = "transparent"
BLUR_SHARE = 1 / 16  # standard deviation of the blur, in shorter sides: a taste, not a threshold

_COLOUR = re.compile(r"#?([0-9a-f]{6})", re.IGNORECASE)


def fill_name(text: str) -> str:
    """The name of the fill that `text` asks for: one of FILLS, `transparent`, or a colour as RRGGBB in small letters.

    Raises:
        ValueError: there is none, with what was likely meant.
    """
    name = text.strip().lower()
    if name in FILLS or name == TRANSPARENT:
        return name
    if colour := _COLOUR.fullmatch(name):
        return colour[1]
    known = (*FILLS, TRANSPARENT)
    near = nearest(name, known)
    raise ValueError(f"Did you mean '{near}'?" if near else f"Known: {', '.join(known)}, or a colour as RRGGBB.")


def filled(image: ImageArray, mask: Mask, *, fill: str) -> ImageArray:
    """The person of an upright image (H, W, 3) uint8 before `fill`: (H, W, 3) uint8, or (H, W, 4) for `transparent`.

    mask: (H, W) uint8, 0 background .. 255 person; between them both are seen, each by its share. Where nothing of the
    person is left, a transparent photo keeps no colour either: the background cannot be brought back.
    """
    if fill == TRANSPARENT:
        seen: ImageArray = np.concatenate([np.where(mask[..., None] > 0, image, np.uint8(0)), mask[..., None]], axis=2)
        return seen
    share = mask[..., None].astype(np.float32) / np.float32(255)
    behind = FILLS[fill](image, share) if fill in FILLS else _colour(fill)
    made: ImageArray = np.rint(image * share + behind * (1 - share)).astype(np.uint8)
    return made


def _colour(rrggbb: str) -> Backdrop:
    return np.frombuffer(bytes.fromhex(rrggbb), np.uint8).astype(np.float32)


def _plain(rrggbb: str) -> Callable[[ImageArray, Backdrop], Backdrop]:
    return lambda *_: _colour(rrggbb)


def _mean(image: ImageArray, share: Backdrop) -> Backdrop:
    """The mean colour (3,) of the background; of the whole photo where it has none."""
    weights = 1 - share
    if not weights.any():
        weights = np.ones_like(share)
    return np.asarray((image * weights).sum(axis=(0, 1)) / weights.sum(), dtype=np.float32)


def _blurred(image: ImageArray, share: Backdrop) -> Backdrop:
    """The background, blurred, without a halo: the person does not bleed into it."""
    weights = 1 - share
    blur = ImageFilter.GaussianBlur(BLUR_SHARE * min(image.shape[:2]))
    dimmed = np.asarray(Image.fromarray(np.rint(image * weights).astype(np.uint8)).filter(blur), np.float32)
    seen = np.asarray(Image.fromarray(np.rint(weights[..., 0] * 255).astype(np.uint8)).filter(blur), np.float32)
    seen = seen[..., None] / np.float32(255)
    return np.where(seen > 0, np.minimum(dimmed / np.maximum(seen, 1 / 255), 255), _mean(image, share))


FILLS: dict[str, Callable[[ImageArray, Backdrop], Backdrop]] = {
    "white": _plain("ffffff"),
    "black": _plain("000000"),
    "grey": _plain("808080"),
    "mean": _mean,
    "blur": _blurred,
}
