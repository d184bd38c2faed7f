"""Orders in which labels are looked at, and what each finds of the mistakes that were put into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score

from bench.mistakes import Bools, Facts, Mistaken, mistaken
from trifacet.clean.mislabels import age_doubt, doubts
from trifacet.core.predictions import Predictions
from trifacet.core.schema import IntArray
from trifacet.measure.people import OF_A_PERSON

SHARES = (0.01, 0.02, 0.05, 0.1)  # of the looks, in which mistakes are counted


@dataclass(frozen=True, eq=False)
class Ranking:
    """An order of looks: what each shows, whether that is a mistake, and what is proposed in its place.

    looks: (U,) places of the photos that are looked at, the first to look at first; members: the photos that each
    settles. is_wrong: (U,). is_right: (U,) whether the proposal is the truth; is_changing: (U,) whether it differs
    from the label; is_issue: (U,) whether it would be put in place without a look. None where nothing is proposed.
    """

    attribute: str
    members: tuple[tuple[int, ...], ...]
    is_wrong: Bools
    is_right: Bools | None = None
    is_changing: Bools | None = None
    is_issue: Bools | None = None

    @property
    def scores(self) -> dict[str, float | int]:
        """The figures of the order; NaN where there is no mistake to find."""
        n, n_wrong = len(self.is_wrong), int(self.is_wrong.sum())
        worst = np.arange(n, 0, -1)
        found: dict[str, float | int] = {
            "n_looks": n,
            "n_wrong": n_wrong,
            "average_precision": float(average_precision_score(self.is_wrong, worst)) if n_wrong else float("nan"),
            "precision_100": float(self.is_wrong[:100].mean()),
        }
        for share in SHARES:
            hits = int(self.is_wrong[: round(share * n)].sum())
            found[f"recall_{share:g}"] = hits / n_wrong if n_wrong else float("nan")
        looks = round(SHARES[-1] * n)
        hits = int(self.is_wrong[:looks].sum())
        found["looks_per_mistake"] = looks / hits if hits else float("inf")
        if self.is_right is not None and self.is_changing is not None and self.is_issue is not None:
            found["proposals_right"] = (
                float(self.is_right[:looks][self.is_wrong[:looks]].mean()) if hits else float("nan")
            )
            found["fixed_unseen"] = int((self.is_issue & self.is_wrong & self.is_right).sum())
            found["broken_unseen"] = int((self.is_issue & self.is_changing & ~self.is_wrong).sum())
        return found


def ours(made: Mistaken, told: Predictions, *, facts: Facts) -> Iterator[Ranking]:
    """What `trifacet audit` looks at first: people for gender and age, photos for masks, years by expected distance.

    told: answers out of folds. facts: the true labels.
    """
    names = made.manifest.schema.names
    for doubt in doubts(made.manifest, told):
        order, wrong = doubt.worst_first, made.wrong[doubt.attribute]
        right = facts.classes[doubt.units, names.index(doubt.attribute)]
        yield Ranking(
            attribute=doubt.attribute,
            members=tuple(doubt.members[u] for u in order.tolist()),
            is_wrong=wrong[doubt.units][order],
            is_right=(doubt.proposed == right)[order],
            is_changing=(doubt.proposed != doubt.given)[order],
            is_issue=doubt.is_issue[order],
        )
    if (aged := age_doubt(made.manifest, told)) is not None:
        order = aged.worst_first
        members = tuple(aged.members[u] for u in order.tolist())
        yield Ranking("age_years", members, made.off_years[aged.units][order])


def baselines(
    made: Mistaken, told: Predictions, *, fitted: Predictions | None, rng: np.random.Generator
) -> Iterator[tuple[str, Ranking]]:
    """(name, order) of what others do, a photo a look: by chance, where the answer differs, by loss, by cleanlab.

    fitted: answers of a model that was trained on these very labels, whose loss orders; None where there are none.
    """
    from cleanlab.rank import get_label_quality_scores

    rows = np.arange(len(told))
    for i, name in enumerate(made.manifest.schema.names):
        labels, probs = made.manifest.classes[:, i], np.asarray(told.marginals[name], dtype=float)
        chance = rng.permutation(len(told))
        differs = np.lexsort([chance, probs.argmax(axis=1) == labels])
        quality = get_label_quality_scores(labels, probs / probs.sum(axis=1, keepdims=True), method="self_confidence")
        orders = {"random": chance, "argmax differs": differs, "cleanlab, by photo": np.argsort(quality, kind="stable")}
        if fitted is not None:
            loss = -np.log(np.maximum(fitted.marginals[name][rows, labels], 1e-9))
            orders["loss"] = np.argsort(-loss, kind="stable")
        for told_as, order in orders.items():
            yield told_as, _by_photo(name, order, made.wrong[name])
    if made.off_years.any() and told.age_probs is not None:
        away = np.abs(told.age_years - made.manifest.ages)
        yield "random", _by_photo("age_years", rng.permutation(len(told)), made.off_years)
        yield "mean years, by photo", _by_photo("age_years", np.argsort(-away, kind="stable"), made.off_years)


def _by_photo(attribute: str, order: IntArray, wrong: Bools) -> Ranking:
    return Ranking(attribute, tuple((row,) for row in order.tolist()), wrong[order])


def reviewed(made: Mistaken, rankings: Sequence[Ranking], *, share: float, facts: Facts) -> Mistaken:
    """The labels after a reviewer who never errs has looked at a share of each attribute's order.

    Gender and age are ruled for all photos of the person who is looked at.
    """
    schema, classes = made.manifest.schema, made.manifest.classes.copy()
    years = np.asarray(made.manifest.ages, dtype=float)
    orders = {ranking.attribute: ranking.members for ranking in rankings}
    for i, attribute in enumerate(schema.attributes):
        order = orders[attribute.name]
        rows = np.array([row for members in order[: round(share * len(order))] for row in members], dtype=np.int64)
        if attribute.name in OF_A_PERSON:
            rows = np.flatnonzero(np.isin(facts.person, facts.person[rows]))
        classes[rows, i] = facts.classes[rows, i]
        if attribute.edges:
            years[rows] = facts.years[rows]
    return mistaken(facts, classes, years)
