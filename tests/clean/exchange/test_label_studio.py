"""Label Studio: answers of several people, addresses of photos, and what is passed over or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.clean.exchange.people import ONE, TWO, answer, choice, people, task, write
from trifacet.clean.exchange.forms import LABEL_STUDIO, read_form
from trifacet.clean.exchange.label_studio import image_path, labelling_config
from trifacet.clean.exchange.meaning import read_names
from trifacet.clean.exchange.rulings import Author, Ruled, rulings_of

DATA = people()
NORMAL = f"/data/local-files/?d=faces/train/images/{ONE}/normal.jpg"
ANN, BOB = {"id": 1, "email": "ann@example.org", "first_name": "Ann"}, {"id": 2, "email": "bob@example.org"}


def read(tmp_path: Path, content: Any, *maps: str, is_confirming: bool = False) -> Ruled:
    names = read_names(maps, schema=DATA.schema)
    told = read_form(write(tmp_path / "e.json", content), LABEL_STUDIO, names=names)
    return rulings_of(told, DATA, names=names, author=Author("?"), is_confirming=is_confirming)


def said(found: Ruled) -> list[tuple[str, str, str, str, str]]:
    return [(d.who, d.subject, d.attribute, d.old, d.new) for d in found.decisions]


def test_what_several_people_said_becomes_their_rulings(tmp_path: Path) -> None:
    content = [
        task(
            11,
            NORMAL,
            answer(ANN, choice("gender", "male"), choice("mask", "not_worn")),
            answer(7, choice("gender", "Male")),
            answer(BOB, choice("gender", "female")),
        ),
        task(12, f"/data/local-files/?d=faces/{TWO}/mask1.jpg", answer(ANN, choice("gender", "male"))),
    ]
    found = read(tmp_path, content)
    normal = f"{ONE}/normal.jpg"
    assert said(found) == [
        ("ann@example.org", normal, "gender", "female", "male"),
        ("user 7", normal, "gender", "female", "male"),
        ("bob@example.org", normal, "gender", "female", "female"),  # agrees, and somebody says otherwise
    ]
    assert found.n_agreed == 2
    assert found.problems == ()
    assert {d.source for d in found.decisions} == {"human"}


def test_agreement_is_kept_when_asked_for(tmp_path: Path) -> None:
    found = read(tmp_path, [task(1, NORMAL, answer(ANN, choice("gender", "female")))], is_confirming=True)
    assert said(found) == [("ann@example.org", f"{ONE}/normal.jpg", "gender", "female", "female")]


def test_of_two_answers_of_one_person_the_later_counts(tmp_path: Path) -> None:
    late = answer(ANN, choice("mask", "incorrect"), at="2026-11-03T00:00:00Z")
    early = answer(ANN, choice("mask", "worn"), choice("use", "dropped"), at="2026-11-02T00:00:00Z")
    found = read(tmp_path, [task(1, NORMAL, late, early)])
    assert {(a, new) for _, _, a, _, new in said(found)} == {("mask", "incorrect"), ("use", "dropped")}


def test_years_reasons_and_certainty_are_read(tmp_path: Path) -> None:
    years = {"from_name": "age_years", "to_name": "image", "type": "number", "value": {"number": 31}}
    notes = [
        {"from_name": name, "to_name": "image", "type": "textarea", "value": {"text": [text]}}
        for name, text in (("reason", "grey hair"), ("certainty", "likely"))
    ]
    (one,) = read(tmp_path, [task(1, NORMAL, answer(ANN, years, *notes))]).decisions
    assert (one.attribute, one.old, one.new, one.reason, one.certainty) == (
        "age_years",
        "45",
        "31",
        "grey hair",
        "likely",
    )


def test_skipped_answers_predictions_and_other_results_are_told(tmp_path: Path) -> None:
    box = {"from_name": "face", "to_name": "image", "type": "rectanglelabels", "value": {"rectanglelabels": ["Face"]}}
    proposal = {"model_version": "m", "score": 0.9, "result": [choice("gender", "male")]}
    answers = [answer(BOB, choice("gender", "male"), was_cancelled=True), answer(ANN, choice("mask", "worn"), box)]
    found = read(tmp_path, [task(1, NORMAL, *answers, predictions=[proposal])])
    assert said(found) == [("ann@example.org", f"{ONE}/normal.jpg", "mask", "not_worn", "worn")]
    assert found.notes == (
        "1 annotations were skipped by their author",
        "1 predictions are proposals, not rulings",
        "not labels here: face",
    )


def test_other_names_and_words_are_mapped(tmp_path: Path) -> None:
    content = [task(1, "x", answer(ANN, choice("sex", "M")), data={"photo": f"s3://bucket/{ONE}/normal.jpg"})]
    found = read(tmp_path, content, "path=photo", "gender=sex", "gender:M=male")
    assert said(found) == [("ann@example.org", f"{ONE}/normal.jpg", "gender", "female", "male")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("/data/local-files/?d=a%20b/c.jpg", "a b/c.jpg", id="a local file"),
        pytest.param("https://example.org/a/c.jpg?token=1", "example.org/a/c.jpg", id="a page"),
        pytest.param("s3://bucket/a/c.jpg", "bucket/a/c.jpg", id="a bucket"),
        pytest.param("/data/upload/3/0a1b2c3d-normal.jpg", "normal.jpg", id="an upload"),
        pytest.param("a/0a1b2c3d-normal.jpg", "a/0a1b2c3d-normal.jpg", id="no upload"),
    ],
)
def test_the_path_in_an_address(address: str, expected: str) -> None:
    assert image_path(address) == expected


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        pytest.param(task(4, ""), "task 4: : names no photo", id="no photo"),
        pytest.param(
            task(4, NORMAL) | {"annotations": "none"}, "task 4: {photo}: annotations are no such list", id="no list"
        ),
        pytest.param(
            task(4, NORMAL, answer(ANN, choice("mask", "worn", "incorrect"))),
            "task 4: {photo}: mask of ann@example.org is not one choice, number or text",
            id="two choices",
        ),
        pytest.param(
            task(4, NORMAL, answer(ANN, choice("mask", "wron"))),
            "task 4: {photo}: mask: 'wron' is no mask: worn, incorrect, not_worn. Did you mean 'worn'?",
            id="no class",
        ),
        pytest.param(
            task(4, "normal.jpg", answer(ANN, choice("mask", "worn"))),
            f"task 4: normal.jpg: 3 photos end in normal.jpg: {ONE}/normal.jpg, {TWO}/normal.jpg, "
            "000004_male_Asian_20/normal.jpg",
            id="several photos",
        ),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_is_not_taken_for_it(
    tmp_path: Path, broken: dict[str, Any], problem: str
) -> None:
    good = task(3, NORMAL, answer(BOB, choice("gender", "male")))
    found = read(tmp_path, [good, broken])
    (one,) = found.problems
    photo = NORMAL.partition("?d=")[2]
    assert f"{one.place}: {one.path}: {one.why}" == problem.format(photo=photo)


def test_the_labelling_interface_offers_every_class() -> None:
    view = ElementTree.fromstring(labelling_config(DATA.schema))
    offered = {c.get("name"): [v.get("value") for v in c] for c in view.iter("Choices")}
    assert offered["mask"] == ["worn", "incorrect", "not_worn", "none"]
    assert offered["use"] == ["dropped", "unusable", "not_a_face", "none"]
    assert {n.get("name") for n in view.iter("Number")} == {"age_years"}
    assert {t.get("name") for t in view.iter("TextArea")} == {"reason", "certainty"}
    assert {e.get("toName") for e in view if e.get("toName")} == {"image"}
