"""Sharpness-aware minimisation: the gradient of a step is taken where the loss is highest nearby.

Source: Foret et al. 2021, Sharpness-aware minimization for efficiently improving generalization, eq. 2 and 3. Running
statistics of batch norms take in both passes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def climb(module: nn.Module, *, rho: float) -> list[Tensor]:
    """Moves the parameters along their gradients by `rho` in all; what they were before."""
    trained = [p for p in module.parameters() if p.grad is not None]
    before = [p.clone() for p in trained]
    norm = torch.nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
    scale = rho / (float(norm) + 1e-12)
    for parameter in trained:
        assert parameter.grad is not None
        parameter.add_(parameter.grad, alpha=scale)
    return before


@torch.no_grad()
def descend(module: nn.Module, before: list[Tensor]) -> None:
    """Puts the parameters back; their gradients stay those of the place above."""
    for parameter, old in zip((p for p in module.parameters() if p.grad is not None), before, strict=True):
        parameter.copy_(old)
