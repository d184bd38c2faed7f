"""Random changes of whole uint8 batches. What happens to a photo is a function of (seed, epoch, photo) alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trifacet.core.policies import KEYED_OPERATIONS
from trifacet.core.predictions import Float32Array
from trifacet.core.recipe_photos import AugmentSection
from trifacet.learn.colours import bend_brightness, each, hide_square, noise_windows, turn_hue
from trifacet.learn.operations import POLICY_DRAWS, SLOT, follow_policy, operate
from trifacet.learn.warps import sample

# Of each stream of draws, how many a photo has. What is new gets a stream of its own: old recipes see what they saw.
N_BASIC, N_LATER = 15, 9
N_OWN = 10  # shear (2), hue, gamma, the window (2), cutout (4)
STREAMS = (N_BASIC, N_LATER, N_OWN + len(KEYED_OPERATIONS) * SLOT + POLICY_DRAWS)
N_DRAWS = sum(STREAMS)
OWN = N_BASIC + N_LATER
KEYED = OWN + N_OWN
POLICY = KEYED + len(KEYED_OPERATIONS) * SLOT
IS_BENT = ("grid", "elastic", "optical")  # before colours change; the other operations after


def draw(seed: int, epoch: int, *, n_photos: int) -> Float32Array:
    """Even draws (n_photos, N_DRAWS) in [-1, 1) for one epoch: row i belongs to photo i, whatever its batch."""
    streams = [np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, i])) for i in range(3)]
    blocks = [rng.uniform(-1, 1, (n_photos, n)) for rng, n in zip(streams, STREAMS, strict=True)]
    return np.concatenate(blocks, axis=1).astype(np.float32)


def augment(images: Tensor, draws: Tensor, *, ranges: AugmentSection, window: tuple[int, int] | None = None) -> Tensor:
    """Changed photos, float (B, 3, h, w) in 0..255, of uint8 (B, 3, H, W) on any device; draws (B, N_DRAWS).

    window: (h, w) that is taken out of each photo at random; None takes all of it.
    """
    shares = (draws[:, OWN:] + 1) / 2  # the draws of the third stream in 0..1
    if window:
        images = _cut(images, shares[:, 4:6], size=window)
    photos = _move(images.float().contiguous(), draws, ranges=ranges)
    _operate_by_key(photos, shares[:, N_OWN:], names=IS_BENT, ranges=ranges)
    if ranges.policy != "none":
        follow_policy(photos, shares[:, POLICY - OWN :], ranges=ranges)
    photos = _colour(photos, draws[:, 6:12], ranges=ranges)
    if ranges.hue:
        photos = turn_hue(photos, draws[:, OWN + 2] * ranges.hue)
    if ranges.gamma:
        photos = bend_brightness(photos, 1 + draws[:, OWN + 3] * ranges.gamma)
    others = [name for name in KEYED_OPERATIONS if name not in IS_BENT]
    _operate_by_key(photos, shares[:, N_OWN:], names=others, ranges=ranges)
    if ranges.noise:
        noise = noise_windows(photos, (draws[:, 12:14] + 1) / 2)
        photos = photos + noise * each(draws[:, 14].abs() * ranges.noise)
    if ranges.cutout:
        photos = _cut_out(photos, shares[:, 6:10], ranges=ranges)
    if ranges.erase:
        photos = _erase(photos, (draws[:, 16:24] + 1) / 2, probability=ranges.erase)
    return photos.clamp_(0, 255)


def _cut(images: Tensor, draws: Tensor, *, size: tuple[int, int]) -> Tensor:
    """A window (B, 3, h, w) of each image, anywhere within it; draws (B, 2) in 0..1: how far down, how far right."""
    rows, columns = (
        (draws[:, i, None] * (whole - part + 1)).long().clamp_max(whole - part)
        + torch.arange(part, device=draws.device)
        for i, (whole, part) in enumerate(zip(images.shape[2:], size, strict=True))
    )
    photo = torch.arange(len(images), device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[photo, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _operate_by_key(photos: Tensor, draws: Tensor, *, names: Sequence[str], ranges: AugmentSection) -> None:
    """Changes photos in place by the operations that have a probability of their own; draws (B, ...) in 0..1."""
    for name in names:
        if probability := getattr(ranges, name):
            own = draws[:, SLOT * KEYED_OPERATIONS.index(name) :][:, :SLOT]
            places = (own[:, 0] < probability).nonzero()[:, 0]
            amount = (2 * own[places, 1] - 1) * ranges.strength.get(name, 1.0)
            operate(photos, name, places=places, amount=amount, random=own[places, 2:])


def _cut_out(photos: Tensor, draws: Tensor, *, ranges: AugmentSection) -> Tensor:
    """Squares of `cutout_size` hidden in the share `cutout` of the photos; draws (B, 4) in 0..1."""
    share = ranges.cutout_size if ranges.cutout_size <= 1 else ranges.cutout_size / photos.shape[2]
    return hide_square(photos, share * (draws[:, 0] < ranges.cutout), random=draws[:, 1:])


def _move(photos: Tensor, draws: Tensor, *, ranges: AugmentSection) -> Tensor:
    """Mirrored, zoomed, shifted, rotated and sheared about the centre; what comes in from outside repeats the border.

    `ranges.turn` pushes the middle aside by up to this share of half the width and leaves the sides, as a turned head.
    """
    height, width = photos.shape[2:]
    angle = draws[:, 1] * np.radians(ranges.rotate_deg)
    zoom = 1 / (1 + draws[:, 2] * ranges.scale)
    mirror = torch.where((draws[:, 0] + 1) / 2 < ranges.flip, -1.0, 1.0)
    cos, sin, ratio = angle.cos() * zoom, angle.sin() * zoom, height / width
    shift_x, shift_y = 2 * ranges.shift * draws[:, 3], 2 * ranges.shift * draws[:, 4]
    rows = [mirror * cos, -sin * ratio * mirror, shift_x, sin / ratio, cos, shift_y]
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    if ranges.shear_deg:
        tan_x, tan_y = (draws[:, OWN : OWN + 2] * np.radians(ranges.shear_deg)).tan().T
        one = torch.ones_like(tan_x)
        lean = torch.stack([one, tan_x * ratio, tan_y / ratio, one], dim=1).view(-1, 2, 2)
        theta = torch.cat([theta[:, :, :2] @ lean, theta[:, :, 2:]], dim=2)
    grid = F.affine_grid(theta, list(photos.shape), align_corners=False)
    if ranges.turn:
        x = (2 * torch.arange(width, device=photos.device) + 1) / width - 1
        pushed = draws[:, 15, None] * ranges.turn * (1 - x**2)  # (B, W), in the changed photo's own direction across
        grid = grid + pushed[:, None, :, None] * theta[:, None, None, :, 0]
    return sample(photos, grid)


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
