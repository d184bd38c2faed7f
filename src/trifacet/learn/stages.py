"""The parts of a backbone from input to output: which of them are trained, from which epoch on, and how fast.

timm's models tell their own (`group_matcher`), the package's backbones too; of a backbone that does not, each child is
one part, in the order they were made. Parts are counted from 0 at the input. *Stages* are coarse (the four of a ResNet
behind its stem), *layers* fine (each of its blocks); a transformer's blocks are both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from trifacet.core.errors import error
from trifacet.core.recipe import ModelSection
from trifacet.learn.convnets import TimmTrunk
from trifacet.learn.joined import Joined

REST = [(r".", (99999,))]  # timm's mark of what belongs to the part before it: a last norm


def parts_of(backbone: nn.Module, *, is_fine: bool = False) -> dict[str, int]:
    """The number of the stage (or layer) that each parameter of the backbone belongs to, by its name.

    Backbones side by side end together: the last stage of one counts as the last of the other.
    """
    if isinstance(backbone, Joined):
        each = [parts_of(trunk, is_fine=is_fine) for trunk in backbone.trunks]
        lasts = [max(numbers.values(), default=-1) for numbers in each]
        later = [max(lasts) - last for last in lasts]
        return {f"trunks.{i}.{k}": n + later[i] for i, numbers in enumerate(each) for k, n in numbers.items()}
    trunk = backbone.trunk if isinstance(backbone, TimmTrunk) else backbone
    own: Any = getattr(trunk, "group_matcher", None)
    if own is None:
        numbers = _in_order([name for name, _ in trunk.named_parameters()], getattr(trunk, "feature_info", ()))
    else:
        from timm.models import group_parameters

        numbers = group_parameters(trunk, {**own(coarse=not is_fine), "rest": REST}, reverse=True)
    prefix = "" if trunk is backbone else "trunk."
    return {name: numbers[name.removeprefix(prefix)] for name, _ in backbone.named_parameters()}


def _in_order(names: Iterable[str], told: Any) -> dict[str, int]:
    """Each child is a part; where timm tells modules of features, these are, and what follows one belongs to it."""
    modules = [f"{one['module']}." for one in told]
    numbers: dict[str, int] = {}
    found, last = list[str](), ""
    for name in names:
        child = name.partition(".")[0]
        part = next((module for module in modules if name.startswith(module)), last if last in modules else child)
        if part not in found:
            found.append(part)
        numbers[name], last = found.index(part), part
    return numbers


def n_parts(backbone: nn.Module) -> int:
    """How many stages it has."""
    return 1 + max(parts_of(backbone).values(), default=-1)


def freeze(backbone: nn.Module, model: ModelSection) -> None:
    """What lies before the last `model.trained_stages` stages stands still from now on. Raises ConfigError TRI101."""
    if model.trained_stages is None:
        return
    stages, n = parts_of(backbone), n_parts(backbone)
    if model.trained_stages > n:
        what = f"'{model.backbone}' has {n} stages"
        raise error("TRI101", what, where="model.trained_stages", got=model.trained_stages)
    for name, parameter in backbone.named_parameters():
        if stages[name] < n - model.trained_stages:
            parameter.requires_grad_(False)


def unfreezing(backbone: nn.Module, *, every: int) -> Callable[[int], None]:
    """What lets go of the last stage in epoch 0, and of one more each `every` epochs; called at each epoch's start.

    It is a function of the epoch alone. What stands still when this is called does so for good; every 0: nothing else.

    Source: Howard and Ruder 2018, Universal language model fine-tuning for text classification, section 3.3.
    """
    if not every:
        return lambda _: None
    stages, last = parts_of(backbone), n_parts(backbone) - 1
    learned = {name: parameter for name, parameter in backbone.named_parameters() if parameter.requires_grad}

    def begin(epoch: int) -> None:
        for name, parameter in learned.items():
            parameter.requires_grad_(stages[name] >= last - epoch // every)

    return begin


def keep_still(module: nn.Module) -> None:
    """What is not trained answers as it does when it predicts: its norms take in no statistics, its dropout is off."""
    own = list(module.parameters())
    if own and not any(parameter.requires_grad for parameter in own):
        module.eval()
        return
    for child in module.children():
        keep_still(child)


def with_rates(backbone: nn.Module, *, lr: float, decay: float) -> tuple[tuple[nn.Module, float], ...]:
    """The backbone with its learning rate; with a `decay`, its layers with theirs.

    The last layer has `lr`, each before it `decay` times that of the next. Source: Howard and Ruder 2018, section 3.2;
    for transformers Bao et al. 2022, BEiT, appendix.
    """
    if decay == 1:
        return ((backbone, lr),)
    layers = parts_of(backbone, is_fine=True)
    last, grouped = max(layers.values()), dict[int, list[nn.Parameter]]()
    for name, parameter in backbone.named_parameters():
        grouped.setdefault(layers[name], []).append(parameter)
    return tuple((nn.ParameterList(grouped[i]), lr * decay ** (last - i)) for i in sorted(grouped))
