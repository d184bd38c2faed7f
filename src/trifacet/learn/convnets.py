"""Backbones beside the face networks: the official baseline's, and any model of timm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trifacet.learn.pooling import Pool


class BaselineCNN(nn.Module):
    """The official baseline's network up to its classifier: three convolutions, max pools, dropout, global mean.

    Normalises with the baseline's own mean and standard deviation.
    """

    n_features = n_channels = 128
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

    def forward(self, images: Tensor, pool: Pool | None = None) -> Tensor:
        """Features (B, 128) of float images (B, 3, H, W) in 0..255."""
        maps: Tensor = self.layers((images - self.means) / self.stds)
        return pool(maps.flatten(2)) if pool else maps.mean(dim=(2, 3))

    def group_matcher(self, *, coarse: bool = False) -> dict[str, str]:  # noqa: ARG002 - its layers are its stages
        """Which parameters belong together, as timm's models tell it: each convolution by itself."""
        return {"layers": r"^layers\.(\d+)"}


class TimmTrunk(nn.Module):
    """A timm model without its classifier, with the normalisation that its weights expect inside.

    `n_channels` is the width of its last maps, `fixed_size` the [height, width] without which it cannot be.
    """

    means: Tensor
    stds: Tensor

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        about: Any = trunk.pretrained_cfg
        self.trunk = trunk
        # Some models (MobileNetV3) widen what they pool: head_hidden_size is what comes out without a classifier.
        self.n_features = int(getattr(trunk, "head_hidden_size", None) or trunk.num_features)  # type: ignore[arg-type]
        self.n_channels = int(trunk.num_features)  # type: ignore[arg-type]
        embed: Any = getattr(trunk, "patch_embed", None)
        is_fixed = getattr(embed, "strict_img_size", False) and embed.img_size is not None
        self.fixed_size: tuple[int, int] | None = tuple(embed.img_size) if is_fixed else None
        self.register_buffer("means", 255 * torch.tensor(about["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("stds", 255 * torch.tensor(about["std"]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor, pool: Pool | None = None) -> Tensor:
        """Features (B, n_features) of float images (B, 3, H, W) in 0..255.

        pool: instead of the model's own pooling; what the model has behind that stays. Of tokens, those of places alone
        are pooled.
        """
        trunk: Any = self.trunk
        images = (images - self.means) / self.stds
        if pool is None:
            plain: Tensor = trunk(images)
            return plain
        maps = trunk.forward_features(images)
        if maps.ndim == 3:
            n_others = int(getattr(trunk, "num_prefix_tokens", 0))
            pooled = pool(maps[:, n_others:].transpose(1, 2))
            # As every token, so that whatever the model would pick or average is this.
            pooled = pooled[:, None].expand(-1, n_others + 1, -1)
        elif getattr(trunk, "output_fmt", "NCHW") == "NHWC":
            pooled = pool(maps.flatten(1, 2).transpose(1, 2))[:, None, None]
        else:
            pooled = pool(maps.flatten(2))[:, :, None, None]
        behind: Tensor = trunk.forward_head(pooled.to(maps.dtype), pre_logits=True)
        return behind
