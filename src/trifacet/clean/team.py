"""How reviewers agree: what each ruled by themselves, two by two and all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from trifacet.clean.store import SETTLED, standing
from trifacet.core.decisions import PERSON, VERDICT, YEARS, Decision
from trifacet.core.schema import MISSING, IntArray
from trifacet.measure.agreement import cohen_kappa, krippendorff_alpha

NO_CLASSES = (VERDICT, YEARS, PERSON)  # what is no choice among a few classes


@dataclass(frozen=True)
class Agreement:
    """How reviewers agree about one attribute.

    reviewers: two, or all of them. n_photos: which at least two of them ruled on; a ruling on a whole person counts for
    each photo. same: the share 0..1 of these on which all who ruled say the same. kappa: Cohen's of two, Krippendorff's
    alpha of more; 1 full agreement, 0 what chance would bring, NaN where all rulings are of one class.
    """

    attribute: str
    reviewers: tuple[str, ...]
    n_photos: int
    same: float
    kappa: float

    @property
    def told(self) -> dict[str, Any]:
        """As JSON: kappa null where there is none."""
        kappa = None if np.isnan(self.kappa) else round(self.kappa, 4)
        shown = {"attribute": self.attribute, "reviewers": self.reviewers, "n_photos": self.n_photos}
        return shown | {"same": round(self.same, 4), "kappa": kappa}


def agreements(events: Sequence[Decision]) -> list[Agreement]:
    """How reviewers agree, an attribute after another: each two who ruled on the same photos, then all if more.

    What settled a disagreement was said in sight of what others said: it does not count, what its author said before
    does.
    """
    alone = standing([event for event in events if event.certainty != SETTLED])
    found = []
    for name in dict.fromkeys(r.attribute for r in alone if r.attribute not in NO_CLASSES):
        rulings = [r for r in alone if r.attribute == name and r.source == "human"]
        people, labels = _labels(rulings)
        teams: list[tuple[int, ...]] = list(combinations(range(len(people)), 2))
        teams += [tuple(range(len(people)))] if len(people) > 2 else []
        found += [one for team in teams if (one := _agreement(name, people, labels=labels, team=team)) is not None]
    return found


def _labels(rulings: Sequence[Decision]) -> tuple[list[str], IntArray]:
    """The reviewers by name, and what each ruled: class ids (reviewers, things), MISSING where nothing."""
    people = sorted({r.who for r in rulings})
    things = {thing: i for i, thing in enumerate(dict.fromkeys((r.scope, r.subject) for r in rulings))}
    classes = {new: i for i, new in enumerate(sorted({r.new for r in rulings}))}
    labels = np.full((len(people), len(things)), MISSING, dtype=np.int64)
    for r in rulings:
        labels[people.index(r.who), things[r.scope, r.subject]] = classes[r.new]
    return people, labels


def _agreement(name: str, people: Sequence[str], *, labels: IntArray, team: tuple[int, ...]) -> Agreement | None:
    """How these of the people agree; None where no two of them ruled on one thing."""
    own = labels[list(team)]
    shared = (own != MISSING).sum(axis=0) > 1
    if not shared.any():
        return None
    own = own[:, shared]
    highest = own.max(axis=0)
    is_same = np.where(own == MISSING, highest, own).min(axis=0) == highest
    kappa = cohen_kappa(*own) if len(team) == 2 else krippendorff_alpha(own)
    return Agreement(name, tuple(people[i] for i in team), int(shared.sum()), float(is_same.mean()), kappa)
