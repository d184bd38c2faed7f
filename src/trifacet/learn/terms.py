"""What a loss may be a sum of: the registry of terms. Importing this module does not import torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trifacet.core.errors import nearest
from trifacet.core.own import load_own
from trifacet.core.recipe import LossSection

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-7


@dataclass(frozen=True)
class Facts:
    """What a term may know beside logits and labels.

    counts: training photos of each class, (C,). weights: of the photos, (B,), 0 where the class is not known. grid: the
    years (A,). scale: of the logits of a cosine classifier, 1 for a linear one. running: (3, C) sums of earlier steps,
    which `macro_f1` renews: true positives, answers and labels.
    """

    recipe: LossSection
    counts: Tensor
    weights: Tensor
    grid: Tensor
    scale: float = 1.0
    running: Tensor | None = None


class Term(Protocol):
    """A loss (B,) of logits (B, C) and class ids (B,); or of log-probabilities of years (B, A) and years (B,)."""

    def __call__(self, logits: Tensor, target: Tensor, /, *, facts: Facts) -> Tensor:
        """The loss of each photo; of one whose label is not known, any finite number."""


def cross_entropy(logits: Tensor, target: Tensor, *, facts: Facts) -> Tensor:
    """-log p of the class, with `label_smoothing` spread over all classes, or over the wrong ones alone."""
    log_probs, share = logits.float().log_softmax(dim=1), facts.recipe.label_smoothing
    own = log_probs.gather(1, target[:, None])[:, 0]
    all_of_them, n = log_probs.sum(dim=1), logits.shape[1]
    spread = all_of_them / n if facts.recipe.smoothing == "all" else (all_of_them - own) / max(n - 1, 1)
    return -((1 - share) * own + share * spread)


def focal(logits: Tensor, target: Tensor, *, facts: Facts) -> Tensor:
    """(1 - p)^gamma times the cross-entropy: sure answers count for less.

    Source: Lin et al. 2017, Focal loss for dense object detection, eq. 4.
    """
    own = logits.float().softmax(dim=1).gather(1, target[:, None])[:, 0]
    factor: Tensor = (1 - own).clamp_min(TINY) ** facts.recipe.focal_gamma
    return factor * cross_entropy(logits, target, facts=facts)


def binary_focal(logits: Tensor, target: Tensor, *, facts: Facts) -> Tensor:
    """The focal loss of each class against the rest by its sigmoid, summed over classes."""
    signed = -logits.float()
    signed = signed.scatter(
        1, target[:, None], -signed.gather(1, target[:, None])
    )  # positive where the answer is right
    surprise = (-signed).clamp_min(0) + (-signed.abs()).exp().log1p()  # -log sigmoid
    factor: Tensor = (-signed).sigmoid() ** facts.recipe.focal_gamma
    return (factor * surprise).sum(dim=1)


def macro_f1(logits: Tensor, target: Tensor, *, facts: Facts) -> Tensor:
    """1 - the mean F1 of the classes, counted in probabilities over this batch and, fading, over earlier ones.

    Without the earlier ones a small batch lacks the rare classes: `loss.f1_memory` is the share of them that is kept.
    """
    probs = logits.float().softmax(dim=1)
    labels = probs.new_zeros(probs.shape).scatter(1, target[:, None], 1.0) * facts.weights[:, None]
    now = [(probs * labels).sum(dim=0), (probs * facts.weights[:, None]).sum(dim=0), labels.sum(dim=0)]
    if facts.running is not None and facts.recipe.f1_memory:
        now = [old * facts.recipe.f1_memory + new for old, new in zip(facts.running, now, strict=True)]
        if logits.requires_grad:
            for old, new in zip(facts.running, now, strict=True):
                old.copy_(new.detach())
    hit, answered, labelled = now
    loss: Tensor = 1 - (2 * hit / (answered + labelled).clamp_min(TINY)).mean()
    return loss.expand(len(target))


def ldam(logits: Tensor, target: Tensor, *, facts: Facts) -> Tensor:
    """Cross-entropy after a margin of the true class, the larger the rarer: n^(-1/4), `ldam_margin` for the rarest.

    The rarest is one that has photos; a class without any has its margin.
    Source: Cao et al. 2019, Learning imbalanced datasets with label-distribution-aware margin loss, eq. 13.
    """
    rarest = facts.counts.where(facts.counts > 0, facts.counts.max().clamp_min(1)).min()
    margins = (facts.recipe.ldam_margin * (facts.counts.clamp_min(rarest) / rarest) ** -0.25).to(logits)
    moved = logits.scatter_add(1, target[:, None], -facts.scale * margins[target][:, None])
    return cross_entropy(moved, target, facts=facts)


def balanced_softmax(logits: Tensor, target: Tensor, *, facts: Facts) -> Tensor:
    """Cross-entropy of the logits plus `prior_tau` times the log shares of the classes in training.

    Source: Menon et al. 2021, Long-tail learning via logit adjustment, eq. 10; tau 1: Ren et al. 2020.
    """
    shares = facts.counts.clamp_min(TINY) / facts.counts.sum().clamp_min(TINY)
    return cross_entropy(logits + facts.recipe.prior_tau * shares.log().to(logits), target, facts=facts)


def arc_face(logits: Tensor, target: Tensor, *, facts: Facts) -> Tensor:
    """Cross-entropy after an angle is added between the features and their true class; needs a cosine classifier.

    Source: Deng et al. 2019, ArcFace, eq. 3; beyond 180 degrees the cosine goes on as a line, so that it still falls.
    """
    own = (logits.gather(1, target[:, None]) / facts.scale).clamp(-1 + TINY, 1 - TINY)
    margin = math.radians(facts.recipe.arc_margin_deg)
    turned = (own.acos() + margin).cos()
    beyond = own < math.cos(math.pi - margin)
    turned = turned.where(~beyond, own - margin * math.sin(margin))
    return cross_entropy(logits.scatter(1, target[:, None], facts.scale * turned), target, facts=facts)


def by_year(log_probs: Tensor, years: Tensor, *, facts: Facts) -> Tensor:
    """Cross-entropy against a Gaussian of `age_sigma_years` around the labelled year.

    Source: Gao et al. 2017, Deep label distribution learning with label ambiguity.
    """
    width, share = max(facts.recipe.age_sigma_years, 1e-3), facts.recipe.label_smoothing
    target = (-((facts.grid - years[:, None]) ** 2) / (2 * width**2)).softmax(dim=1)
    loss: Tensor = -((target * (1 - share) + share / len(facts.grid)) * log_probs).sum(dim=1)
    return loss


def by_mean(log_probs: Tensor, years: Tensor, *, facts: Facts) -> Tensor:
    """Half the squared distance of the expected year.

    Source: Pan et al. 2018, Mean-variance loss for deep age estimation, eq. 2.
    """
    loss: Tensor = ((log_probs.exp() * facts.grid).sum(dim=1) - years) ** 2 / 2
    return loss


def by_variance(log_probs: Tensor, years: Tensor, *, facts: Facts) -> Tensor:  # noqa: ARG001
    """The variance of the year.

    Source: Pan et al. 2018, Mean-variance loss for deep age estimation, eq. 4.
    """
    probs = log_probs.exp()
    mean = (probs * facts.grid).sum(dim=1, keepdim=True)
    loss: Tensor = (probs * (facts.grid - mean) ** 2).sum(dim=1)
    return loss


CLASS_TERMS: dict[str, Term] = {
    "arc_face": arc_face,
    "balanced_softmax": balanced_softmax,
    "binary_focal": binary_focal,
    "cross_entropy": cross_entropy,
    "focal": focal,
    "ldam": ldam,
    "macro_f1": macro_f1,
}
YEAR_TERMS: dict[str, Term] = {"mean": by_mean, "variance": by_variance, "years": by_year}


def check_terms(terms: Mapping[str, float]) -> str | None:
    """What is wrong with the terms of classes that a recipe names, or None."""
    return _unknown(terms, CLASS_TERMS)


def check_age_terms(terms: Mapping[str, float]) -> str | None:
    """What is wrong with the terms of age that a recipe names, or None."""
    return _unknown(terms, {**YEAR_TERMS, **CLASS_TERMS})


def _unknown(terms: Mapping[str, float], known: Mapping[str, Any]) -> str | None:
    for name in terms:
        if name not in known and ":" not in name:
            near = nearest(name, list(known))
            return f"no loss '{name}'. " + (f"Did you mean '{near}'?" if near else f"Known: {', '.join(known)}.")
    if not any(terms.values()):
        return "every weight is 0: nothing would be learned"
    return None


def class_term(name: str) -> Term:
    """The term of a name, or the user's own `module:function` of logits (B, C) and class ids (B,), giving (B,).

    Raises:
        ConfigError: TRI105, it cannot be imported.
    """
    if name in CLASS_TERMS:
        return CLASS_TERMS[name]
    own = load_own(name, where="loss.terms")

    def term(logits: Tensor, target: Tensor, /, *, facts: Facts) -> Tensor:  # noqa: ARG001
        loss: Tensor = own(logits, target)
        return loss

    return term
