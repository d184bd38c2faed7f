"""How sure a figure is: intervals from resampling whole people, quick because every figure is made of sums.

A figure over photos (accuracy, macro F1, a mean error) is a function of sums over photos. Sums per person are made
once, (G, S); a draw takes each person as often as chance has it, so all draws are one product (draws, G) x (G, S).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from trifacet.core.evaluation import Interval
from trifacet.measure.classification import class_table

FloatArray = npt.NDArray[np.floating]
Terms = FloatArray | npt.NDArray[np.bool_]  # (N, S): what a figure sums over photos
Figure = Callable[[FloatArray], FloatArray]  # sums (..., S) -> a figure per row (...,)

LEVEL = 0.95
N_DRAWS = 1_000
BLOCK = 4_000_000  # groups drawn at a time: their weights take 64 MB


def group_sums(
    terms: FloatArray | npt.NDArray[np.bool_], groups: Sequence[object] | npt.NDArray[np.generic]
) -> FloatArray:
    """Sums (G, S) of terms (N, S) over each of the G distinct groups, in order of the sorted group names."""
    names, which = np.unique(np.asarray(groups), return_inverse=True)
    columns = [np.bincount(which, weights=column, minlength=len(names)) for column in terms.T]
    return np.stack(columns, axis=1) if columns else np.zeros((len(names), 0))


def resampled_sums(sums: FloatArray, *, n_draws: int = N_DRAWS, seed: int = 0) -> FloatArray:
    """Sums (n_draws, S) of G groups drawn from `sums` (G, S) with replacement.

    Draw d depends on (seed, G) alone: two predictions on the same people are resampled alike.
    Source: Efron & Tibshirani 1993, chapter 6; by person because photos of one person are not independent
    (Field & Welsh 2007, the cluster bootstrap).
    """
    n_groups, rng = len(sums), np.random.default_rng(seed)
    size, blocks = min(100, max(1, BLOCK // max(n_groups, 1))), []
    for start in range(0, n_draws, size):
        n = min(size, n_draws - start)
        drawn = rng.integers(0, n_groups, size=(n, n_groups)) + np.arange(n)[:, None] * n_groups
        weights = np.bincount(drawn.ravel(), minlength=n * n_groups).reshape(n, n_groups)
        blocks.append(weights.astype(np.float64) @ sums)
    return np.concatenate(blocks) if blocks else np.zeros((0, sums.shape[1]))


def interval(value: float, draws: FloatArray, *, level: float = LEVEL) -> Interval:
    """The percentile interval of a figure's draws (D,), widened to hold the value itself.

    Draws that are NaN (nothing to divide by) are left out; without any draw the interval is the value alone.
    """
    kept = draws[~np.isnan(draws)]
    if not len(kept):
        return Interval(value, value, value)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(min(low, value)), float(max(high, value)))


def paired_draws(
    one: FloatArray, other: FloatArray, *, figures: tuple[Figure, Figure], n_draws: int = N_DRAWS, seed: int = 0
) -> FloatArray:
    """Draws (n_draws,) of other's figure less one's, both from sums (G, S) over the same groups in the same order.

    The same people are drawn on both sides, so what makes a photo hard for both cancels out.
    """
    if one.shape != other.shape:
        raise ValueError(f"a paired difference needs the same groups, got {one.shape} and {other.shape}")
    draws = resampled_sums(np.concatenate([one, other], axis=1), n_draws=n_draws, seed=seed)
    of_one, of_other = figures
    return np.asarray(of_other(draws[:, one.shape[1] :]) - of_one(draws[:, : one.shape[1]]))


def difference(
    one: FloatArray, other: FloatArray, *, figures: tuple[Figure, Figure], n_draws: int = N_DRAWS, seed: int = 0
) -> Interval:
    """The interval of other's figure less one's: above 0 throughout, `other` is higher by more than chance."""
    value = float(figures[1](other.sum(axis=0)) - figures[0](one.sum(axis=0)))
    return interval(value, paired_draws(one, other, figures=figures, n_draws=n_draws, seed=seed))


def class_terms(truth: npt.ArrayLike, answers: npt.ArrayLike, *, n_classes: int) -> npt.NDArray[np.bool_]:
    """Terms (N, 3C), True for one, whose sums are the right answers, the photos and the answers of each class.

    Zeros where the truth is -1 (not known); an answer of -1 (none) is wrong and claims no class.
    """
    true, answer = np.asarray(truth, dtype=np.int64), np.asarray(answers, dtype=np.int64)
    classes = np.arange(n_classes)
    is_true = true[:, None] == classes
    is_answer = (answer[:, None] == classes) & (true >= 0)[:, None]
    return np.concatenate([is_true & is_answer, is_true, is_answer], axis=1)


def accuracy_of(sums: FloatArray) -> FloatArray:
    """Accuracy (...,) in 0..1 from sums (..., 3C) of `class_terms`; NaN without photos."""
    right, true, _ = np.split(sums, 3, axis=-1)
    return ratio_of(np.stack([right.sum(axis=-1), true.sum(axis=-1)], axis=-1))


def macro_f1_of(sums: FloatArray, *, whole: FloatArray) -> FloatArray:
    """Macro F1 (...,) in 0..1 from sums (..., 3C) of `class_terms`; `whole` (3C,) are those of all photos.

    A class absent from the truth counts 0. A draw that happens to lose every person of a rare class says nothing of
    that class, which then keeps its F1 of all photos: 0 would push the interval below the figure itself, and leaving
    the class out, which is mostly a hard one, above it. On the undrawn sums this is plain macro F1 over all C classes.
    """
    f1, of_all = (_f1(each) for each in (sums, whole))
    if np.isnan(of_all).all():  # no photo at all
        return np.full(f1.shape[:-1], np.nan)
    return np.asarray(np.where(np.isnan(f1), np.nan_to_num(of_all), f1).mean(axis=-1))


def _f1(sums: FloatArray) -> FloatArray:
    """F1 (..., C) per class, NaN where the truth has no photo of it."""
    right, true, predicted = np.split(sums, 3, axis=-1)
    return np.where(true > 0, class_table(right, n_true=true, n_predicted=predicted).f1, np.nan)


def ratio_of(sums: FloatArray) -> FloatArray:
    """The first sum divided by the second, (...,) from (..., 2), such as errors by photos; NaN where that is 0."""
    part, whole = np.asarray(sums[..., 0], dtype=np.float64), np.asarray(sums[..., 1], dtype=np.float64)
    ratio: FloatArray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return ratio
