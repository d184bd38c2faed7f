"""Labels that a model which never saw the person does not believe: of people, of photos, of years, and swapped ones.

The unit is what a person would rule on: gender and age of a person, from all photos at once, the mask of a photo.
Source: Northcutt, Jiang and Chuang 2021, Confident learning (cleanlab); self-confidence ranks, people rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from trifacet.core.decisions import YEARS
from trifacet.core.errors import error
from trifacet.core.findings import Finding
from trifacet.core.manifest import Manifest
from trifacet.core.predictions import Predictions
from trifacet.core.schema import MISSING, FloatArray, IntArray, require_same_schema
from trifacet.measure.people import OF_A_PERSON, as_people
from trifacet.pages.html import readable

YEARS_OFF = 15.0  # expected years between the label and the person from which it is flagged; docs/log.md, "Labels"
MANY_NATS = float(np.log(1e6))  # from where a number of times is no longer written out
SWAPPED = 4.0  # nats by which two labels are more likely when they change places; the same entry
TINY = 1e-9


@dataclass(frozen=True)
class Doubt:
    """How far the model believes each label of one attribute.

    units: (U,) a row of each unit: its photo, or the first photo of its person with this label. members: the rows of
    each. belief: (U,) the probability of the given label, 0 worst .. 1 fine. given, proposed: (U,) class ids.
    proposal: (U,) the probability of the proposed class. is_issue: (U,) whether confident learning counts it an error.
    """

    attribute: str
    units: IntArray
    members: tuple[tuple[int, ...], ...]
    belief: FloatArray
    given: IntArray
    proposed: IntArray
    proposal: FloatArray
    is_issue: npt.NDArray[np.bool_]

    @property
    def worst_first(self) -> IntArray:
        """The units (U,) in the order in which they are worth a look."""
        return np.argsort(self.belief, kind="stable")


def require_cleanlab() -> None:
    """Raises MissingExtraError TRI600 where cleanlab is not installed."""
    from importlib.util import find_spec

    if find_spec("cleanlab") is None:
        raise error("TRI600", "finding label errors needs the extra audit")


def doubts(manifest: Manifest, told: Predictions) -> list[Doubt]:
    """What the predictions doubt of the manifest's labels, an attribute each; rows are those of the manifest.

    told: predictions of exactly these photos by models that saw none of their people, in the manifest's order. Photos
    without a label, or that could not be read, are doubted by nobody.
    """
    require_same_schema(manifest.schema, told.schema, where="predictions")
    pooled = as_people(told, _numbers(manifest.groups))
    found = []
    for i, attribute in enumerate(manifest.schema.attributes):
        of_person = attribute.name in OF_A_PERSON
        probs = (pooled if of_person else told).marginals[attribute.name]
        labels = np.where(told.is_read, manifest.classes[:, i], MISSING)
        found.append(_doubt(labels, probs, name=attribute.name, groups=manifest.groups if of_person else None))
    return found


def _doubt(labels: IntArray, probs: FloatArray, *, name: str, groups: Sequence[str] | None) -> Doubt:
    rows = np.flatnonzero(labels != MISSING)
    keys = [(groups[i], int(labels[i])) if groups else (i, 0) for i in rows.tolist()]
    members: dict[Any, list[int]] = {}
    for row, key in zip(rows.tolist(), keys, strict=True):
        members.setdefault(key, []).append(row)
    units = np.array([m[0] for m in members.values()], dtype=np.int64)
    given, known = labels[units], probs[units]
    return Doubt(
        attribute=name,
        units=units,
        members=tuple(tuple(m) for m in members.values()),
        belief=known[np.arange(len(units)), given],
        given=given,
        proposed=known.argmax(axis=1) if len(units) else given,
        proposal=known.max(axis=1) if len(units) else np.empty(0),
        is_issue=_issues(given, known),
    )


def _issues(labels: IntArray, probs: FloatArray) -> npt.NDArray[np.bool_]:
    """Which labels (U,) confident learning counts as errors; classes that no label has are left out of it."""
    there = np.unique(labels)
    if len(there) < 2:
        return np.zeros(len(labels), dtype=bool)
    from cleanlab.filter import find_label_issues

    kept = np.maximum(probs[:, there], TINY)
    kept = kept / kept.sum(axis=1, keepdims=True)
    found = find_label_issues(np.searchsorted(there, labels), kept, filter_by="prune_by_noise_rate", n_jobs=1)
    return np.asarray(found, dtype=bool)


@dataclass(frozen=True)
class AgeDoubt:
    """How far the labelled years are from what the model expects.

    units: (U,) the first photo of each person with these years; members: the rows of each. off: (U,) expected years
    between the label and the person's age. expected: (U,) the person's age as the model expects it, in years.
    """

    units: IntArray
    members: tuple[tuple[int, ...], ...]
    off: FloatArray
    expected: FloatArray

    @property
    def worst_first(self) -> IntArray:
        """The units (U,) in the order in which they are worth a look."""
        return np.argsort(-self.off, kind="stable")


def age_doubt(manifest: Manifest, told: Predictions) -> AgeDoubt | None:
    """What the predictions doubt of the years, of each person's photos together; None where they know no years."""
    if told.age_probs is None:
        return None
    ages, groups = manifest.ages, manifest.groups
    pooled = as_people(told, _numbers(groups)).age_probs
    members: dict[tuple[str, float], list[int]] = {}
    for row in np.flatnonzero(told.is_read & np.isfinite(ages)).tolist():
        members.setdefault((groups[row], float(ages[row])), []).append(row)
    units = np.array([m[0] for m in members.values()], dtype=np.int64)
    grid = manifest.schema.year_grid.astype(np.float64)
    probs = np.asarray(pooled, dtype=np.float64)[units]
    off = (probs * np.abs(grid[None, :] - ages[units][:, None])).sum(axis=1)
    return AgeDoubt(units, tuple(tuple(m) for m in members.values()), off, probs @ grid)


def swaps(manifest: Manifest, told: Predictions) -> list[tuple[int, int, str, float]]:
    """(row, row, attribute, nats): photos of one person whose labels would be more likely changed about.

    nats: by how much, at least SWAPPED. Only attributes of a photo; each photo is in one pair of an attribute at most,
    the most likely pairs first.
    """
    people: dict[str, list[int]] = {}
    for row, person in enumerate(manifest.groups):
        people.setdefault(person, []).append(row)
    found = []
    for i, attribute in enumerate(manifest.schema.attributes):
        if attribute.name in OF_A_PERSON:
            continue
        labels = np.where(told.is_read, manifest.classes[:, i], MISSING)
        logs = np.log(np.maximum(told.marginals[attribute.name], TINY))
        candidates = [pair for rows in people.values() for pair in _likelier(rows, labels, logs=logs)]
        taken: set[int] = set()
        for gain, one, two in sorted(candidates, key=lambda c: (-c[0], c[1], c[2])):
            if not taken & {one, two}:
                taken |= {one, two}
                found.append((one, two, attribute.name, gain))
    return found


def _likelier(rows: Sequence[int], labels: IntArray, *, logs: FloatArray) -> list[tuple[float, int, int]]:
    """(nats, row, row) of the pairs of one person's photos that gain by changing labels."""
    found = []
    for one, two in combinations([r for r in rows if labels[r] != MISSING], 2):
        a, b = labels[one], labels[two]
        gain = float(logs[one, b] + logs[two, a] - logs[one, a] - logs[two, b])
        if a != b and gain >= SWAPPED:
            found.append((gain, one, two))
    return found


def label_findings(manifest: Manifest, told: Predictions) -> list[Finding]:
    """All of it as findings: `label` a unit (is_issue as confident learning has it), `age` a person, `swap` a pair."""
    ids, found, is_bare = manifest.photo_ids, [], _is_bare(manifest)
    for doubt in doubts(manifest, told):
        classes = next(a.classes for a in manifest.schema.attributes if a.name == doubt.attribute)
        for u in doubt.worst_first.tolist():
            given, proposed = classes[doubt.given[u]], classes[doubt.proposed[u]]
            whose = f"{_whose(doubt.members[u])} labelled {readable(given)}"
            detail = f"{whose}; the model says {readable(proposed)} ({doubt.proposal[u]:.2f})"
            score, is_issue = float(doubt.belief[u]), bool(doubt.is_issue[u])
            sure = float(doubt.proposal[u])
            photo = ids[_to_show(doubt.members[u], is_bare)]
            found.append(Finding(photo, "label", score, is_issue, doubt.attribute, "", detail, proposed, sure))
    if (aged := age_doubt(manifest, told)) is not None:
        for u in aged.worst_first.tolist():
            off, row, expected = float(aged.off[u]), int(aged.units[u]), f"{aged.expected[u]:.0f}"
            detail = f"{_whose(aged.members[u])} labelled {manifest.ages[row]:g} years; the model expects {expected}"
            score, is_issue = 1 / (1 + off / YEARS_OFF), off >= YEARS_OFF
            photo = ids[_to_show(aged.members[u], is_bare)]
            found.append(Finding(photo, "age", score, is_issue, YEARS, "", detail, expected))
    for one, two, name, nats in swaps(manifest, told):
        times = f"{np.exp(nats):,.0f}" if nats < MANY_NATS else "over a million"
        detail = f"{times} times as likely with each other's {readable(name)}"
        proposed = manifest.table[name][two]
        classes = next(a.classes for a in manifest.schema.attributes if a.name == name)
        confidence = float(told.marginals[name][one, classes.index(proposed)])
        score = float(np.exp(-nats))
        found.append(Finding(ids[one], "swap", score, True, name, ids[two], detail, proposed, confidence))
    return found


def _is_bare(manifest: Manifest) -> npt.NDArray[np.bool_]:
    """Whether each photo (N,) is labelled as one without a mask: age and gender show best there."""
    schema = manifest.schema
    if "mask" not in schema.names or "not_worn" not in schema.attribute("mask").classes:
        return np.zeros(len(manifest), dtype=bool)
    return manifest.table["mask"].eq_missing("not_worn").to_numpy()


def _to_show(members: Sequence[int], is_bare: npt.NDArray[np.bool_]) -> int:
    """Which of these photos shows a person best: the first without a mask, else the first."""
    return next((row for row in members if is_bare[row]), members[0])


def _whose(members: Sequence[int]) -> str:
    return f"{len(members)} photos of a person" if len(members) > 1 else "a photo"


def _numbers(groups: Sequence[str]) -> IntArray:
    return np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1].astype(np.int64)
