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


@dataclass(frozen=True)
class _Held:
    """What an answer is held to: class ids (B,) with MISSING, ages (B,) with NaN, and how much a photo counts (B,)."""

    target: Tensor
    years: Tensor
    weights: Tensor

    @property
    def has_years(self) -> Tensor:
        """Whose age is known in years, (B,)."""
        return ~self.years.isnan()

    @property
    def known(self) -> Tensor:
        """The weights for a term on classes, (B,), 0 where the class is not known."""
        return self.weights * (self.target != MISSING)

    def aged(self, term: str) -> Tensor:
        """The weights for a term on years, (B,); `years` is content with a class."""
        return self.weights * (self.has_years | (self.target != MISSING) if term == "years" else self.has_years)


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

    def forward(
        self,
        logits: Mapping[str, Tensor],
        labels: Labels,
        *,
        progress: float = 1.0,
        whole: Labels | None = None,
    ) -> Tensor:
        """The loss of a batch: a scalar. Missing labels count for nothing. progress: the share of training done.

        whole: the labels of the batch that these photos are a part of, so that the losses of its parts add up to that
        of all of it. Several answers about each photo, one set after the other, are held to its labels each: a mean of
        their losses. Source of learned weights: Kendall et al. 2018, Multi-task learning using uncertainty, eq. 10.
        """
        n_sets = len(next(iter(logits.values()))) // max(1, len(labels.weights))
        part = len(labels.weights) / max(1, len(whole.weights)) if whole else 1.0
        labels, of = labels.repeated(n_sets), whole.repeated(n_sets) if whole else None
        if JOINT in logits:
            return self._answer(JOINT, logits[JOINT], labels=labels, whole=of, progress=progress)
        total = logits[next(iter(logits))].new_zeros(())
        for name in self.schema.names:
            one = self._answer(name, logits[name], labels=labels, whole=of, progress=progress)
            if name in self.log_variances:
                log_variance = self.log_variances[name]
                one = (-log_variance).exp() * one + part * log_variance / 2
            total = total + self.recipe.weights.get(name, 1.0) * one
        return total

    def _answer(self, name: str, logits: Tensor, *, labels: Labels, whole: Labels | None, progress: float) -> Tensor:
        held = self._held(name, labels, progress=progress)
        of = self._held(name, whole, progress=progress) if whole else held
        is_age = self.schema.age is not None and name == self.schema.age.name
        if is_age and logits.shape[1] == len(self.schema.year_grid):
            hard = self._years(name, logits, held=held, of=of)
        else:
            terms = self.recipe.age_terms if is_age else self.recipe.terms
            hard = self._classes(name, logits, held=held, of=of, terms=terms)
        return self._with_teachers(hard, name, logits=logits, labels=labels, whole=whole or labels)

    def _held(self, name: str, labels: Labels, *, progress: float) -> _Held:
        is_joint = name == JOINT
        target = (
            _joint_ids(labels.classes, self.schema) if is_joint else labels.classes[:, self.schema.names.index(name)]
        )
        weights = labels.weights
        if name in self.rarity and progress >= self.recipe.reweight_from:
            weights = weights * self.rarity[name].to(target.device)[target.clamp_min(0)]
        return _Held(target, labels.age_years, weights)

    def _classes(self, name: str, logits: Tensor, *, held: _Held, of: _Held, terms: Mapping[str, float]) -> Tensor:
        ids, facts = held.target.clamp_min(0), self._facts(name, held.known)
        total = logits.new_zeros((), dtype=torch.float32)
        for term, weight in terms.items():
            each = self.class_terms[term](logits, ids, facts=facts)
            total = total + weight * _weighted_mean(each, held.known, of=of.known)
        return total

    def _facts(self, name: str, weights: Tensor) -> Facts:
        counts, running = self.counts[name].to(weights.device), getattr(self, f"running_{name}")
        grid = torch.from_numpy(self.schema.year_grid).to(weights)
        return Facts(self.recipe, counts, weights, grid, scale=self.scale, running=running)

    def _years(self, name: str, logits: Tensor, *, held: _Held, of: _Held) -> Tensor:
        """The terms of age on a distribution over years; where only the class is known, `years` is -log of its mass."""
        log_probs, whole_years = logits.float().log_softmax(dim=1), held.years.nan_to_num().floor()
        by_class = self._by_class(log_probs)
        total, facts = log_probs.new_zeros(()), self._facts(name, held.weights)
        for term, weight in self.recipe.age_terms.items():
            if term not in YEARS:
                one = self._classes(name, by_class, held=held, of=of, terms={term: 1.0})
            else:
                each = YEARS[term](log_probs, whole_years, facts=facts)
                if term == "years":
                    of_class = -by_class.gather(1, held.target.clamp_min(0)[:, None])[:, 0]
                    each = torch.where(held.has_years, each, of_class)
                one = _weighted_mean(each, held.aged(term), of=of.aged(term))
            total = total + weight * one
        return total

    def _by_class(self, log_probs: Tensor) -> Tensor:
        """Log-probabilities (B, C) of the age classes, of those of years (B, A)."""
        bands = year_bands(self.schema).to(log_probs)
        return (log_probs[:, None, :] + (bands + 1e-30).log()).logsumexp(dim=2)

    def _with_teachers(self, hard: Tensor, name: str, *, logits: Tensor, labels: Labels, whole: Labels) -> Tensor:
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
        each = -(soft.nan_to_num() * log_probs).sum(dim=1)
        own, of = (photos.weights * ~photos.soft[name].isnan().any(dim=1) for photos in (labels, whole))
        share = self.recipe.teachers_share
        return (1 - share) * hard + share * _weighted_mean(each, own, of=of)


def blended(
    loss: Loss,
    logits: Mapping[str, Tensor],
    *,
    labels: Labels,
    others: Labels | None,
    share: float,
    progress: float = 1.0,
    part: Tensor | None = None,
) -> Tensor:
    """The loss on mixed photos: `share` of that on their own labels, the rest of that on their partners' (`mixed`).

    part: the rows of the batch that the logits are of, all of them where None; the losses of the parts add up.
    """

    def of(told: Labels) -> Tensor:
        value: Tensor = (
            loss(logits, told, progress=progress)
            if part is None
            else loss(logits, told.rows(part), progress=progress, whole=told)
        )
        return value

    if others is None:
        return of(labels)
    own, theirs = of(labels), of(others)
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
    weighed = {JOINT: None} if model and model.head == "joint" else attributes
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


def _weighted_mean(each: Tensor, weights: Tensor, *, of: Tensor) -> Tensor:
    """The weighted mean over photos that weigh `of`, as far as these add to it."""
    return (each * weights).sum() / of.sum().clamp_min(1e-12)


def _joint_ids(classes: Tensor, schema: LabelSchema) -> Tensor:
    joint = torch.zeros_like(classes[:, 0])
    for column, size in zip(classes.T, schema.sizes, strict=True):
        joint = joint * size + column
    return torch.where((classes == MISSING).any(dim=1), MISSING, joint)
