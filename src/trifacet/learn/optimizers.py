"""The optimiser of a recipe. Importing this module does not import torch, so that names are checked in no time."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from trifacet.core.errors import error, nearest
from trifacet.core.recipe import OptimSection

if TYPE_CHECKING:
    import torch
    from torch import nn


def check_optimizer(name: str) -> str | None:
    """What is wrong with an optimiser's name, or None."""
    if name in ("adamw", "sgd") or not find_spec("timm") or name in (known := optimizers()):
        return None  # without the extra [train] nobody knows the others, and nobody can train with them
    near = nearest(name, known)
    return f"no optimiser '{name}'. " + (f"Did you mean '{near}'?" if near else "timm and torch.optim name them.")


def optimizers() -> list[str]:
    """Names of optimisers: those of timm, and torch's that timm has not, whose state a checkpoint can hold."""
    from timm.optim import list_optimizers  # type: ignore[attr-defined]

    untold = ("adahessian", "kron", "muon", "bnb", "fused")  # other states than tensors, or other packages
    names = [name for name in map(str, list_optimizers()) if not any(word in name for word in untold)]
    return sorted({*names, *TORCH_ONLY})


TORCH_ONLY = {"asgd": "ASGD", "rprop": "Rprop"}


def make_optimizer(
    parts: Iterable[tuple[nn.Module, float]], optim: OptimSection
) -> tuple[torch.optim.Optimizer, list[float]]:
    """The optimiser over (module, peak learning rate) pairs, and the peak of each of its groups.

    Weights decay; biases, norms and other one-dimensional parameters do not.

    Raises:
        ConfigError: TRI101, `optim.args` that the optimiser does not take.
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
    try:
        return _optimizer(groups, optim), peaks
    except (TypeError, ValueError) as problem:
        got = str(problem).splitlines()[0]
        raise error("TRI101", f"'{optim.name}' does not take these", where="optim.args", got=got) from None


def _optimizer(groups: list[dict[str, Any]], optim: OptimSection) -> torch.optim.Optimizer:
    import torch

    args: dict[str, Any] = dict(optim.args)
    if optim.name == "sgd":
        return torch.optim.SGD(groups, momentum=optim.momentum, **args)
    if optim.name == "adamw":
        is_fused = all(p.device.type in ("cpu", "cuda") for group in groups for p in group["params"])
        return torch.optim.AdamW(groups, fused=is_fused, **args)
    if optim.name in TORCH_ONLY:
        own: torch.optim.Optimizer = getattr(torch.optim, TORCH_ONLY[optim.name])(groups, **args)
        return own
    from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]

    return create_optimizer_v2(groups, opt=optim.name, lr=optim.lr, momentum=optim.momentum, **args)
