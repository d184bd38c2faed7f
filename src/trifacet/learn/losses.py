"""What training minimises: one cross-entropy per attribute, age as a distribution over years."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trifacet.core.errors import pick
from trifacet.core.recipe import LossSection
from trifacet.core.schema import MISSING, FloatArray, IntArray, LabelSchema
from trifacet.learn.models import JOINT, year_bands


@dataclass(frozen=True)
class Labels:
    """Labels of a batch: class ids (B, attributes) int64 with MISSING, ages (B,) in years with NaN, weights (B,).

    soft: what teachers answer, by attribute and `joint`: probabilities (B, classes or years), NaN where they do not.
    """

    classes: Tensor
    age_years: Tensor
    weights: Tensor
    soft: Mapping[str, Tensor] = field(default_factory=dict)

    def rows(self, index: Tensor) -> Labels:
        """The labels of these rows."""
        soft = {name: probs[index] for name, probs in self.soft.items()}
        return Labels(self.classes[index], self.age_years[index], self.weights[index], soft)

    def to(self, device: torch.device) -> Labels:
        """The labels on a device."""
        soft = {name: probs.to(device) for name, probs in self.soft.items()}
        return Labels(self.classes.to(device), self.age_years.to(device), self.weights.to(device), soft)


@dataclass(frozen=True)
class Loss:
    """The loss of a recipe on one schema; `class_weights` holds one (C,) tensor per attribute, and `joint`'s (K,)."""

    schema: LabelSchema
    recipe: LossSection
    class_weights: Mapping[str, Tensor]

    def __call__(self, logits: Mapping[str, Tensor], labels: Labels) -> Tensor:
        """The weighted mean over the batch of the sum over answers: a scalar. Missing labels count for nothing."""
        if JOINT in logits:
            target = _joint_ids(labels.classes, self.schema)
            hard = self._classes(JOINT, logits[JOINT], target=target, weights=labels.weights)
            return self._with_teachers(hard, JOINT, logits=logits[JOINT], labels=labels)
        total = logits[next(iter(logits))].new_zeros(())
        for i, attribute in enumerate(self.schema.attributes):
            weight = self.recipe.weights.get(attribute.name, 1.0)
            answer, target = logits[attribute.name], labels.classes[:, i]
            if attribute.edges is None:
                hard = self._classes(attribute.name, answer, target=target, weights=labels.weights)
            else:
                hard = self._years(attribute.name, answer, band=target, labels=labels)
            total = total + weight * self._with_teachers(hard, attribute.name, logits=answer, labels=labels)
        return total

    def _with_teachers(self, hard: Tensor, name: str, *, logits: Tensor, labels: Labels) -> Tensor:
        """The loss on labels mixed with the cross-entropy against what teachers answered, where they did.

        Source: Hinton et al. 2015, Distilling the knowledge in a neural network, at temperature 1.
        """
        if name not in labels.soft:
            return hard
        soft, log_probs = labels.soft[name], logits.float().log_softmax(dim=1)
        if soft.shape[1] != log_probs.shape[1]:  # classes of age against years: a class holds the mass of its years
            bands = year_bands(self.schema).to(log_probs)
            log_probs = (log_probs[:, None, :] + (bands + 1e-30).log()).logsumexp(dim=2)
        is_known = ~soft.isnan().any(dim=1)
        each = -(soft.nan_to_num() * log_probs).sum(dim=1)
        share = self.recipe.teachers_share
        return (1 - share) * hard + share * _weighted_mean(each, labels.weights, is_known=is_known)

    def _classes(self, name: str, logits: Tensor, *, target: Tensor, weights: Tensor) -> Tensor:
        each = F.cross_entropy(
            logits.float(), target, reduction="none", ignore_index=MISSING, label_smoothing=self.recipe.label_smoothing
        )
        return _weighted_mean(each, weights * self._rarity(name, target), is_known=target != MISSING)

    def _years(self, name: str, logits: Tensor, *, band: Tensor, labels: Labels) -> Tensor:
        """Cross-entropy against a Gaussian around the labelled year, mixed with -log of the mass of its class.

        Where only the class is known its mass counts alone.

        Source: Gao et al. 2017, Deep label distribution learning with label ambiguity.
        """
        log_probs = logits.float().log_softmax(dim=1)
        grid = torch.from_numpy(self.schema.year_grid).to(log_probs)
        has_years = ~labels.age_years.isnan()
        years = labels.age_years.nan_to_num().floor()
        width = max(self.recipe.age_sigma_years, 1e-3)
        target = (-((grid - years[:, None]) ** 2) / (2 * width**2)).softmax(dim=1)
        smoothing = self.recipe.label_smoothing
        target = target * (1 - smoothing) + smoothing / len(grid)
        by_year = -(target * log_probs).sum(dim=1)
        bands = year_bands(self.schema).to(log_probs)[band.clamp_min(0)]
        by_band = -(log_probs + (bands + 1e-30).log()).logsumexp(dim=1)
        share = self.recipe.age_band_share
        each = torch.where(has_years, (1 - share) * by_year + share * by_band, by_band)
        return _weighted_mean(each, labels.weights * self._rarity(name, band), is_known=has_years | (band != MISSING))

    def _rarity(self, name: str, target: Tensor) -> Tensor | float:
        if name not in self.class_weights:
            return 1.0
        return self.class_weights[name].to(target.device)[target.clamp_min(0)]


def blended(loss: Loss, logits: Mapping[str, Tensor], *, labels: Labels, others: Labels | None, share: float) -> Tensor:
    """The loss on mixed photos: `share` of that on their own labels, the rest of that on their partners' (`mixed`)."""
    if others is None:
        return loss(logits, labels)
    return share * loss(logits, labels) + (1 - share) * loss(logits, others)


def make_loss(schema: LabelSchema, recipe: LossSection, *, classes: IntArray) -> Loss:
    """The loss of a recipe; class weights come from the training classes (N, attributes).

    `balanced` weighs a class by N / (C n_c), `square_root` by its square root; a class without photos weighs 0.

    Raises:
        ConfigError: TRI100, `loss.weights` or `loss.class_weights` names an attribute that the schema does not have.
    """
    told, attributes = recipe.class_weights, {a.name: a for a in schema.attributes}
    for key, named in {"loss.weights": recipe.weights, "loss.class_weights": told}.items():
        for name in named if isinstance(named, dict) else ():
            pick(attributes, name, what="attribute", where=key)
    columns = {a.name: (classes[:, i], len(a.classes)) for i, a in enumerate(schema.attributes)}
    columns[JOINT] = (schema.encode(classes), schema.n_joint)
    ways = {name: told if isinstance(told, str) else told.get(name, "none") for name in columns}
    weights = {
        name: torch.from_numpy(_rarity(ids, n, power=POWERS[ways[name]]))
        for name, (ids, n) in columns.items()
        if ways[name] != "none"
    }
    return Loss(schema, recipe, weights)


POWERS = {"balanced": 1.0, "square_root": 0.5}


def _rarity(ids: IntArray, n_classes: int, *, power: float) -> FloatArray:
    counts = np.bincount(ids[ids != MISSING], minlength=n_classes).astype(np.float32)
    rarity = counts.sum() / (n_classes * np.maximum(counts, 1))
    return np.where(counts > 0, rarity**power, 0).astype(np.float32)


def _weighted_mean(each: Tensor, weights: Tensor, *, is_known: Tensor) -> Tensor:
    weights = weights * is_known
    return (each * weights).sum() / weights.sum().clamp_min(1e-12)


def _joint_ids(classes: Tensor, schema: LabelSchema) -> Tensor:
    joint = torch.zeros_like(classes[:, 0])
    for column, size in zip(classes.T, schema.sizes, strict=True):
        joint = joint * size + column
    return torch.where((classes == MISSING).any(dim=1), MISSING, joint)
