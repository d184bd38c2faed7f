"""Photos that look like one person: grouped by what a network sees in them, and answered together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from trifacet.core.manifest import merged_stamps
from trifacet.core.predictions import Float32Array, Predictions
from trifacet.core.schema import FloatArray, IntArray

OF_A_PERSON = ("gender", "age")  # attributes that are the same in all photos of a person
LEAST = 0.5  # of similarity: docs/log.md, 2026-11-22
CELLS = 1 << 24  # similarities that are held at a time: some 200 MB with their places
TINY = 1e-9


def group_people(features: Float32Array, *, n_photos: int, least: float = LEAST) -> IntArray:
    """A number (N,) for each person that photos with `features` (N, d) are taken to show; a row with NaN is alone.

    n_photos: how many photos of a person there are at most. Two photos are joined when each is among the `n_photos` - 1
    nearest of the other, by the cosine of their features less the mean, and it is at least `least`; the most alike
    first, and no group grows beyond `n_photos`.
    """
    known = np.flatnonzero(np.isfinite(features).all(axis=1))
    groups = np.arange(len(features))
    if len(known) < 2 or n_photos < 2:
        return groups
    centred = features[known] - features[known].mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), TINY)
    pairs = sorted(_mutual(unit, n_nearest=min(n_photos - 1, len(known) - 1), least=least))
    size = dict.fromkeys(known.tolist(), 1)
    for _, one, other in pairs:
        a, b = _root(groups, int(known[one])), _root(groups, int(known[other]))
        if a != b and size[a] + size[b] <= n_photos:
            groups[b] = a
            size[a] += size[b]
    return np.array([_root(groups, i) for i in range(len(groups))])


def _root(groups: IntArray, i: int) -> int:
    while groups[i] != i:
        groups[i] = groups[groups[i]]
        i = int(groups[i])
    return i


def _mutual(unit: FloatArray, *, n_nearest: int, least: float) -> Iterator[tuple[float, int, int]]:
    """(minus similarity, one, other) of the pairs of photos that are among each other's nearest."""
    nearest = np.empty((len(unit), n_nearest), dtype=np.int64)
    alike = np.empty((len(unit), n_nearest))
    block = max(1, CELLS // len(unit))
    for start in range(0, len(unit), block):
        rows = slice(start, start + block)
        similar = unit[rows] @ unit.T
        similar[np.arange(len(similar)), np.arange(start, start + len(similar))] = -np.inf
        nearest[rows] = np.argpartition(-similar, n_nearest - 1, axis=1)[:, :n_nearest]
        alike[rows] = np.take_along_axis(similar, nearest[rows], axis=1)
    theirs = [set(row) for row in nearest.tolist()]
    for one, (others, similarities) in enumerate(zip(nearest.tolist(), alike.tolist(), strict=True)):
        for other, similarity in zip(others, similarities, strict=True):
            if one < other and similarity >= least and one in theirs[other]:
                yield -similarity, one, other


def as_people(predictions: Predictions, groups: IntArray) -> Predictions:
    """The predictions with one answer for each group about what is the same in all photos of a person.

    Probabilities of `OF_A_PERSON` are the normalised geometric mean over a group's photos that were read; what ties
    attributes together in a photo stays. The stamp says that photos answered for each other.
    """
    schema, read = predictions.schema, predictions.is_read
    names = [name for name in schema.names if name in OF_A_PERSON]
    probs = predictions.probs.astype(np.float64)
    years, aged = predictions.age_probs, schema.age.name if schema.age else ""
    if years is not None and aged in names:
        years = _means(years, groups, read=read).astype(np.float32)
    for name in names:
        own = schema.marginal(probs, name)
        # Classes of age are those of the years, so that another cut of the years stays possible.
        pooled = schema.band_probs(years) if name == aged and years is not None else _means(own, groups, read=read)
        probs = probs * schema.spread(name, pooled / np.maximum(own, TINY))
    probs = probs / probs.sum(axis=1, keepdims=True)
    n_people, n_photos = len(np.unique(groups[read])), int(read.sum())
    told = f"transductive: {n_photos:,} photos taken for {n_people:,} people, whose photos answer for each other"
    return replace(
        predictions,
        probs=probs.astype(np.float32),
        age_probs=years,
        stamps=merged_stamps(predictions.stamps, (told,)),
    )


def _means(probs: FloatArray, groups: IntArray, *, read: np.ndarray) -> FloatArray:
    """The normalised geometric mean (N, C) of each photo's group; NaN where a photo was not read."""
    _, number = np.unique(groups, return_inverse=True)
    logs = np.where(read[:, None], np.log(np.maximum(probs, TINY)), 0)
    sums = np.zeros((number.max(initial=-1) + 1, probs.shape[1]))
    np.add.at(sums, number, logs)
    counts = np.bincount(number, weights=read, minlength=len(sums))
    means = np.exp(sums / np.maximum(counts, 1)[:, None])
    means = means / means.sum(axis=1, keepdims=True)
    return np.where(read[:, None], means[number], np.nan)
