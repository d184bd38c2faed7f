"""Photos moved, turned and bent: operations on float (B, 3, H, W), each photo by an amount of its own.

Each takes amounts (B,) from -1 to 1, shares of its largest, 0 changing nothing, and random (B, 4) in 0..1 for what else
it draws. What comes in from outside repeats the border.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

SHEAR, SHIFT, ROTATE_DEG, ZOOM = 0.3, 0.45, 45.0, 0.3  # the first two as in RandAugment
GRID_SHIFT, N_CELLS = 0.5, 3
ELASTIC, N_KNOTS, FIELD = 0.015, 9, 512  # deviation as a share of the size; knots a side; windows of one field
OPTICAL = 0.3


def sample(photos: Tensor, grid: Tensor) -> Tensor:
    """The photos seen at `grid` (B, H, W, 2), x and y from -1 to 1 between the outer edges."""
    return F.grid_sample(photos, grid, mode="bilinear", padding_mode="border", align_corners=False)


def affine(photos: Tensor, rows: list[Tensor | float]) -> Tensor:
    """Seen through x' = a x + b y + c, y' = d x + e y + f, in -1..1; rows: a to f, each (B,) or a number."""
    n = len(photos)
    theta = torch.stack([torch.as_tensor(row, dtype=photos.dtype, device=photos.device).expand(n) for row in rows], 1)
    return sample(photos, F.affine_grid(theta.view(n, 2, 3), list(photos.shape), align_corners=False))


def shear_x(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Rows moved aside the more, the further they are from the middle."""
    ratio = photos.shape[2] / photos.shape[3]
    return affine(photos, [1.0, SHEAR * amount * ratio, 0.0, 0.0, 1.0, 0.0])


def shear_y(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Columns moved up or down the more, the further they are from the middle."""
    ratio = photos.shape[2] / photos.shape[3]
    return affine(photos, [1.0, 0.0, 0.0, SHEAR * amount / ratio, 1.0, 0.0])


def shift_x(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Moved aside."""
    return affine(photos, [1.0, 0.0, 2 * SHIFT * amount, 0.0, 1.0, 0.0])


def shift_y(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Moved up or down."""
    return affine(photos, [1.0, 0.0, 0.0, 0.0, 1.0, 2 * SHIFT * amount])


def shift(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Moved in a random direction."""
    angle, far = 2 * math.pi * random[:, 0], 2 * SHIFT * amount
    return affine(photos, [1.0, 0.0, far * angle.cos(), 0.0, 1.0, far * angle.sin()])


def rotate(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Turned about the centre, proportions kept."""
    angle, ratio = amount * math.radians(ROTATE_DEG), photos.shape[2] / photos.shape[3]
    return affine(photos, [angle.cos(), -angle.sin() * ratio, 0.0, angle.sin() / ratio, angle.cos(), 0.0])


def zoom(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Larger or smaller about the centre."""
    factor = 1 / (1 + ZOOM * amount)
    return affine(photos, [factor, 0.0, 0.0, 0.0, factor, 0.0])


def grid(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Thirds across and down made wider and narrower: their borders move, each by itself, and the outer edges stay."""
    moved = (2 * random - 1) * amount[:, None] * GRID_SHIFT / N_CELLS  # of the size; both borders of x, then of y
    axes = []
    for size, borders in ((photos.shape[3], moved[:, :2]), (photos.shape[2], moved[:, 2:])):
        knots = torch.arange(N_CELLS + 1, device=photos.device) / N_CELLS + F.pad(borders, (1, 1))
        place = (torch.arange(size, device=photos.device) + 0.5) / size * N_CELLS
        cell = place.long()
        axes.append(2 * (knots[:, cell] + (place - cell) * (knots[:, cell + 1] - knots[:, cell])) - 1)
    shape = (len(photos), *photos.shape[2:])
    return sample(photos, torch.stack([axes[0][:, None, :].expand(shape), axes[1][:, :, None].expand(shape)], dim=3))


def elastic(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Pulled about smoothly: knots moved at random, and what lies between them by bicubic interpolation.

    Source: Simard et al. 2003, Best practices for convolutional neural networks, with knots for the Gaussian.
    """
    starts = (random[:, :2] * FIELD).long().clamp(0, FIELD - 1).tolist()
    knots = torch.stack([_knots()[:, y : y + N_KNOTS, x : x + N_KNOTS] for y, x in starts]).to(photos)
    pulled = F.interpolate(knots, size=photos.shape[2:], mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return sample(photos, _still(photos) + 2 * ELASTIC * amount[:, None, None, None] * pulled)


def optical(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Bent as by a lens, barrel or cushion: places move along their way from the centre with its square."""
    still = _still(photos)
    square = still.square().sum(dim=3, keepdim=True) / 2  # 1 in the corners
    return sample(photos, still * (1 + OPTICAL * amount[:, None, None, None] * square))


def _still(photos: Tensor) -> Tensor:
    """The grid (B, H, W, 2) that changes nothing."""
    theta = torch.tensor([[1.0, 0, 0], [0, 1, 0]], device=photos.device).expand(len(photos), 2, 3)
    return F.affine_grid(theta, list(photos.shape), align_corners=False)


@lru_cache(maxsize=1)
def _knots() -> Tensor:
    side = FIELD + N_KNOTS
    return torch.randn((2, side, side), generator=torch.Generator().manual_seed(0))
