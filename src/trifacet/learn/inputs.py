"""What becomes of a photo before the backbone sees it: its middle, and the normalisation that a recipe asks for.

It stands inside the network, so that training, prediction and whatever is exported cut and normalise alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trifacet.core.recipe_photos import DataSection
from trifacet.pixels.statistics import channel_statistics

# Mean and deviation of ImageNet's photos: what photos are normalised to, since every backbone takes 0..255 and then
# normalises by constants near these.
USUAL_MEAN, USUAL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SMALLEST_STD = 1.0  # of 255: a photo of one colour stays one


class Inputs(nn.Module):
    """The middle of larger photos, normalised: float (B, 3, H, W) in 0..255 to (B, 3, h, w) of the same scale.

    per_image: each channel of each photo gets the usual mean and deviation; dataset: those of the training photos are
    moved to the usual ones, as `measure` found them, and kept with the weights.
    """

    usual_mean: Tensor
    usual_std: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, data: DataSection) -> None:
        super().__init__()
        self.size = data.window
        self.normalize = data.normalize
        self.register_buffer("usual_mean", torch.tensor(USUAL_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("usual_std", torch.tensor(USUAL_STD).view(1, 3, 1, 1), persistent=False)
        if data.normalize == "dataset":
            self.register_buffer("mean", torch.tensor(USUAL_MEAN))
            self.register_buffer("std", torch.tensor(USUAL_STD))

    def forward(self, images: Tensor) -> Tensor:
        """What the backbone sees; the photos themselves where nothing else is asked for."""
        if self.size:
            images = middle(images, size=self.size)
        if self.normalize == "backbone":
            return images
        if self.normalize == "per_image":
            std, mean = torch.std_mean(images, dim=(2, 3), keepdim=True, correction=0)
        else:
            mean, std = self.mean.view(1, 3, 1, 1), self.std.view(1, 3, 1, 1)
        return (images - mean) / std.clamp_min(SMALLEST_STD) * self.usual_std + self.usual_mean

    def measure(self, images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> dict[str, list[float]]:
        """The mean and deviation per channel, of 255, of the photos `images[rows]`, taken over; {} where not used."""
        if self.normalize != "dataset":
            return {}
        mean, std = channel_statistics(images, rows)
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))
        return {"pixel_mean": mean.round(3).tolist(), "pixel_std": std.round(3).tolist()}


def middle(images: Tensor, *, size: tuple[int, int]) -> Tensor:
    """The middle (..., h, w) of images (..., H, W) that are larger by an even number of pixels, or as large."""
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape[-2:], size, strict=True))
    return images[..., top : top + size[0], left : left + size[1]]
