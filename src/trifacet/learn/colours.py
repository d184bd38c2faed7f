"""Photos in other colours, blurred, sharpened or partly hidden: operations on float (B, 3, H, W) in 0..255.

Each takes amounts (B,) from -1 to 1, shares of its largest, and random (B, 4) in 0..1 for what else it draws. An amount
of 0 changes nothing, but for those that know no amount (equalize, autocontrast, invert, grey).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

GAIN, GAMMA, NOISE, CUTOUT = 0.9, 0.5, 40.0, 0.4  # the first as in RandAugment
BLUR, MOTION_BLUR = 0.02, 0.06  # of the height
N_LOST_BITS = 4
CLIP_LIMIT, TILES = 2.0, (8, 8)
NOISE_SIDE = 512  # the noise field is larger than a photo, so that each photo gets another window of it


def each(values: Tensor) -> Tensor:
    """Values (B,) as (B, 1, 1, 1)."""
    return values[:, None, None, None]


def greyed(photos: Tensor) -> Tensor:
    """The brightness (B, 1, H, W) as the eye weighs the channels. Source: ITU-R BT.601."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=photos.device).view(1, 3, 1, 1)
    return (photos * weights).sum(dim=1, keepdim=True)


def turn_hue(photos: Tensor, share: Tensor) -> Tensor:
    """Every hue turned by a share (B,) of the circle of colours, -.5 to .5."""
    from kornia.enhance import adjust_hue

    turned: Tensor = adjust_hue(photos.clamp(0, 255) / 255, 2 * math.pi * share)
    return 255 * turned


def bend_brightness(photos: Tensor, exponent: Tensor) -> Tensor:
    """Every value to a power (B,), 0 and 255 staying where they are."""
    return 255 * (photos.clamp(0, 255) / 255) ** each(exponent)


def hide_square(photos: Tensor, side: Tensor, *, random: Tensor) -> Tensor:
    """A square of the photo's mean colour about any of its pixels; side (B,) as a share of the height.

    Source: DeVries & Taylor 2017, Improved regularization of convolutional neural networks with cutout.
    """
    height, width = photos.shape[2:]
    y = torch.arange(height, device=photos.device) + 0.5 - random[:, 0, None] * height
    x = torch.arange(width, device=photos.device) + 0.5 - random[:, 1, None] * width
    half = side[:, None] * height / 2
    hidden = (y.abs() < half)[:, None, :, None] & (x.abs() < half)[:, None, None, :]
    return torch.where(hidden, photos.mean(dim=(2, 3), keepdim=True), photos)


def noise_windows(photos: Tensor, starts: Tensor) -> Tensor:
    """Gaussian noise of deviation 1 in the photos' shape: a window of one fixed field; starts (B, 2) in 0..1."""
    height, width = photos.shape[2:]
    places = (starts.cpu() * NOISE_SIDE).long().clamp(0, NOISE_SIDE - 1).tolist()
    field = _noise_field(height, width)
    return torch.stack([field[:, y : y + height, x : x + width] for y, x in places]).to(photos)


@lru_cache(maxsize=2)
def _noise_field(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((3, height + NOISE_SIDE, width + NOISE_SIDE), generator=generator)


def identity(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """The photos themselves."""
    return photos


def brightness(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """A gain of all channels."""
    return photos * each(1 + GAIN * amount)


def contrast(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """A gain around the photo's mean grey."""
    mean = greyed(photos).mean(dim=(1, 2, 3), keepdim=True)
    return mean + (photos - mean) * each(1 + GAIN * amount)


def saturation(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """A gain around each pixel's grey."""
    dull = greyed(photos)
    return dull + (photos - dull) * each(1 + GAIN * amount)


def hue(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Turned around the circle of colours."""
    return turn_hue(photos, amount / 2)


def gamma(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Brightness to a power."""
    return bend_brightness(photos, 1 + GAMMA * amount)


def posterize(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """The lowest bits of each value lost."""
    step = 2.0 ** each((amount.abs() * N_LOST_BITS).round())
    return torch.where(step > 1, (photos / step).floor() * step, photos)


def solarize(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """What is brighter than a threshold inverted."""
    return torch.where(photos > each(255 * (1 - amount.abs())), 255 - photos, photos)


def equalize(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Levels of each channel spread so that each is as frequent."""
    from torchvision.transforms.v2.functional import equalize as spread

    flat: Tensor = spread(photos.round().byte())
    return flat.float()


def autocontrast(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Each channel stretched to its full range."""
    from torchvision.transforms.v2.functional import autocontrast as stretch

    wide: Tensor = stretch(photos / 255)
    return 255 * wide


def invert(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """A negative."""
    return 255 - photos


def grey(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Colours gone."""
    return greyed(photos).expand_as(photos)


def clahe(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Contrast of the brightness evened out by regions, colours kept.

    Source: Zuiderveld 1994, Contrast limited adaptive histogram equalization.
    """
    from kornia.enhance import equalize_clahe

    bright = greyed(photos).clamp(0, 255)
    even: Tensor = 255 * equalize_clahe(bright / 255, clip_limit=CLIP_LIMIT, grid_size=TILES)
    return photos + each(amount.abs()) * (even - bright)


def sharpness(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Edges softened (below 0) or made harder."""
    from kornia.enhance import sharpness as sharpened

    clear: Tensor = sharpened(photos.clamp(0, 255) / 255, 1 + GAIN * amount)
    return 255 * clear


def blur(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Out of focus, by a Gaussian."""
    from kornia.filters import gaussian_blur2d

    largest = BLUR * photos.shape[2]
    sigma = (amount.abs() * largest).clamp_min(1e-3)[:, None].expand(-1, 2)
    blurred: Tensor = gaussian_blur2d(photos, 2 * math.ceil(3 * largest) + 1, sigma)
    return blurred


def motion_blur(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Moved along a line while it was taken, in a random direction."""
    from kornia.filters import motion_blur as moved

    sizes = 2 * (amount.abs() * MOTION_BLUR * photos.shape[2] / 2).round().long() + 1
    made = photos.clone()
    for size in sorted(set(sizes.tolist())):
        if size > 1:
            alike = sizes == size
            made[alike] = moved(photos[alike], size, 360 * random[alike, 0], 2 * random[alike, 1] - 1)
    return made


def noise(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """Gaussian noise."""
    return photos + noise_windows(photos, random[:, :2]) * each(amount.abs() * NOISE)


def cutout(photos: Tensor, amount: Tensor, *, random: Tensor) -> Tensor:
    """A square hidden."""
    return hide_square(photos, amount.abs() * CUTOUT, random=random)
