"""How the places of a backbone's last map become one vector of features: a mean, a generalised mean, or attention."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trifacet.core.recipe import ModelSection

Pool = Callable[[Tensor], Tensor]  # maps (B, C, places) -> features (B, C)

SMALLEST = 1e-6  # what a place counts as at least, in a generalised mean
ATTENTION_WIDTH = 128  # of the layer that scores places; Ilse et al. 2018 take 128


class Mean(nn.Module):
    """The mean over places."""

    def forward(self, maps: Tensor) -> Tensor:
        """Features (B, C) of maps (B, C, places)."""
        return maps.mean(dim=2)


class GeM(nn.Module):
    """The generalised mean over places, (mean of x^p)^(1/p): with p 1 the mean, with a large p nearly the largest.

    p is learned, one for all channels, 1 at least; values under `SMALLEST` count as that.

    Source: Radenović et al. 2018, Fine-tuning CNN image retrieval with no human annotation, eq. 3.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([p]))

    def forward(self, maps: Tensor) -> Tensor:
        """Features (B, C) of maps (B, C, places)."""
        p, maps = self.p.clamp_min(1.0), maps.float().clamp_min(SMALLEST)
        largest = maps.detach().amax(dim=2, keepdim=True)  # a scale that comes out again: no power overflows
        pooled: Tensor = (maps / largest).pow(p).mean(dim=2).pow(1 / p) * largest[:, :, 0]
        return pooled


class AttentionPool(nn.Module):
    """The mean over places by weights that a small network gives them: softmax over places of v . tanh(W x).

    It begins as the plain mean (v is 0), so that a head which was trained on means goes on from there. Places are
    brought to one scale before they are scored.

    Source: Ilse et al. 2018, Attention-based deep multiple instance learning, eq. 7 and 8.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_channels)
        self.hidden = nn.Linear(n_channels, ATTENTION_WIDTH)
        self.score = nn.Linear(ATTENTION_WIDTH, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Features (B, C) of maps (B, C, places)."""
        places = maps.float().transpose(1, 2)
        shares: Tensor = self.score(self.hidden(self.norm(places)).tanh()).float().softmax(dim=1)
        return (shares * places).sum(dim=1)


POOLS: dict[str, Callable[[ModelSection, int], nn.Module]] = {
    "attention": lambda _, n_channels: AttentionPool(n_channels),
    "avg": lambda *_: Mean(),
    "gem": lambda model, _: GeM(model.gem_p),
}


def make_pool(model: ModelSection, n_channels: int) -> nn.Module:
    """What a recipe pools maps of `n_channels` by."""
    return POOLS[model.pooling](model, n_channels)
