from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from trifacet.core.recipe import OptimSection, ScheduleSection
from trifacet.learn.optim import Ema, lr_factor, make_optimizer

HALF = math.sin(math.pi / 150) ** 2  # a cosine one step before its end, of 75


def parts() -> tuple[nn.Module, nn.Module]:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), nn.Linear(4, 2)


def test_weights_decay_and_biases_and_norms_do_not() -> None:
    trunk, head = parts()
    trunk[0].bias.requires_grad_(False)
    optimizer, peaks = make_optimizer([(trunk, 0.1), (head, 0.3)], OptimSection(weight_decay=0.05))
    assert isinstance(optimizer, torch.optim.AdamW)
    assert peaks == [0.1, 0.1, 0.3, 0.3]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.05, 0, 0.05, 0]
    assert [[tuple(p.shape) for p in group["params"]] for group in optimizer.param_groups] == [
        [(4, 3, 3, 3)],
        [(4,), (4,)],  # the norm's; the frozen bias is in no group
        [(2, 4)],
        [(2,)],
    ]


def test_sgd_has_its_momentum() -> None:
    optimizer, _ = make_optimizer([(parts()[1], 0.1)], OptimSection(name="sgd", momentum=0.8))
    assert isinstance(optimizer, torch.optim.SGD)
    assert {group["momentum"] for group in optimizer.param_groups} == {0.8}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param({"name": "one_cycle"}, {0: 0.04, 25: 1.0, 62.5: (1 + 1e-5) / 2, 99: 1e-5 + HALF}, id="one cycle"),
        pytest.param({"name": "one_cycle", "warmup": 0.5}, {0: 0.04, 25: 0.52, 50: 1.0, 75: 0.500005}, id="warm-up"),
        pytest.param({"name": "one_cycle", "warmup": 0}, {0: 1.0, 50: 0.500005}, id="no warm-up"),
        pytest.param({"name": "cosine"}, {0: 1 / 26, 24: 25 / 26, 25: 1.0, 62.5: 0.5, 99: HALF}, id="cosine"),
        pytest.param(
            {"name": "step", "step_epochs": 2, "gamma": 0.1}, {0: 1, 19: 1, 20: 0.1, 39: 0.1, 40: 0.01}, id="step"
        ),
        pytest.param({"name": "constant"}, {0: 1, 99: 1}, id="constant"),
    ],
)
def test_the_learning_rate_at_start_peak_and_end(schedule: dict, expected: dict[float, float]) -> None:
    shape = ScheduleSection(**schedule)
    for step, factor in expected.items():
        assert lr_factor(step, 100, schedule=shape, steps_per_epoch=10) == pytest.approx(factor, abs=1e-5), step


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "step", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_the_learning_rate_stays_above_0_and_at_most_the_peak(name: str, warmup: float, n_steps: int) -> None:
    shape = ScheduleSection(name=name, warmup=warmup)
    factors = [lr_factor(step, n_steps, schedule=shape, steps_per_epoch=1) for step in range(n_steps)]
    assert all(0 < factor <= 1 for factor in factors)


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
