"""What training minimises: for each attribute a sum of terms, age as a distribution over years."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from trifacet.core.errors import error, pick
from trifacet.core.recipe import LossSection, ModelSection, Weighing
from trifacet.core.schema import MISSING, IntArray, LabelSchema
from trifacet.learn.models import JOINT, year_bands
from trifacet.learn.terms import YEAR_TERMS as YEARS
from trifacet.learn.terms import Facts, class_term, cross_entropy


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

    def repeated(self, n: int) -> Labels:
        """The labels `n` times, one whole set after the other."""
        return self.rows(torch.arange(len(self.weights), device=self.weights.device).repeat(n)) if n > 1 else self

    def to(self, device: torch.device) -> Labels:
        """The labels on a device."""
        soft = {name: probs.to(device) for name, probs in self.soft.items()}
        return Labels(self.classes.to(device), self.age_years.to(device), self.weights.to(device), soft)


class Loss(nn.Module):
    """The loss of a recipe on one schema: for each answer a weighted sum of terms, summed over answers.

    counts: how many training photos each class has, (C,) for every attribute and (K,) for `joint`; rarity: what a
    photo's loss is multiplied by for its class, where classes are weighed; scale: of a cosine classifier's logits.
    """

    def __init__(
        self,
        schema: LabelSchema,
        recipe: LossSection,
        *,
        counts: Mapping[str, Tensor],
        rarity: Mapping[str, Tensor],
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.schema, self.recipe, self.counts, self.rarity, self.scale = schema, recipe, counts, rarity, scale
        named = [name for name in (*recipe.terms, *recipe.age_terms) if name not in YEARS]
        self.class_terms = {name: class_term(name) for name in named}
        self.class_terms["years"] = cross_entropy  # of age, where the network answers classes alone
        for name, n in counts.items():
            self.register_buffer(f"running_{name}", torch.zeros(3, len(n)) if "macro_f1" in named else None)
        learned = [a.name for a in schema.attributes] if recipe.balance == "uncertainty" else []
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in learned})

    def forward(self, logits: Mapping[str, Tensor], labels: Labels, *, progress: float = 1.0) -> Tensor:
        """The loss of a batch: a scalar. Missing labels count for nothing. progress: the share of training done.

        Several answers about each photo, one set after the other, are held to its labels each: a mean of their losses.
        Source of learned weights: Kendall et al. 2018, Multi-task learning using uncertainty, eq. 10.
        """
        labels = labels.repeated(len(next(iter(logits.values()))) // max(1, len(labels.weights)))
        if JOINT in logits:
            target = _joint_ids(labels.classes, self.schema)
            return self._answer(JOINT, logits[JOINT], target=target, labels=labels, progress=progress)
        total = logits[next(iter(logits))].new_zeros(())
        for i, attribute in enumerate(self.schema.attributes):
            name, target = attribute.name, labels.classes[:, i]
            one = self._answer(name, logits[name], target=target, labels=labels, progress=progress)
            if name in self.log_variances:
                log_variance = self.log_variances[name]
                one = (-log_variance).exp() * one + log_variance / 2
            total = total + self.recipe.weights.get(name, 1.0) * one
        return total

    def _answer(self, name: str, logits: Tensor, *, target: Tensor, labels: Labels, progress: float) -> Tensor:
        weights = labels.weights
        if name in self.rarity and progress >= self.recipe.reweight_from:
            weights = weights * self.rarity[name].to(target.device)[target.clamp_min(0)]
        is_age = self.schema.age is not None and name == self.schema.age.name
        if is_age and logits.shape[1] == len(self.schema.year_grid):
            hard = self._years(name, logits, target=target, years=labels.age_years, weights=weights)
        else:
            terms = self.recipe.age_terms if is_age else self.recipe.terms
            hard = self._classes(name, logits, target=target, weights=weights, terms=terms)
        return self._with_teachers(hard, name, logits=logits, labels=labels)

    def _classes(
        self, name: str, logits: Tensor, *, target: Tensor, weights: Tensor, terms: Mapping[str, float]
    ) -> Tensor:
        known, ids = weights * (target != MISSING), target.clamp_min(0)
        facts = self._facts(name, known)
        total = logits.new_zeros((), dtype=torch.float32)
        for term, weight in terms.items():
            total = total + weight * _weighted_mean(self.class_terms[term](logits, ids, facts=facts), known)
        return total

    def _facts(self, name: str, weights: Tensor) -> Facts:
        counts, running = self.counts[name].to(weights.device), getattr(self, f"running_{name}")
        grid = torch.from_numpy(self.schema.year_grid).to(weights)
        return Facts(self.recipe, counts, weights, grid, scale=self.scale, running=running)

    def _years(self, name: str, logits: Tensor, *, target: Tensor, years: Tensor, weights: Tensor) -> Tensor:
        """The terms of age on a distribution over years; where only the class is known, `years` is -log of its mass."""
        log_probs, whole = logits.float().log_softmax(dim=1), years.nan_to_num().floor()
        by_class, has_years = self._by_class(log_probs), ~years.isnan()
        total, facts = log_probs.new_zeros(()), self._facts(name, weights)
        for term, weight in self.recipe.age_terms.items():
            if term not in YEARS:
                one = self._classes(name, by_class, target=target, weights=weights, terms={term: 1.0})
            else:
                each, is_known = YEARS[term](log_probs, whole, facts=facts), has_years
                if term == "years":
                    of_class = -by_class.gather(1, target.clamp_min(0)[:, None])[:, 0]
                    each, is_known = torch.where(has_years, each, of_class), has_years | (target != MISSING)
                one = _weighted_mean(each, weights * is_known)
            total = total + weight * one
        return total

    def _by_class(self, log_probs: Tensor) -> Tensor:
        """Log-probabilities (B, C) of the age classes, of those of years (B, A)."""
        bands = year_bands(self.schema).to(log_probs)
        return (log_probs[:, None, :] + (bands + 1e-30).log()).logsumexp(dim=2)

    def _with_teachers(self, hard: Tensor, name: str, *, logits: Tensor, labels: Labels) -> Tensor:
        """The loss on labels mixed with the cross-entropy against what teachers answered, where they did.

        Source: Hinton et al. 2015, Distilling the knowledge in a neural network, at temperature 1.
        """
        if name not in labels.soft:
            return hard
        soft, log_probs = labels.soft[name], logits.float().log_softmax(dim=1)
        if soft.shape[1] > log_probs.shape[1]:  # years against classes of age: a class holds the mass of its years
            soft = soft @ year_bands(self.schema).to(soft).T
        elif soft.shape[1] < log_probs.shape[1]:
            log_probs = self._by_class(log_probs)
        is_known = ~soft.isnan().any(dim=1)
        each = -(soft.nan_to_num() * log_probs).sum(dim=1)
        share = self.recipe.teachers_share
        return (1 - share) * hard + share * _weighted_mean(each, labels.weights * is_known)


def blended(
    loss: Loss,
    logits: Mapping[str, Tensor],
    *,
    labels: Labels,
    others: Labels | None,
    share: float,
    progress: float = 1.0,
) -> Tensor:
    """The loss on mixed photos: `share` of that on their own labels, the rest of that on their partners' (`mixed`)."""
    own: Tensor = loss(logits, labels, progress=progress)
    if others is None:
        return own
    theirs: Tensor = loss(logits, others, progress=progress)
    return share * own + (1 - share) * theirs


def make_loss(
    schema: LabelSchema, recipe: LossSection, *, classes: IntArray, model: ModelSection | None = None
) -> Loss:
    """The loss of a recipe; counts and class weights come from the training classes (N, attributes).

    `balanced` weighs a class by N / (C n_c), `square_root` by its square root, `effective` by (1 - b) / (1 - b^n_c)
    with a mean of 1, b being `effective_beta` (Cui et al. 2019, Class-balanced loss); a class without photos weighs 0.

    Raises:
        ConfigError: TRI100, `loss.weights` or `loss.class_weights` names an attribute that the schema does not have;
        TRI101, not one weight a class; TRI105, an own term that cannot be imported.
    """
    told, attributes = recipe.class_weights, dict.fromkeys(schema.names)
    weighed = {**attributes, JOINT: None} if model and model.head == "joint" else attributes
    for key, (known, named) in {
        "loss.weights": (attributes, recipe.weights), "loss.class_weights": (weighed, told)
    }.items():  # fmt: skip
        for name in named if isinstance(named, dict) else ():
            pick(known, name, what="attribute", where=key)
    ids = {a.name: (classes[:, i], len(a.classes)) for i, a in enumerate(schema.attributes)}
    ids[JOINT] = (schema.encode(classes), schema.n_joint)
    counts = {name: np.bincount(column[column != MISSING], minlength=n) for name, (column, n) in ids.items()}
    ways = {name: told.get(name, "none") if isinstance(told, dict) else told for name in counts}
    rarity = {name: _rarity(counts[name], way, recipe=recipe, name=name) for name, way in ways.items() if way != "none"}
    scale = model.cosine_scale if model and model.classifier == "cosine" else 1.0
    as_tensors = {name: torch.from_numpy(n.astype(np.float32)) for name, n in counts.items()}
    return Loss(schema, recipe, counts=as_tensors, rarity=rarity, scale=scale)


def _rarity(counts: IntArray, way: Weighing | tuple[float, ...], *, recipe: LossSection, name: str) -> Tensor:
    """What a photo of each class is multiplied by, (C,)."""
    if isinstance(way, tuple):
        if len(way) != len(counts) or not any(way):
            what = f"'{name}' has {len(counts)} classes, and needs as many weights, not all 0"
            raise error("TRI101", what, where="loss.class_weights", got=list(way))
        return torch.tensor(way, dtype=torch.float32)
    n = np.maximum(counts, 1)
    if way == "effective":
        weights = (1 - recipe.effective_beta) / (1 - recipe.effective_beta**n)
        weights = weights / max(weights[counts > 0].mean(), 1e-12) if counts.any() else weights
    else:
        weights = (counts.sum() / (len(counts) * n)) ** (0.5 if way == "square_root" else 1.0)
    return torch.from_numpy(np.where(counts > 0, weights, 0).astype(np.float32))


def _weighted_mean(each: Tensor, weights: Tensor) -> Tensor:
    return (each * weights).sum() / weights.sum().clamp_min(1e-12)


def _joint_ids(classes: Tensor, schema: LabelSchema) -> Tensor:
    joint = torch.zeros_like(classes[:, 0])
    for column, size in zip(classes.T, schema.sizes, strict=True):
        joint = joint * size + column
    return torch.where((classes == MISSING).any(dim=1), MISSING, joint)
