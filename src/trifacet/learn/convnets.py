"""Backbones beside the face networks: the official baseline's, and any model of timm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class BaselineCNN(nn.Module):
    """The official baseline's network up to its classifier: three convolutions, max pools, dropout, global mean.

    Normalises with the baseline's own mean and standard deviation.
    """

    n_features = 128
    means: Tensor
    stds: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("means", 255 * torch.tensor([0.548, 0.504, 0.479]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("stds", 255 * torch.tensor([0.237, 0.247, 0.246]).view(1, 3, 1, 1), persistent=False)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 7), nn.ReLU(),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
            nn.Conv2d(64, 128, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 128) of float images (B, 3, H, W) in 0..255."""
        maps: Tensor = self.layers((images - self.means) / self.stds)
        return maps.mean(dim=(2, 3))


class TimmTrunk(nn.Module):
    """A timm model without its classifier, with the normalisation that its weights expect inside."""

    means: Tensor
    stds: Tensor

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        about: Any = trunk.pretrained_cfg
        self.trunk = trunk
        # Some models (MobileNetV3) widen what they pool: head_hidden_size is what comes out without a classifier.
        self.n_features = int(getattr(trunk, "head_hidden_size", None) or trunk.num_features)  # type: ignore[arg-type]
        self.register_buffer("means", 255 * torch.tensor(about["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("stds", 255 * torch.tensor(about["std"]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, n_features) of float images (B, 3, H, W) in 0..255."""
        features: Tensor = self.trunk((images - self.means) / self.stds)
        return features
