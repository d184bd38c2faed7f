"""Decisions come back from each form as they went in, where the form can say them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clean.exchange.people import people
from trifacet.clean.exchange.cvat import annotated
from trifacet.clean.exchange.fiftyone import samples
from trifacet.clean.exchange.forms import CVAT, FIFTYONE, LABEL_STUDIO, form_of, read_form
from trifacet.clean.exchange.label_studio import tasks
from trifacet.clean.exchange.rulings import Author, given_labels, rulings_of
from trifacet.clean.exchange.said import Names
from trifacet.clean.exchange.sheets import sheets_of
from trifacet.core.decisions import USE, USES, YEARS, Decision, read_decisions, write_decisions

DATA = people()
GIVEN = given_labels(DATA)
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip)
NAMES = WORDS.filter(bool)
VALUES = {a.name: ("", *a.classes) for a in DATA.schema.attributes} | {USE: USES, YEARS: ("18", "30.5", "59.5", "60")}


@st.composite
def decision(draw: st.DrawFn, source: str = "human") -> Decision:
    photo = draw(st.sampled_from(DATA.photo_ids))
    attribute = draw(st.sampled_from([name for name in VALUES if name != "age"]))
    return Decision(
        who=draw(NAMES),
        subject=photo,
        attribute=attribute,
        old=GIVEN[photo][attribute],
        new=draw(st.sampled_from(VALUES[attribute])),
        reason=draw(NAMES),
        certainty=draw(WORDS),
        source=source,
    )


def told(decisions: Sequence[Decision]) -> set[Decision]:
    return {d.model_copy(update={"number": 0, "at": "", "batch": ""}) for d in decisions}


def through(form: str, decisions: Sequence[Decision]) -> set[Decision]:
    """What is read of what was written."""
    made = sheets_of(DATA, decisions)
    assert made.unsaid == ()
    with TemporaryDirectory() as folder:
        path = Path(folder) / {CVAT: "a.xml"}.get(form, "a.json")
        if form == CVAT:
            path.write_text(annotated(made.sheets, DATA.schema, name="a"), encoding="utf-8")
        else:
            content = tasks(made.sheets, DATA.schema)
            content = content if form == LABEL_STUDIO else {"samples": samples(made.sheets, DATA.schema)}
            path.write_text(json.dumps(content), encoding="utf-8")
        assert form_of(path, "auto") == form
        names = Names(DATA.schema)
        found = rulings_of(
            read_form(path, form, names=names), DATA, names=names, author=Author("?"), is_confirming=True
        )
    assert found.problems == ()
    return told(found.decisions)


def once(decisions: list[Decision], *, each_author: bool = True) -> list[Decision]:
    """One decision a thing, and author."""
    return list({(d.subject, d.attribute, d.who if each_author else ""): d for d in decisions}.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(decision(), min_size=1, max_size=12))
def test_label_studio_says_what_each_reviewer_said(decisions: list[Decision]) -> None:
    assert through(LABEL_STUDIO, once(decisions)) == told(once(decisions))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(decision(), decision("model"), decision("rule")), min_size=1, max_size=12))
def test_cvat_says_what_each_author_said(decisions: list[Decision]) -> None:
    assert through(CVAT, once(decisions)) == told(once(decisions))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(decision(), decision("model"), decision("rule")), min_size=1, max_size=12))
def test_fiftyone_says_one_ruling_a_label(decisions: list[Decision]) -> None:
    kept = once(decisions, each_author=False)
    assert through(FIFTYONE, kept) == told(kept)


ANY = st.builds(
    Decision,
    number=st.integers(0, 9),
    at=WORDS,
    who=WORDS,
    scope=st.sampled_from(["photo", "person"]),
    subject=NAMES,
    attribute=NAMES,
    old=WORDS,
    new=WORDS,
    reason=st.text(st.characters(exclude_categories=("Cs",)), max_size=12).map(str.strip),
    source=st.sampled_from(["human", "model", "rule"]),
    certainty=WORDS,
    undo_of=st.integers(0, 9),
    batch=WORDS,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(ANY, max_size=6))
def test_csv_says_everything(decisions: list[Decision]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "d.csv"
        write_decisions(path, decisions)
        assert read_decisions(path) == decisions


def test_a_person_is_told_of_each_of_their_photos() -> None:
    one = Decision(
        who="ann", scope="person", subject="000001", attribute="gender", old="female", new="male", reason="x"
    )
    expected = {one.model_copy(update={"scope": "photo", "subject": p}) for p in DATA.photo_ids if "000001" in p}
    assert len(expected) == 3
    assert all(through(form, [one]) == told(list(expected)) for form in (LABEL_STUDIO, CVAT, FIFTYONE))


@pytest.mark.parametrize(
    "unsaid",
    [
        pytest.param({"attribute": "person_id", "old": "000001", "new": "000002"}, id="somebody else"),
        pytest.param({"attribute": "verdict", "new": "flagged"}, id="a verdict"),
        pytest.param({"attribute": YEARS, "old": "45", "new": ""}, id="no years"),
        pytest.param({"attribute": "mask", "subject": "elsewhere.jpg"}, id="a photo that is not here"),
    ],
)
def test_what_forms_cannot_say_is_told(unsaid: dict[str, str]) -> None:
    one = Decision.model_validate({"who": "ann", "subject": DATA.photo_ids[0], **unsaid})
    made = sheets_of(DATA, [one])
    assert (made.sheets, made.unsaid) == ((), (one,))


def test_what_a_model_said_is_a_proposal_in_label_studio_and_no_ruling() -> None:
    photo = DATA.photo_ids[0]
    one = Decision(who="net", subject=photo, attribute="gender", old="female", new="male", source="model")
    (made,) = tasks(sheets_of(DATA, [one]).sheets, DATA.schema)
    assert made["annotations"] == []
    assert [p["model_version"] for p in made["predictions"]] == ["given labels", "net"]
    given_values = {r["from_name"]: next(iter(r["value"].values())) for r in made["predictions"][0]["result"]}
    assert given_values == {"mask": ["incorrect"], "gender": ["female"], "age": ["30_to_59"], YEARS: 45.0}
    assert through(LABEL_STUDIO, [one]) == set()
