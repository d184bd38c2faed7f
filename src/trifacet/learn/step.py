"""The gradient of one step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trifacet.learn.clock import Clock
from trifacet.learn.losses import Labels, Loss, blended


@dataclass(frozen=True)
class Batch:
    """What the network is shown in a step, float (B, 3, h, w) or features (B, F), and the labels that it is held to.

    share: how much of each photo is its own, where it is mixed with one that has the labels `others`.
    """

    seen: Tensor
    labels: Labels
    others: Labels | None
    share: float


def backward(
    module: nn.Module, loss: Loss, *, batch: Batch, through: float, clock: Clock, noise: int, n_parts: int
) -> float:
    """The loss of a batch, its gradients left in the parameters; computed in parts, one after another, of which each
    needs that much less memory. The same `noise` is the same dropout."""
    torch.manual_seed(noise)
    n, total = len(batch.seen), 0.0
    for part in torch.arange(n, device=batch.seen.device).tensor_split(min(n_parts, n)):
        labels, others = batch.labels.rows(part), batch.others.rows(part) if batch.others else None
        with clock.part("forward"):
            answers = module(batch.seen[part])
            value = blended(loss, answers, labels=labels, others=others, share=batch.share, progress=through)
        with clock.part("backward"):
            value = value * (len(part) / n)
            value.backward()  # type: ignore[no-untyped-call]
        total += value.item()
    return total
