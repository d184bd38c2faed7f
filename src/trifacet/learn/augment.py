"""Random changes of whole uint8 batches. What happens to a photo is a function of (seed, epoch, photo) alone."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trifacet.core.predictions import Float32Array
from trifacet.core.recipe import AugmentSection

N_DRAWS = 15
NOISE_SIDE = 512  # the noise field is larger than a photo, so that each photo gets another window of it


def draw(seed: int, epoch: int, n_photos: int) -> Float32Array:
    """Even draws (n_photos, N_DRAWS) in [-1, 1) for one epoch: row i belongs to photo i, whatever its batch."""
    rng = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return rng.uniform(-1, 1, (n_photos, N_DRAWS)).astype(np.float32)


def augment(images: Tensor, draws: Tensor, ranges: AugmentSection) -> Tensor:
    """Changed photos, float (B, 3, H, W) in 0..255, of uint8 (B, 3, H, W) on any device; draws (B, N_DRAWS)."""
    photos = _move(images.float(), draws[:, :6], ranges)
    photos = _colour(photos, draws[:, 6:12], ranges)
    if ranges.noise:
        photos = photos + _noise(photos, draws[:, 12:15], ranges.noise)
    return photos.clamp(0, 255)


def _move(photos: Tensor, draws: Tensor, ranges: AugmentSection) -> Tensor:
    """Mirrored, zoomed, shifted and rotated about the centre; what comes in from outside repeats the border."""
    height, width = photos.shape[2:]
    angle = draws[:, 1] * np.radians(ranges.rotate_deg)
    zoom = 1 / (1 + draws[:, 2] * ranges.scale)
    mirror = torch.where((draws[:, 0] + 1) / 2 < ranges.flip, -1.0, 1.0)
    cos, sin, ratio = angle.cos() * zoom, angle.sin() * zoom, height / width
    shift_x, shift_y = 2 * ranges.shift * draws[:, 3], 2 * ranges.shift * draws[:, 4]
    rows = [mirror * cos, -sin * ratio * mirror, shift_x, sin / ratio, cos, shift_y]
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(photos.shape), align_corners=False)
    return F.grid_sample(photos, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _colour(photos: Tensor, draws: Tensor, ranges: AugmentSection) -> Tensor:
    """Brightness and contrast, saturation, and a gain per channel, as one linear map of each photo's channels."""

    def gain(column: int, spread: float) -> Tensor:
        return (1 + draws[:, column] * spread).view(-1, 1, 1, 1)

    contrast, saturation = gain(1, ranges.contrast), gain(2, ranges.saturation)
    channels = (1 + draws[:, 3:6] * ranges.channel_gain).view(-1, 3, 1, 1) * gain(0, ranges.brightness)
    mean = photos.mean(dim=(1, 2, 3), keepdim=True)
    grey = photos.mean(dim=1, keepdim=True)
    photos = torch.lerp(grey, photos, saturation)
    return ((photos - mean) * contrast + mean) * channels


def _noise(photos: Tensor, draws: Tensor, largest: float) -> Tensor:
    """Gaussian noise of a deviation between 0 and `largest`: a window per photo of one fixed field."""
    generator = torch.Generator().manual_seed(0)
    height, width = photos.shape[2:]
    field = torch.randn((3, height + NOISE_SIDE, width + NOISE_SIDE), generator=generator)
    starts = ((draws[:, :2].cpu() + 1) / 2 * NOISE_SIDE).long().clamp(0, NOISE_SIDE - 1).tolist()
    windows = torch.stack([field[:, y : y + height, x : x + width] for y, x in starts]).to(photos)
    return windows * (draws[:, 2].abs() * largest).view(-1, 1, 1, 1)
