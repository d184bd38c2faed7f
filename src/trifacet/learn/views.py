"""Views of photos whose answers are averaged: mirrored, cropped, drawn at random, upside down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b

import torch
import torch.nn.functional as F
from torch import Tensor

from trifacet.core.errors import error
from trifacet.core.recipe import Recipe
from trifacet.core.tta import check_tta
from trifacet.learn.augment import augment, draw
from trifacet.pixels.preprocess import Geometry

Views = Callable[[Tensor], Iterator[Tensor]]  # uint8 (B, 3, H, W) on a device to float views (B, 3, H, W), one by one

FRAMING = 1.1  # of `crops`: within the zoom of the default augmentation, so that training showed faces as large


def views_of(tta: str, *, recipe: Recipe, geometry: Geometry, seed: int) -> Views:
    """The views that `tta` averages over. Those of `random:K` follow from the seed, the pass and the photo's pixels.

    Raises:
        ConfigError: TRI104, no such way, or `d4` where the input is no square.
    """
    try:
        name, _, k = check_tta(tta).partition(":")
    except ValueError as problem:
        raise error("TRI104", str(problem).partition(", got ")[0], where="tta", got=f"'{tta}'") from None
    if name == "d4" and geometry.height_px != geometry.width_px:
        got = f"{geometry.height_px} x {geometry.width_px}"
        raise error("TRI104", "d4 lays photos on their side: it needs a square input", where="tta", got=got)
    return partial(_drawn, recipe=recipe, k=int(k), seed=seed) if name == "random" else VIEWS[name]


def _none(photos: Tensor) -> Iterator[Tensor]:
    yield photos.float()


def _flip(photos: Tensor) -> Iterator[Tensor]:
    seen = photos.float()
    yield seen
    yield seen.flip(3)


def _crops(photos: Tensor) -> Iterator[Tensor]:
    """The middle and the corners, each of the input's size, of the photo enlarged by FRAMING."""
    height, width = photos.shape[2:]
    larger = [round(side * FRAMING) for side in (height, width)]
    seen = F.interpolate(photos.float(), size=larger, mode="bilinear", align_corners=False)
    low, right = larger[0] - height, larger[1] - width
    for top, left in ((low // 2, right // 2), (0, 0), (0, right), (low, 0), (low, right)):
        yield seen[:, :, top : top + height, left : left + width]


def _flips4(photos: Tensor) -> Iterator[Tensor]:
    seen = photos.float()
    for axes in ((), (3,), (2,), (2, 3)):
        yield seen.flip(axes) if axes else seen


def _d4(photos: Tensor) -> Iterator[Tensor]:
    yield from _flips4(photos)
    yield from _flips4(photos.transpose(2, 3))


def _drawn(photos: Tensor, *, recipe: Recipe, k: int, seed: int) -> Iterator[Tensor]:
    """K views as the augmentation of training shows them; whatever the batch, a photo's are the same."""
    pixels = photos.cpu().numpy()
    salt = seed.to_bytes(8, "little")
    seeds = [int.from_bytes(blake2b(one.tobytes(), digest_size=6, salt=salt).digest(), "little") for one in pixels]
    for at in range(k):
        draws = torch.cat([torch.from_numpy(draw(one, at, n_photos=1)) for one in seeds])
        yield augment(photos, draws.to(photos.device), ranges=recipe.augment, window=recipe.data.window)


VIEWS: dict[str, Views] = {"none": _none, "flip": _flip, "crops": _crops, "flips4": _flips4, "d4": _d4}
