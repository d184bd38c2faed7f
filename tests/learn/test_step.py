from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trifacet.core.recipe import LossSection
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema
from trifacet.learn.clock import Clock
from trifacet.learn.losses import Labels, make_loss
from trifacet.learn.step import Batch, backward


@pytest.mark.parametrize("n_parts", [3, 64])
def test_a_step_in_parts_has_the_gradient_of_the_whole(n_parts: int) -> None:
    torch.manual_seed(0)
    net, clock = torch.nn.Linear(5, 3), Clock(torch.device("cpu"), before=0.0)
    mask = LabelSchema(attributes=DEFAULT_SCHEMA.attributes[:1])
    loss = make_loss(mask, LossSection(), classes=np.array([[0], [1], [2]]))
    labels = [
        Labels(torch.arange(start, start + 7)[:, None] % 3, torch.full((7,), math.nan), torch.ones(7))
        for start in (0, 1)
    ]
    batch = Batch(torch.randn(7, 5), labels[0], labels[1], share=0.7)

    def gradient(n: int) -> tuple[float, torch.Tensor]:
        net.zero_grad()
        value = backward(Named(net), loss, batch=batch, through=0.0, clock=clock, noise=3, n_parts=n)
        assert net.weight.grad is not None
        return value, net.weight.grad.clone()

    (whole, expected), (value, found) = gradient(1), gradient(n_parts)
    assert value == pytest.approx(whole, rel=1e-5)
    assert torch.allclose(found, expected, atol=1e-6)


class Named(torch.nn.Module):
    """A module whose answers are those of `mask`."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, seen: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"mask": self.inner(seen)}
