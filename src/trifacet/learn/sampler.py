"""Which examples an epoch has, and in which order: a function of the draws, the epoch, the rank and the world size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trifacet.core.errors import error, pick
from trifacet.core.recipe_photos import SamplerSection, age_range
from trifacet.core.schema import MISSING, FloatArray, IntArray, LabelSchema

Rows = npt.NDArray[np.int64]


def sampling_weights(
    classes: IntArray, ages: npt.NDArray[np.floating], *, schema: LabelSchema, recipe: SamplerSection, through: float
) -> FloatArray | None:
    """How often each example is drawn beside the others, (N,), with a mean of 1; None where all are drawn alike.

    classes: (N, attributes) with MISSING, which is drawn as the mean class is; ages: (N,) in years with NaN; through:
    the share of epochs that are over, from 0 to 1 in the last, which `progressive` goes by.

    Source: Kang et al. 2020, Decoupling representation and classifier, eq. 1 and 2.

    Raises:
        ConfigError: TRI100, `sampler.by` or `sampler.factors` names no attribute; TRI101, not one factor a class.
    """
    columns = {a.name: (classes[:, i], len(a.classes)) for i, a in enumerate(schema.attributes)}
    weights: npt.NDArray[np.float64] = np.ones(len(classes))
    if recipe.name != "natural":
        known = {"joint": (schema.encode(classes), schema.n_joint), **columns}
        ids, n_classes = pick(known, recipe.by, what="attribute", where="sampler.by")
        even = _by_rarity(ids, n_classes, power=0.5 if recipe.name == "square_root" else 1.0)
        weights = (1 - through) * weights + through * even if recipe.name == "progressive" else even
    for name, factors in recipe.factors.items():
        ids, n_classes = pick(columns, name, what="attribute", where="sampler.factors")
        if len(factors) != n_classes:
            what = f"'{name}' has {n_classes} classes, and needs as many factors"
            raise error("TRI101", what, where="sampler.factors", got=list(factors))
        weights = weights * np.where(ids == MISSING, 1.0, np.asarray(factors)[ids])
    for years, factor in recipe.age_factors.items():
        low, high = age_range(years)
        weights = weights * np.where((ages >= low) & (ages < high + 1), factor, 1.0)
    if not weights.any():
        raise error("TRI101", "every photo would be drawn 0 times", where="sampler.factors")
    return None if (weights == weights[0]).all() else (weights / weights.mean()).astype(np.float64)


def _by_rarity(ids: IntArray, n_classes: int, *, power: float) -> npt.NDArray[np.float64]:
    counts = np.bincount(ids[ids != MISSING], minlength=n_classes)
    rarity = np.where(counts > 0, counts, 1).astype(np.float64) ** -power
    weights = rarity[ids]
    known = ids != MISSING
    weights[~known] = weights[known].mean() if known.any() else 1.0
    return np.asarray(weights / weights.mean())


def epoch_order(
    n_examples: int,
    *,
    n_drawn: int,
    weights: FloatArray | None,
    rng: np.random.Generator,
    rank: int = 0,
    world_size: int = 1,
) -> Rows:
    """The examples of an epoch (n_drawn,) in random order; of several processes the part of the one at `rank`.

    Alike: every example once before any comes again. By weights: example i comes as often as its share of the draws,
    rounded up or down at random (systematic sampling). The parts of the ranks have one length: the first examples come
    again where they do not divide.
    """
    if weights is None:
        passes = [rng.permutation(n_examples) for _ in range(-(-n_drawn // n_examples))]
        order = np.concatenate(passes)[:n_drawn]
    else:
        mixed = rng.permutation(n_examples)
        ends = np.cumsum(weights[mixed] * n_drawn / weights.sum())
        order = mixed[
            np.minimum(np.searchsorted(ends, rng.random() + np.arange(n_drawn), side="right"), n_examples - 1)
        ]
        order = rng.permutation(order)
    if world_size > 1:
        order = np.resize(order, -(-len(order) // world_size) * world_size)[rank::world_size]
    return order.astype(np.int64)
