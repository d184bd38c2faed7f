"""Random changes of whole uint8 batches. What happens to a photo is a function of (seed, epoch, photo) alone."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trifacet.core.predictions import Float32Array
from trifacet.core.recipe import AugmentSection

N_BASIC_DRAWS, N_DRAWS = 15, 24  # the later ones come from a stream of their own: old recipes see what they saw
NOISE_SIDE = 512  # the noise field is larger than a photo, so that each photo gets another window of it


def draw(seed: int, epoch: int, *, n_photos: int) -> Float32Array:
    """Even draws (n_photos, N_DRAWS) in [-1, 1) for one epoch: row i belongs to photo i, whatever its batch."""
    sizes = (N_BASIC_DRAWS, N_DRAWS - N_BASIC_DRAWS)
    streams = [np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, i])) for i in range(2)]
    blocks = [rng.uniform(-1, 1, (n_photos, n)) for rng, n in zip(streams, sizes, strict=True)]
    return np.concatenate(blocks, axis=1).astype(np.float32)


def augment(images: Tensor, draws: Tensor, *, ranges: AugmentSection) -> Tensor:
    """Changed photos, float (B, 3, H, W) in 0..255, of uint8 (B, 3, H, W) on any device; draws (B, N_DRAWS)."""
    photos = _move(images.float().contiguous(), draws[:, :6], bend=draws[:, 15] * ranges.turn, ranges=ranges)
    photos = _colour(photos, draws[:, 6:12], ranges=ranges)
    if ranges.noise:
        photos = photos + _noise(photos, draws[:, 12:15], largest=ranges.noise)
    if ranges.erase:
        photos = _erase(photos, (draws[:, 16:24] + 1) / 2, probability=ranges.erase)
    return photos.clamp_(0, 255)


def blend(photos: Tensor, *, share: float) -> Tensor:
    """Each photo blended with the next of its batch, `share` of itself; the first follows the last.

    Source: Zhang et al. 2018, mixup: Beyond empirical risk minimization.
    """
    return photos if share == 1 else share * photos + (1 - share) * photos.roll(-1, dims=0)


def _move(photos: Tensor, draws: Tensor, *, bend: Tensor, ranges: AugmentSection) -> Tensor:
    """Mirrored, zoomed, shifted and rotated about the centre; what comes in from outside repeats the border.

    bend (B,): the middle is pushed aside by this share of half the width and the sides stay, as when a head turns.
    """
    height, width = photos.shape[2:]
    angle = draws[:, 1] * np.radians(ranges.rotate_deg)
    zoom = 1 / (1 + draws[:, 2] * ranges.scale)
    mirror = torch.where((draws[:, 0] + 1) / 2 < ranges.flip, -1.0, 1.0)
    cos, sin, ratio = angle.cos() * zoom, angle.sin() * zoom, height / width
    shift_x, shift_y = 2 * ranges.shift * draws[:, 3], 2 * ranges.shift * draws[:, 4]
    rows = [mirror * cos, -sin * ratio * mirror, shift_x, sin / ratio, cos, shift_y]
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(photos.shape), align_corners=False)
    if ranges.turn:
        x = (2 * torch.arange(width, device=photos.device) + 1) / width - 1
        pushed = bend[:, None] * (1 - x**2)  # (B, W), in the changed photo's own direction across
        grid = grid + pushed[:, None, :, None] * theta[:, None, None, :, 0]
    return F.grid_sample(photos, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _erase(photos: Tensor, draws: Tensor, *, probability: float) -> Tensor:
    """A rectangle of one colour over 2 to 20 % of a photo, up to three times as long as wide; draws (B, 8) in 0..1."""
    height, width = photos.shape[2:]
    area, stretch = 0.02 + 0.18 * draws[:, 1], 3 ** (2 * draws[:, 2] - 1)
    half_y, half_x = (area * stretch).sqrt() / 2, (area / stretch).sqrt() / 2
    y = (torch.arange(height, device=photos.device) + 0.5) / height
    x = (torch.arange(width, device=photos.device) + 0.5) / width
    rows = (y - draws[:, 3, None]).abs() < half_y[:, None]
    columns = (x - draws[:, 4, None]).abs() < half_x[:, None]
    is_drawn = (draws[:, 0] < probability)[:, None, None]
    hidden = (rows[:, :, None] & columns[:, None, :] & is_drawn)[:, None]
    return torch.where(hidden, 255 * draws[:, 5:8, None, None], photos)


def _colour(photos: Tensor, draws: Tensor, *, ranges: AugmentSection) -> Tensor:
    """Saturation, contrast about the photo's mean, a gain per channel and brightness, as one linear map of colours."""

    def gain(column: int, spread: float) -> Tensor:
        return (1 + draws[:, column] * spread).view(-1, 1, 1)

    saturation, contrast = gain(2, ranges.saturation), gain(1, ranges.contrast)
    channels = (1 + draws[:, 3:6] * ranges.channel_gain).view(-1, 3, 1) * gain(0, ranges.brightness)
    towards_grey = torch.full((3, 3), 1 / 3, device=photos.device)
    colours = saturation * torch.eye(3, device=photos.device) + (1 - saturation) * towards_grey
    mean = photos.mean(dim=(1, 2, 3)).view(-1, 1, 1)
    moved = torch.baddbmm(channels * (1 - contrast) * mean, channels * contrast * colours, photos.flatten(2))
    return moved.view_as(photos)


def _noise(photos: Tensor, draws: Tensor, *, largest: float) -> Tensor:
    """Gaussian noise of a deviation between 0 and `largest`: a window per photo of one fixed field."""
    generator = torch.Generator().manual_seed(0)
    height, width = photos.shape[2:]
    field = torch.randn((3, height + NOISE_SIDE, width + NOISE_SIDE), generator=generator)
    starts = ((draws[:, :2].cpu() + 1) / 2 * NOISE_SIDE).long().clamp(0, NOISE_SIDE - 1).tolist()
    windows = torch.stack([field[:, y : y + height, x : x + width] for y, x in starts]).to(photos)
    return windows * (draws[:, 2].abs() * largest).view(-1, 1, 1, 1)
