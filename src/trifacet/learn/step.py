"""The gradient of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor, nn

from trifacet.core.recipe import OptimSection
from trifacet.learn.clock import Clock
from trifacet.learn.losses import Labels, Loss, blended
from trifacet.learn.sam import climb, descend


@dataclass(frozen=True)
class Batch:
    """What the network is shown in a step, float (B, 3, h, w) or features (B, F), and the labels that it is held to.

    share: how much of each photo is its own, where it is mixed with one that has the labels `others`.
    """

    seen: Tensor
    labels: Labels
    others: Labels | None
    share: float


def gradient(
    module: nn.Module,
    loss: Loss,
    *,
    optimizer: torch.optim.Optimizer,
    descent: Callable[[], Tensor],
    optim: OptimSection,
    clock: Clock,
) -> tuple[float, str]:
    """Leaves the gradient of a step, clipped, in the parameters: the loss, and what is wrong ("" where nothing is).

    descent: `backward` on the step's batch. A finite loss may have a gradient that is no number, so its length is
    looked at too; all numbers are fetched from the device at once. What is wrong must not be stepped along.
    """
    optimizer.zero_grad(set_to_none=True)
    numbers = {"the loss": descent()}
    if optim.sam:
        climbed = climb(module, rho=optim.sam)
        optimizer.zero_grad(set_to_none=True)
        numbers["the loss uphill (optim.sam)"] = descent()
        descend(module, climbed)
    with clock.part("step"):
        numbers["the gradient's length"] = _clipped(module, to=optim.clip_norm)
        if own := [p.grad for p in loss.parameters() if p.grad is not None]:
            numbers["the length of the loss's own gradient"] = torch.nn.utils.get_total_norm(own)
        found = torch.stack(list(numbers.values())).tolist()
    wrong = (f"{name} is {value}" for name, value in zip(numbers, found, strict=True) if not isfinite(value))
    return found[0], next(wrong, "")


def _clipped(module: nn.Module, *, to: float | None) -> Tensor:
    """The length that the gradient had, a scalar, after it is cut down to `to`."""
    length = torch.nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])
    if to:
        torch.nn.utils.clip_grads_with_norm_(module.parameters(), to, length)
    return length


def backward(
    module: nn.Module, loss: Loss, *, batch: Batch, through: float, clock: Clock, noise: int, n_parts: int
) -> Tensor:
    """The loss of a batch, a scalar, its gradients left in the parameters; computed in parts, one after another, of
    which each needs that much less memory. The same `noise` is the same dropout."""
    torch.manual_seed(noise)
    n, values = len(batch.seen), []
    for part in torch.arange(n, device=batch.seen.device).tensor_split(min(n_parts, n)):
        with clock.part("forward"):
            value = blended(
                loss,
                module(batch.seen[part]),
                labels=batch.labels,
                others=batch.others,
                share=batch.share,
                progress=through,
                part=part if n_parts > 1 else None,
            )
        with clock.part("backward"):
            value.backward()  # type: ignore[no-untyped-call]
        values.append(value.detach())
    return torch.stack(values).sum()
