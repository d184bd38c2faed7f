"""Several backbones side by side: each sees the photo, the head reads what all of them say of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Joined(nn.Module):
    """Backbones whose features lie side by side, in the order in which they are named.

    `n_features` is the sum of theirs. Where one of them has levels, `level_features` takes these of it and the last
    features of the others. Each normalises for itself; all are shown the photo at the same size.
    """

    def __init__(self, trunks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.trunks = nn.ModuleList(trunks)
        own: list[Any] = list(trunks)
        self.n_features = sum(trunk.n_features for trunk in own)
        self.min_size = max(getattr(trunk, "min_size", 0) for trunk in own)
        self.fixed_size = next((size for trunk in own if (size := getattr(trunk, "fixed_size", None))), None)
        if any(has_levels(trunk) for trunk in own):
            self.n_level_features = sum(t.n_level_features if has_levels(t) else t.n_features for t in own)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, n_features) of float images (B, 3, H, W) RGB in 0..255."""
        return torch.cat([trunk(images) for trunk in self.trunks], dim=1)

    def level_features(self, images: Tensor) -> Tensor:
        """What a head on the frozen trunks reads: (B, n_level_features)."""
        own: list[Any] = list(self.trunks)
        return torch.cat([t.level_features(images) if has_levels(t) else t(images) for t in own], dim=1)


def has_levels(backbone: nn.Module) -> bool:
    """Whether it knows several levels of features."""
    return hasattr(backbone, "n_level_features")


def trunks_of(backbone: nn.Module) -> list[nn.Module]:
    """The backbones that a backbone is made of: itself, or those it joins."""
    return list(backbone.trunks) if isinstance(backbone, Joined) else [backbone]
