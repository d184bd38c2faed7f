"""The optimiser of a recipe and how its learning rate moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trifacet.core.recipe import OptimSection, ScheduleSection


def make_optimizer(
    parts: Iterable[tuple[nn.Module, float]], optim: OptimSection
) -> tuple[torch.optim.Optimizer, list[float]]:
    """The optimiser over (module, peak learning rate) pairs, and the peak of each of its groups.

    Weights decay; biases, norms and other one-dimensional parameters do not.
    """
    groups: list[dict[str, Any]] = []
    peaks = []
    for module, lr in parts:
        trained = [p for p in module.parameters() if p.requires_grad]
        for decay, chosen in (
            (optim.weight_decay, [p for p in trained if p.ndim > 1]),
            (0.0, [p for p in trained if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": lr, "weight_decay": decay})
                peaks.append(lr)
    if optim.name == "sgd":
        return torch.optim.SGD(groups, momentum=optim.momentum), peaks
    is_fused = all(p.device.type in ("cpu", "cuda") for group in groups for p in group["params"])
    return torch.optim.AdamW(groups, fused=is_fused), peaks


def lr_schedule(schedule: ScheduleSection, n_steps: int, *, steps_per_epoch: int) -> Callable[[int], float]:
    """A step's (from 0) share of the peak learning rate."""
    return lambda step: lr_factor(step, n_steps, schedule=schedule, steps_per_epoch=steps_per_epoch)


def lr_factor(step: int, n_steps: int, *, schedule: ScheduleSection, steps_per_epoch: int) -> float:
    """The share of the peak learning rate at `step` (from 0) of `n_steps`, in (0, 1].

    one_cycle: a cosine up from 1/25 over the warm-up, a cosine down to 1e-5; cosine: a line up from near 0, a cosine
    down to 0; step: `gamma` at every `step_epochs`. Source: Smith and Topin 2018 (one cycle).
    """
    warmup = round(schedule.warmup * n_steps)
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "step":
        return schedule.gamma ** (step // (schedule.step_epochs * steps_per_epoch))
    through = (step - warmup) / max(1, n_steps - warmup)
    if schedule.name == "cosine":
        return (step + 1) / (warmup + 1) if step < warmup else _cosine(1.0, 0.0, through=through)
    return _cosine(1 / 25, 1.0, through=step / warmup) if step < warmup else _cosine(1.0, 1e-5, through=through)


def _cosine(start: float, end: float, *, through: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * through)) / 2


class Ema:
    """An exponential moving average of a module's floating-point tensors, batch-norm statistics included.

    Early steps count for more: after `step` steps the decay is at most (1 + step) / (10 + step). Source: the average of
    Polyak and Juditsky 1992, with the warm-up that TensorFlow's ExponentialMovingAverage has.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        named: dict[int, tuple[str, Tensor]] = {}
        for name, tensor in module.state_dict(keep_vars=True).items():
            if tensor.is_floating_point():
                named.setdefault(id(tensor), (name, tensor))  # tied tensors once
        self._names, self._live = zip(*named.values(), strict=True)
        self._mean = [t.detach().clone() for t in self._live]
        self._is_shown = False

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the module's tensors after `step` steps of this phase."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mean, [t.detach() for t in self._live], 1 - decay)

    def show(self) -> None:
        """The module holds the average from now on."""
        self._swap(is_shown=True)

    def put_back(self) -> None:
        """The module holds its own tensors again."""
        self._swap(is_shown=False)

    @torch.no_grad()
    def _swap(self, *, is_shown: bool) -> None:
        if self._is_shown is is_shown:  # so that an interrupt between the two does no harm
            return
        for live, mean in zip(self._live, self._mean, strict=True):
            live.data, mean.data = mean.data, live.data
        self._is_shown = is_shown

    def state(self) -> dict[str, Tensor]:
        """The average by the names of the module's tensors."""
        return dict(zip(self._names, self._mean, strict=True))

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts a stored average back."""
        for name, mean in self.state().items():
            mean.copy_(tensors[name])
