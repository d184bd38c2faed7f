from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from trifacet.core.recipe import LossSection, ModelSection, OptimSection
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.learn.clock import Clock
from trifacet.learn.losses import Labels, Loss, make_loss
from trifacet.learn.models import Head, answer_sizes
from trifacet.learn.step import Batch, backward, gradient

CPU = torch.device("cpu")
N = 14


def labels(seed: int, *, teachers: Mapping[str, int] | None = None) -> Labels:
    """Photos of every kind: classes or years missing on some, weights from 0 to 2, teachers for half of them."""
    rng = torch.Generator().manual_seed(seed)
    ages = 90 * torch.rand(N, generator=rng)
    drawn = [
        torch.randint(0, 3, (N,), generator=rng),
        torch.randint(0, 2, (N,), generator=rng),
        ages.ge(30) + ages.ge(60).long(),
    ]
    classes = torch.stack(drawn, dim=1)
    classes[::3, 0], classes[1::5, 1], classes[:4, 2] = -1, -1, -1
    ages[:7] = math.nan
    soft = {name: torch.rand(N, size, generator=rng).softmax(1) for name, size in (teachers or {}).items()}
    for probs in soft.values():
        probs[: N // 2] = math.nan
    return Labels(classes, ages, 2 * torch.rand(N, generator=rng), soft)


def whole_and_parts(n_parts: int, *, model: ModelSection, **told: Any) -> list[tuple[float, list[torch.Tensor]]]:
    torch.manual_seed(0)
    head = Head(5, answer_sizes(DEFAULT_SCHEMA, model), model=model).train()
    teachers = {"mask": 3} if told.get("teachers_share") else None
    own, others = labels(1, teachers=teachers), labels(2)
    loss = make_loss(DEFAULT_SCHEMA, LossSection(**told), classes=own.classes.numpy(), model=model)
    batch = Batch(torch.randn(N, 5), own, others, share=0.7)
    found = []
    for n in (1, n_parts):
        for module in (head, loss):
            module.zero_grad()
        clock = Clock(CPU)
        value = backward(head, loss, batch=batch, through=1.0, clock=clock, noise=3, n_parts=n)
        parameters = [*head.parameters(), *loss.parameters()]
        found.append((float(value), [p.grad.clone() for p in parameters if p.grad is not None]))
    return found


PLAIN = ModelSection(hidden=0, dropout=(0, 0))


@pytest.mark.parametrize("n_parts", [3, 64])
@pytest.mark.parametrize(
    ("model", "told"),
    [
        pytest.param(PLAIN, {}, id="as it is"),
        pytest.param(PLAIN, {"class_weights": "balanced"}, id="rare classes weigh more"),
        pytest.param(PLAIN, {"age_terms": {"years": 1, "mean": 0.1, "variance": 0.1, "focal": 1}}, id="terms of age"),
        pytest.param(PLAIN, {"balance": "uncertainty", "weights": {"age": 3}}, id="learned weights"),
        pytest.param(PLAIN, {"teachers_share": 0.3}, id="teachers of some"),
        pytest.param(
            PLAIN.model_copy(update={"head": "joint"}), {"terms": {"cross_entropy": 1, "ldam": 1}}, id="a joint head"
        ),
        pytest.param(
            PLAIN.model_copy(update={"dropout_samples": 3}), {"class_weights": "effective"}, id="several answers"
        ),
    ],
)
def test_a_step_in_parts_has_the_gradient_of_the_whole(n_parts: int, model: ModelSection, told: dict[str, Any]) -> None:
    (whole, expected), (value, found) = whole_and_parts(n_parts, model=model, **told)
    assert value == pytest.approx(whole, rel=1e-5)
    assert len(found) == len(expected) > 0
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, expected, strict=True))


def taken(net: nn.Module, descent, **optim: Any) -> tuple[float, str]:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = Loss(DEFAULT_SCHEMA, LossSection(), counts={}, rarity={})
    return gradient(net, loss, optimizer=optimizer, descent=descent, optim=OptimSection(**optim), clock=Clock(CPU))


def test_a_finite_loss_whose_gradient_is_no_number_is_told() -> None:
    net = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(net.weight)

    def length() -> torch.Tensor:
        value = net.weight.square().sum().sqrt()  # 0 at 0, where its slope is 0 / 0
        value.backward()
        return value.detach()

    for clip in (None, 5.0):
        assert taken(net, length, clip_norm=clip) == (0.0, "the gradient's length is nan")


def test_a_loss_that_is_no_number_uphill_is_told() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 0.99)

    def rising() -> torch.Tensor:
        value = -(1 - net.weight).log().sum()  # there is nothing from 1 on
        value.backward()
        return value.detach()

    number, wrong = taken(net, rising, sam=0.0)
    assert (number, wrong) == (pytest.approx(-math.log(0.01), rel=1e-4), "")
    assert taken(net, rising, sam=0.05)[1] == "the loss uphill (optim.sam) is nan"


def test_the_gradient_of_what_the_loss_learns_is_looked_at_too() -> None:
    net, loss = nn.Linear(1, 1), Loss(DEFAULT_SCHEMA, LossSection(balance="uncertainty"), counts={}, rarity={})
    optimizer = torch.optim.SGD([*net.parameters(), *loss.parameters()], lr=0.1)

    def descent() -> torch.Tensor:
        loss.log_variances["age"].grad = torch.tensor(math.inf)
        net(torch.ones(1, 1)).sum().backward()
        return torch.tensor(1.0)

    _, wrong = gradient(net, loss, optimizer=optimizer, descent=descent, optim=OptimSection(), clock=Clock(CPU))
    assert wrong == "the length of the loss's own gradient is inf"
