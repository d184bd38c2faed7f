"""A running mean of a network's weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


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
