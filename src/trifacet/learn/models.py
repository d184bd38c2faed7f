"""The network: a backbone and a head, and how its answers become probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifacet.core.errors import error
from trifacet.core.recipe import ModelSection
from trifacet.core.recipe_photos import DataSection
from trifacet.core.schema import LabelSchema
from trifacet.learn.backbones import build_backbone
from trifacet.learn.device import precision
from trifacet.learn.inputs import Inputs
from trifacet.learn.pooling import make_pool
from trifacet.learn.stages import freeze, keep_still

JOINT = "joint"  # the answer's name in a head that knows the joint classes only


class Head(nn.Module):
    """Features to logits: standardise, dropout, hidden layers (none, one or more), dropout, and an answer per name.

    The answer called `steps` is a chain of steps from year to year. In training, `n_samples` dropout masks lie over
    each feature: that many answers about a batch, one after the other, whose losses are averaged (`Loss`).
    Source: Inoue 2019, Multi-sample dropout for accelerated training and better generalization, section 3.

    The mean and deviation of the features are set once (`standardise`), so that the layers see unit scale.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_features: int, sizes: Mapping[str, int], *, model: ModelSection, steps: str = "") -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))
        before, after = model.dropout
        width = model.hidden or n_features
        widths = [n_features, *[width] * model.hidden_layers] if model.hidden else []
        hidden = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.GELU())]
        self.hidden = nn.Sequential(nn.Dropout(before), *hidden, nn.Dropout(after))
        self.steps, self.n_samples = steps, model.dropout_samples
        answers = {name: size - (name == steps) for name, size in sizes.items()}
        make = partial(CosineLinear, scale=model.cosine_scale) if model.classifier == "cosine" else nn.Linear
        self.answers = nn.ModuleDict({name: make(width, size) for name, size in answers.items()})

    def standardise(self, features: Tensor) -> None:
        """Takes over the mean and deviation of these features (N, n_features)."""
        self.mean.copy_(features.mean(dim=0))
        self.std.copy_(features.std(dim=0).clamp_min(1e-4))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Logits (B, size) per name, of features (B, n_features); in training (n_samples * B, size)."""
        scaled = (features - self.mean) / self.std
        hidden = self.hidden(scaled.repeat(self.n_samples, 1) if self.training and self.n_samples > 1 else scaled)
        logits = {name: answer(hidden) for name, answer in self.answers.items()}
        return {name: year_log_probs(answer) if name == self.steps else answer for name, answer in logits.items()}


class CosineLinear(nn.Module):
    """Features (B, n) to `scale` times the cosine of their angle to each of `size` directions, (B, size)."""

    def __init__(self, n_features: int, size: int, *, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size, n_features))
        self.scale = scale
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new directions."""
        nn.init.xavier_uniform_(self.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, size), from -scale to scale."""
        return self.scale * F.linear(F.normalize(features), F.normalize(self.weight))


def year_log_probs(steps: Tensor) -> Tensor:
    """Log-probabilities (B, A) of years from the A - 1 logits of going on from each year to a later one.

    Their cross-entropy is the sum of the conditional tasks. Source: Shi et al. 2023, Deep neural networks for rank-
    consistent ordinal regression based on conditional probabilities (CORN), eq. 3 to 5.
    """
    stays, goes = F.logsigmoid(-steps.float()), F.logsigmoid(steps.float())
    reached = F.pad(goes.cumsum(dim=1), (1, 0))
    return reached + F.pad(stays, (0, 1))


class Net(nn.Module):
    """Photos to logits: float images (B, 3, H, W) RGB in 0..255 to logits (B, size) per name."""

    def __init__(
        self,
        backbone: nn.Module,
        head: Head,
        *,
        uses_levels: bool,
        inputs: Inputs | None = None,
        pool: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.inputs = inputs or Inputs(DataSection())
        self.backbone = backbone
        self.pool = pool
        self.head = head
        self.uses_levels = uses_levels
        self.amp: Literal["auto", "off"] = "off"  # training sets it; answers are computed in float32 everywhere

    def features(self, images: Tensor) -> Tensor:
        """What the head reads: (B, n_features) float32."""
        images = self.inputs(images)
        with precision(images.device, self.amp):
            if self.uses_levels:
                features: Tensor = self.backbone.level_features(images)  # type: ignore[operator]
            else:
                features = self.backbone(images, self.pool) if self.pool else self.backbone(images)
        return features.float()

    def train(self, mode: bool = True) -> Self:
        """In training mode what is not trained stays as it answers."""
        super().train(mode)
        if mode:
            keep_still(self.backbone)
        return self

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits (B, size) per name."""
        logits: dict[str, Tensor] = self.head(self.features(images))
        return logits


def answer_sizes(schema: LabelSchema, model: ModelSection) -> dict[str, int]:
    """How many numbers each answer of the head has: classes per attribute, years for age; or the joint classes."""
    if model.head == "joint":
        return {JOINT: schema.n_joint}
    has_years = model.age != "bands"
    return {a.name: len(schema.year_grid) if a.edges and has_years else len(a.classes) for a in schema.attributes}


def build_net(schema: LabelSchema, model: ModelSection, *, data: DataSection | None = None) -> Net:
    """The network of a recipe, from its starting weights. data: which part it takes of a photo, and how it normalises.

    Raises:
        ConfigError: TRI100, TRI101, TRI105. RunError: TRI403.
    """
    backbone = build_backbone(model)
    uses_levels = model.features == "levels"
    if uses_levels and not hasattr(backbone, "level_features"):
        do = "Use a face backbone, or model.features: last."
        raise error("TRI101", f"'{model.backbone}' has no levels", where="model.features", do=do)
    freeze(backbone, model)
    n_features: Any = backbone.n_level_features if uses_levels else backbone.n_features
    steps = schema.age.name if schema.age and model.age == "corn" and model.head != "joint" else ""
    head = Head(n_features, answer_sizes(schema, model), model=model, steps=steps)
    pool = _make_pool(backbone, model) if model.pooling != "backbone" else None
    return Net(backbone, head, uses_levels=uses_levels, inputs=Inputs(data or DataSection()), pool=pool)


def _make_pool(backbone: nn.Module, model: ModelSection) -> nn.Module:
    n_channels: Any = getattr(backbone, "n_channels", None)
    if not isinstance(n_channels, int):
        what = f"'{model.backbone}' has no attribute n_channels, so its maps cannot be pooled"
        do = "Use model.pooling: backbone, or let its forward(images, pool) give pool maps (B, n_channels, places)."
        raise error("TRI101", what, where="model.pooling", do=do)
    return make_pool(model, n_channels)


def answer_probs(logits: Mapping[str, Tensor], schema: LabelSchema) -> tuple[Tensor, Tensor | None]:
    """Joint probabilities (B, K) and the year distribution (B, A; None without one) of a head's logits.

    Attributes are taken as independent given the photo; an age class holds the mass of its years.
    """
    if JOINT in logits:
        return logits[JOINT].float().softmax(dim=1), None
    years: Tensor | None = None
    joint: Tensor | None = None
    for attribute in schema.attributes:
        probs = logits[attribute.name].float().softmax(dim=1)
        if attribute.edges and probs.shape[1] == len(schema.year_grid):
            years = probs
            probs = year_bands(schema).to(probs.device) @ probs.T
            probs = probs.T
        joint = probs if joint is None else (joint[:, :, None] * probs[:, None, :]).flatten(1)
    assert joint is not None
    return joint, years


def year_bands(schema: LabelSchema) -> Tensor:
    """(C, A) float32, 1 where a year of the grid belongs to an age class."""
    assert schema.age is not None
    bands = torch.from_numpy(schema.age.band(schema.year_grid))
    return nn.functional.one_hot(bands, len(schema.age.classes)).T.float()
