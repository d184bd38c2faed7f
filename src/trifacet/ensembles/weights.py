"""How much each member has to say: given, or fitted by greedy selection on people who are then answered by others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trifacet.committee import ballots, counted
from trifacet.core.ensemble import Voting
from trifacet.core.errors import error
from trifacet.core.predictions import Predictions
from trifacet.core.schema import MISSING, FloatArray, IntArray
from trifacet.core.truth import Truth, joined
from trifacet.ensembles.pool import Pool, answered
from trifacet.measure.classification import macro_f1

Mask = npt.NDArray[np.bool_]

N_FOLDS, MIN_PEOPLE = 5, 20  # as for decision rules: four people a fold at least
N_STEPS = 25  # members drawn with repeats: shares in steps of a twenty-fifth


def given_weights(weights: Sequence[float], *, n_members: int) -> FloatArray:
    """Shares (M,) that add up to 1, of weights one a member.

    Raises:
        ConfigError: TRI104, negative, no number, all zero, or not one a member.
    """
    values = np.asarray(weights, dtype=np.float64)
    got = ", ".join(f"{value:g}" for value in values)
    if len(values) != n_members:
        raise error("TRI104", f"one a member is needed: {n_members}", where="--weights", got=got)
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise error("TRI104", "must be numbers of at least 0, and not all 0", where="--weights", got=got)
    return np.asarray(values / values.sum())


@dataclass(frozen=True, eq=False)
class Fitted:
    """Shares (M,) fitted on everybody, and those (F, M) fitted without each fold of people; `fold` is each person's.

    nested, equal, best_member: macro F1 (0..1) over the same photos: of shares fitted on other people, of equal
    shares, and of the one member that is best by hindsight.
    """

    weights: FloatArray
    by_fold: FloatArray
    fold: dict[str, int]
    n_photos: int
    nested: float
    equal: float
    best_member: float

    def of(self, persons: Sequence[str]) -> FloatArray:
        """Shares (N, M) for photos of these people: for those it was fitted on, the ones fitted without them."""
        table = np.vstack([self.by_fold, self.weights])
        return np.asarray(table[[self.fold.get(person, len(self.by_fold)) for person in persons]])


def person_keys(truth: Truth) -> list[str]:
    """Who each photo shows; a photo whose person is unknown is its own person."""
    ids = truth.ids or [str(i) for i in range(len(truth))]
    return [person or f"photo {one}" for person, one in zip(truth.persons, ids, strict=True)]


def fit_weights(pool: Pool, truth: Truth, *, voting: Voting = "soft", seed: int = 0) -> Fitted:
    """Shares by greedy selection with repeats: the member that helps the mean most is added, 25 times, and the best of
    the means on the way is kept. Members may be left out altogether.

    What helps is a higher mean log-probability of the true class; of votes, which have none, a higher macro F1. With
    macro F1 members that know nothing got up to half the say (docs/log.md, 2026-11-22).

    Raises:
        PredictionsError: TRI302 photos that the truth does not name, TRI342 fewer than 20 people with every label.
    Source: Caruana et al. 2004, Ensemble selection from libraries of models.
    """
    truth, places = joined(truth, pool.ids, where="ensemble", subset=True)
    is_read = np.array([e is None for e in pool.errors], dtype=bool)
    usable = is_read[places] & (truth.joint != MISSING)
    truth, rows = truth.rows(usable), places[usable]
    keys = person_keys(truth)
    people = sorted(set(keys))
    if len(people) < MIN_PEOPLE:
        what = f"weights are fitted on at least {MIN_PEOPLE} people with every label"
        raise error("TRI342", what, where="--fit", got=f"{len(people)}")
    order = np.random.default_rng(seed).permutation(len(people))
    fold = {person: int(order[i] % N_FOLDS) for i, person in enumerate(people)}
    part = np.array([fold[key] for key in keys])
    select = _Selection(pool, rows, true=truth.joint, voting=voting)
    by_fold = np.stack([select.greedy(part != f) for f in range(N_FOLDS)])
    n_members = len(pool.joints)
    return Fitted(
        weights=select.greedy(part >= 0),
        by_fold=by_fold,
        fold=fold,
        n_photos=len(rows),
        nested=select.score(by_fold[part]),
        equal=select.score(np.full(n_members, 1 / n_members)),
        best_member=max(select.score(one) for one in np.eye(n_members)),
    )


class _Selection:
    """What the members cast for the photos that are fitted on, and what it is worth."""

    def __init__(self, pool: Pool, rows: IntArray, *, true: IntArray, voting: Voting) -> None:
        self.schema, self.voting, self.true = pool.schema, voting, true
        cast = [ballots(joint[rows], schema=pool.schema, voting=voting) for joint in pool.joints]
        self.cast = [np.stack(part) for part in zip(*cast, strict=True)]  # (M, N, C) a thing that is voted on

    def greedy(self, which: Mask) -> FloatArray:
        """Shares (M,) chosen on the photos of `which` (N,)."""
        cast, true, n_members = [part[:, which] for part in self.cast], self.true[which], len(self.cast[0])
        counts, best, kept = np.zeros(n_members), (-np.inf, -np.inf), np.zeros(n_members)
        total = [np.zeros(part.shape[1:]) for part in cast]
        for step in range(1, N_STEPS + 1):
            goals = [
                self._goal([(so_far + part[m]) / step for so_far, part in zip(total, cast, strict=True)], true)
                for m in range(n_members)
            ]
            chosen = max(range(n_members), key=goals.__getitem__)
            counts[chosen] += 1
            total = [so_far + part[chosen] for so_far, part in zip(total, cast, strict=True)]
            if goals[chosen] > best:
                best, kept = goals[chosen], counts.copy()
        return np.asarray(kept / kept.sum())

    def score(self, weights: FloatArray) -> float:
        """Macro F1 over all photos; weights (M,) or (N, M)."""
        shares = np.broadcast_to(weights, (len(self.true), len(self.cast[0])))
        return self._macro_f1([np.einsum("nm,mnc->nc", shares, part) for part in self.cast], self.true)

    def _goal(self, means: Sequence[FloatArray], true: IntArray) -> tuple[float, float]:
        """What is to be as high as can be: the figure, and one that decides among equals."""
        joint = counted(means, schema=self.schema, voting=self.voting)
        surety = float(np.log(np.maximum(joint[np.arange(len(true)), true], 1e-12)).mean())
        return (surety, 0.0) if self.voting == "soft" else (self._macro_f1(means, true), surety)

    def _macro_f1(self, means: Sequence[FloatArray], true: IntArray) -> float:
        answers = counted(means, schema=self.schema, voting=self.voting).argmax(axis=1)
        return macro_f1(true, answers, n_classes=self.schema.n_joint)


def nested(pool: Pool, truth: Truth, *, fitted: Fitted, voting: Voting) -> Predictions:
    """The members' answer, by shares that were not fitted on the person in the photo."""
    truth, places = joined(truth, pool.ids, where="ensemble", subset=True)
    persons = [""] * len(pool.ids)
    for place, person in zip(places.tolist(), person_keys(truth), strict=True):
        persons[place] = person
    return answered(pool, fitted.of(persons), voting=voting)
