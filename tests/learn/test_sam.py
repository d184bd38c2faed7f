from __future__ import annotations

import pytest
import torch
from torch import nn

from trifacet.learn.sam import climb, descend


def test_the_gradient_is_taken_where_the_loss_is_highest_nearby() -> None:
    net = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[3.0, 4.0]]))
    (net.weight.square().sum() / 2).backward()  # its gradient is the weights themselves, of length 5
    before = climb(net, rho=0.5)
    assert torch.allclose(net.weight, torch.tensor([[3.3, 4.4]]))
    net.zero_grad()
    (net.weight.square().sum() / 2).backward()
    descend(net, before)
    assert net.weight.tolist() == [[3.0, 4.0]]
    assert net.weight.grad is not None
    assert net.weight.grad[0].tolist() == pytest.approx([3.3, 4.4])


def test_parameters_without_a_gradient_stay() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].requires_grad_(False)
    kept = net[0].weight.clone()
    net(torch.ones(1, 2)).sum().backward()
    before = climb(net, rho=1.0)
    assert len(before) == 2
    assert torch.equal(net[0].weight, kept)
    descend(net, before)
