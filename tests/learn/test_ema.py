from __future__ import annotations

import torch
from torch import nn

from trifacet.learn.ema import Ema


def test_the_average_follows_the_weights_as_the_formula_says() -> None:
    net = nn.BatchNorm1d(3)
    average, expected = Ema(net, 0.9), {k: v.clone() for k, v in net.state_dict().items() if v.is_floating_point()}
    for step in range(30):
        net.train()(torch.randn(8, 3, generator=torch.Generator().manual_seed(step)))
        with torch.no_grad():
            net.weight += 0.1
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = {k: decay * v + (1 - decay) * net.state_dict()[k] for k, v in expected.items()}
    assert {"weight", "bias", "running_mean", "running_var"} == set(average.state())
    assert all(torch.allclose(average.state()[k], v, atol=1e-6) for k, v in expected.items())


def test_the_average_changes_places_with_the_weights_and_back() -> None:
    net = nn.Linear(3, 2)
    tied = nn.ModuleDict({"a": net, "b": net})
    average = Ema(tied, 0.5)
    optimizer = torch.optim.SGD(tied.parameters(), lr=1.0)
    net(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    own, mean = net.weight.detach().clone(), average.state()["a.weight"].clone()
    assert not torch.equal(own, mean)
    for _ in range(2):  # whatever is asked twice is done once
        average.show()
        assert torch.equal(net.weight, mean)
    for _ in range(2):
        average.put_back()
        assert torch.equal(net.weight, own)
    optimizer.step()
    assert not torch.equal(net.weight, own)  # the optimiser still moves the network's own weights
    again = Ema(tied, 0.5)
    again.load(average.state())
    assert torch.equal(again.state()["a.weight"], mean)
