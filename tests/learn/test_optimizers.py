from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from trifacet.core.errors import ConfigError
from trifacet.core.recipe import OptimSection
from trifacet.learn.checkpoint import load_optimizer, optimizer_state
from trifacet.learn.optimizers import check_optimizer, make_optimizer, optimizers


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


POPULAR = [
    "sgd",
    "adam",
    "adamw",
    "nadamw",
    "radam",
    "lamb",
    "lion",
    "adamp",
    "adabelief",
    "rmsprop",
    "madgrad",
    "asgd",
]


@pytest.mark.parametrize("name", POPULAR)
def test_an_optimiser_goes_on_from_its_stored_tensors_as_if_never_stopped(name: str) -> None:
    def trained(n_steps: int, optimizer: torch.optim.Optimizer, net: nn.Module, *, first: int = 0) -> nn.Module:
        for step in range(first, first + n_steps):
            optimizer.zero_grad()
            net(torch.randn(8, 4, generator=torch.Generator().manual_seed(step))).square().mean().backward()
            optimizer.step()
        return net

    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        net = nn.Linear(4, 3)
        return net, make_optimizer([(net, 1e-2)], OptimSection(name=name))[0]

    net, optimizer = fresh()
    whole = trained(5, optimizer, net).weight
    first, before = fresh()
    trained(3, before, first)
    second, after = fresh()
    second.load_state_dict(first.state_dict())
    tensors, numbers = optimizer_state(before)
    assert tensors
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    load_optimizer(after, kept, numbers=json.loads(json.dumps(numbers)))
    assert torch.equal(trained(2, after, second, first=3).weight, whole)


def test_an_optimisers_own_arguments_are_passed_on() -> None:
    made, _ = make_optimizer([(parts()[1], 0.1)], OptimSection(name="sgd", args={"nesterov": True}))
    assert made.param_groups[0]["nesterov"] is True
    made, _ = make_optimizer([(parts()[1], 0.1)], OptimSection(name="lamb", args={"betas": [0.8, 0.9]}))
    assert tuple(made.param_groups[0]["betas"]) == (0.8, 0.9)
    with pytest.raises(ConfigError) as told:
        make_optimizer([(parts()[1], 0.1)], OptimSection(args={"betta": 1}))
    assert str(told.value).startswith("TRI101 optim.args: 'adamw' does not take these, got ")


def test_names_of_optimisers_are_checked() -> None:
    assert {*POPULAR} <= {*optimizers()}
    assert check_optimizer("lamb") is None
    assert check_optimizer("adanw") is None
    assert check_optimizer("lambb") == "no optimiser 'lambb'. Did you mean 'lamb'?"
    assert check_optimizer("kron") is not None  # its state is no tensor


def test_names_that_only_an_absent_package_knows_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifacet.learn.optimizers.find_spec", lambda _: None)
    assert check_optimizer("lambb") is None
