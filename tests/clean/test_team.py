"""How reviewers agree is told of what each of them said alone."""

from __future__ import annotations

from math import isnan

from trifacet.clean.store import SETTLED
from trifacet.clean.team import agreements
from trifacet.core.decisions import VERDICT, YEARS, Decision

MASKS = "worn", "incorrect", "not_worn"


def told(who: str, *values: str, attribute: str = "mask", start: int = 1, **more: str) -> list[Decision]:
    """Rulings of one reviewer on photos 0, 1, ...; "" leaves one out."""
    return [
        Decision(number=start + i, who=who, subject=f"{i}.jpg", attribute=attribute, new=new, **more)
        for i, new in enumerate(values)
        if new
    ]


def test_two_reviewers_are_compared_where_both_ruled() -> None:
    events = told("ann", "worn", "worn", "incorrect", "incorrect", "worn")
    events += told("bob", "worn", "incorrect", "worn", "incorrect", start=9)
    (found,) = agreements(events)
    assert (found.attribute, found.reviewers, found.n_photos, found.same, found.kappa) == (
        "mask",
        ("ann", "bob"),
        4,
        0.5,
        0.0,
    )


def test_three_are_compared_two_by_two_and_together() -> None:
    events = told("ann", *MASKS) + told("bob", *MASKS, start=9) + told("cem", "worn", "", "worn", start=20)
    found = {one.reviewers: one for one in agreements(events)}
    assert [*found] == [("ann", "bob"), ("ann", "cem"), ("bob", "cem"), ("ann", "bob", "cem")]
    assert (found["ann", "bob"].kappa, found["ann", "bob"].n_photos) == (1.0, 3)
    assert found["ann", "cem"].same == 0.5
    assert (found["ann", "bob", "cem"].n_photos, round(found["ann", "bob", "cem"].same, 3)) == (3, 0.667)
    assert 0 < found["ann", "bob", "cem"].kappa < 1


def test_each_attribute_is_told_apart_and_years_and_verdicts_are_not() -> None:
    events = told("ann", "worn") + told("bob", "worn", start=5)
    events += told("ann", "male", attribute="gender", start=10) + told("bob", "female", attribute="gender", start=15)
    for name, value in ((YEARS, "30"), (VERDICT, "seen")):
        events += told("ann", value, attribute=name, start=20) + told("bob", value, attribute=name, start=30)
    found = agreements(events)
    assert [(one.attribute, one.same) for one in found] == [("mask", 1.0), ("gender", 0.0)]
    assert isnan(found[0].kappa)
    assert (found[0].told["kappa"], found[1].told["kappa"]) == (None, 0.0)


def test_what_settled_a_disagreement_leaves_what_was_said_before() -> None:
    events = told("ann", "worn", "worn") + told("bob", "incorrect", "worn", start=5)
    events += told("ann", "incorrect", certainty=SETTLED, start=10)
    assert agreements(events)[0].same == 0.5


def test_what_a_model_or_a_rule_said_is_no_reviewers() -> None:
    events = told("ann", "worn") + told("a model", "worn", source="model", start=5)
    assert agreements(events) == []
    assert agreements([]) == []


def test_the_newest_word_of_each_counts() -> None:
    events = told("ann", "worn") + told("bob", "incorrect", start=5) + told("bob", "worn", start=6)
    assert agreements(events)[0].same == 1.0
