"""How far one dataset lies from another in a number a photo has: as standardised differences, with people counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifacet.core.evaluation import Interval
from trifacet.core.manifest import Manifest
from trifacet.core.schema import MISSING, FloatArray
from trifacet.measure.bootstrap import group_sums, interval, resampled_sums

# Beyond these, groups differ too much to be compared. Source: Stuart 2010, Statistical Science 25(1), 4.1, after
# Rubin 2001, Health Services and Outcomes Research Methodology 2: a difference of .25, variances within 1/2 .. 2.
FAR = 0.25
FAR_SPREAD = 2.0
FEW_PEOPLE = 10  # fewer on a side say nothing of a dataset: an interval drawn from them is too narrow
MOST = 100.0  # stands for what is beyond measure: a difference where neither side varies
_ROUNDING = 1e-7  # of the largest number: a spread below it is none

LabelColumns = dict[tuple[str, str], FloatArray]


@dataclass(frozen=True)
class Shift:
    """How the other's photos differ from one's in a number.

    effect: the difference of the means in standard deviations (0 none; .2 is called small, .8 large), at most MOST
    either way. spread: the other's standard deviation by one's (1 alike), within 1 / MOST .. MOST. Both with 95 %
    intervals, people drawn on each side. distance: the largest difference of the two cumulative shares, 0 the same ..
    1 apart. n_photos, n_groups: of one and of the other; groups are people, or photos of nobody knows whom.

    Source: effect, Austin 2009, Statistics in Medicine 28, eq. 1 and 2; small and large, Cohen 1988; distance,
    Smirnov 1939 (no p-value, because photos of one person are not independent).
    """

    effect: Interval
    spread: Interval
    distance: float
    n_photos: tuple[int, int]
    n_groups: tuple[int, int]

    @property
    def is_apart(self) -> bool:
        """Whether their means differ by more than chance and by more than is little."""
        is_sure = not self.effect.low <= 0 <= self.effect.high
        return self.is_told and is_sure and abs(self.effect.value) >= FAR

    @property
    def is_far(self) -> bool:
        """Whether they differ so in the mean, or in how much they vary."""
        is_sure = not self.spread.low <= 1 <= self.spread.high
        is_other = not 1 / FAR_SPREAD <= self.spread.value**2 <= FAR_SPREAD
        return self.is_apart or (self.is_told and is_sure and is_other)

    @property
    def is_told(self) -> bool:
        """Whether enough people stand on both sides to say so."""
        return min(self.n_groups) >= FEW_PEOPLE

    @property
    def score(self) -> float:
        """0 as far apart as can be .. 1 not more than is little."""
        ratio = self.spread.value**2
        return min(FAR / max(abs(self.effect.value), FAR), FAR_SPREAD / max(ratio, 1 / ratio, FAR_SPREAD))


def shift(
    one: FloatArray, other: FloatArray, *, groups: tuple[Sequence[str], Sequence[str]], seed: int = 0
) -> Shift | None:
    """How the numbers `other` (M,) differ from `one` (N,), NaN left out; None where a side has none.

    groups: who each photo shows, on each side; people are drawn, because photos of one person are not independent.
    """
    known = [np.isfinite(values) for values in (one, other)]
    if not all(side.any() for side in known):
        return None
    values = [np.asarray(v, dtype=float)[k] for v, k in zip((one, other), known, strict=True)]
    who = [np.asarray(g)[k] for g, k in zip(groups, known, strict=True)]
    middle = float(np.concatenate(values).mean())  # sums of squares about it lose no digits
    least = _ROUNDING * max(float(np.abs(v).max()) for v in values) or _ROUNDING
    terms = [np.stack([np.ones_like(v), v - middle, (v - middle) ** 2], axis=1) for v in values]
    sums = [group_sums(side, w) for side, w in zip(terms, who, strict=True)]
    draws = [resampled_sums(side, seed=seed + i) for i, side in enumerate(sums)]
    totals = [side.sum(axis=0, keepdims=True) for side in sums]
    figures = [
        interval(float(figure(*totals, least=least)[0]), figure(*draws, least=least)) for figure in (_effect, _spread)
    ]
    return Shift(
        effect=figures[0],
        spread=figures[1],
        distance=_distance(*values),
        n_photos=(len(values[0]), len(values[1])),
        n_groups=(len(sums[0]), len(sums[1])),
    )


def label_columns(one: Manifest, other: Manifest) -> tuple[LabelColumns, LabelColumns]:
    """Whether photos are of a class, (N,) 0 or 1, NaN where the label is not known, by attribute and class, of each.

    Of the attributes alone that both have with the same classes.
    """
    shared = [a for a in one.schema.attributes if a in other.schema.attributes]
    made = []
    for manifest in (one, other):
        found: LabelColumns = {}
        for attribute in shared:
            ids = attribute.ids(manifest.table[attribute.name].to_list())
            for i, name in enumerate(attribute.classes):
                found[attribute.name, name] = np.where(ids == MISSING, np.nan, ids == i)
        made.append(found)
    return made[0], made[1]


def _moments(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means and variances (...,) from sums (..., 3) of ones, values and squares."""
    n, total, squares = (sums[..., i] for i in range(3))
    mean = total / n
    return mean, np.maximum(squares / n - mean**2, 0)


def _effect(one: FloatArray, other: FloatArray, *, least: float) -> FloatArray:
    (mean, variance), (to, varied) = _moments(one), _moments(other)
    away, deviation = to - mean, np.sqrt((variance + varied) / 2)
    away = np.where(np.abs(away) <= least, 0, away)
    return np.asarray(np.clip(away / np.maximum(deviation, least), -MOST, MOST))


def _spread(one: FloatArray, other: FloatArray, *, least: float) -> FloatArray:
    deviation, deviated = (np.maximum(np.sqrt(_moments(sums)[1]), least) for sums in (one, other))
    return np.asarray(np.clip(deviated / deviation, 1 / MOST, MOST))


def _distance(one: FloatArray, other: FloatArray) -> float:
    places = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(side), places, side="right") / len(side) for side in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())
