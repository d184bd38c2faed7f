"""A second stage for rare classes: what the network sees stays as it learned it, its last layers learn anew from
classes drawn alike.

Source: Kang et al. 2020, Decoupling representation and classifier for long-tailed recognition: classifier re-training
(cRT) and learned weight scaling (LWS).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trifacet.core.recipe import Recipe
from trifacet.core.schema import LabelSchema
from trifacet.learn.features import OnPhotos
from trifacet.learn.models import Net
from trifacet.learn.phases import Data, Phase, head_phase


class SecondStage(nn.Module):
    """Features to logits by a network whose last layers alone are trained, or with `scales` one factor a class of them.

    It holds the whole network, so that a checkpoint of it needs nothing else.
    """

    def __init__(self, net: Net, *, scales: bool) -> None:
        super().__init__()
        self.net = net
        for parameter in net.parameters():
            parameter.requires_grad_(False)
            parameter.grad = None  # of the last step of the stage before: it would count when gradients are clipped
        self.factors = nn.ParameterDict()
        if scales:
            device = next(net.parameters()).device
            sizes = {name: len(layer.weight) for name, layer in self.layers.items()}
            self.factors.update({name: nn.Parameter(torch.ones(n, device=device)) for name, n in sizes.items()})
        else:
            for layer in self.layers.values():
                layer.reset_parameters()
                layer.requires_grad_(True)

    @property
    def layers(self) -> dict[str, Any]:
        """The last layer of each answer."""
        return dict(self.net.head.answers.items())

    @property
    def learned(self) -> nn.Module:
        """What is trained."""
        return self.factors if len(self.factors) else self.net.head.answers

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Logits (B, size) per name, of features (B, n_features)."""
        scaled = {
            f"answers.{name}.weight": layer.weight * self.factors[name][:, None]
            for name, layer in self.layers.items()
            if name in self.factors
        }
        logits: dict[str, Tensor] = functional_call(self.net.head, scaled, (features,))
        return logits

    @torch.no_grad()
    def fold(self) -> None:
        """The factors go into the network's weights, and are 1 from now on."""
        for name, factor in self.factors.items():
            self.layers[name].weight.mul_(factor[:, None])
            factor.fill_(1)

    @contextmanager
    def folded(self) -> Iterator[None]:
        """The network answers as it would with the factors in its weights, within the block."""
        kept = {name: self.layers[name].weight.detach().clone() for name in self.factors}
        factors = {name: factor.detach().clone() for name, factor in self.factors.items()}
        try:
            self.fold()
            yield
        finally:
            with torch.no_grad():
                for name, weight in kept.items():
                    self.layers[name].weight.copy_(weight)
                    self.factors[name].copy_(factors[name])


def second_phase(
    stage: SecondStage, data: Data, *, schema: LabelSchema, recipe: Recipe, seed: int, on_photos: OnPhotos
) -> Phase:
    """The second stage on features of the trained network, its classes drawn alike."""
    sampler = recipe.sampler.model_copy(update={"name": "balanced"})
    train = recipe.train.model_copy(update={"head_epochs": recipe.train.second_epochs})
    alike = recipe.model_copy(update={"sampler": sampler, "train": train})
    phase = head_phase(stage.net, data, schema=schema, recipe=alike, seed=seed, on_photos=on_photos, answers=stage)
    parts = ((stage.learned, recipe.train.head_lr),)
    return replace(phase, name="second", parts=parts, selects=True, shown=stage.folded)
