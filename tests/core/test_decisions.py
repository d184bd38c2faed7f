"""Decisions are replayed onto a new manifest; one whose `old` is not what stands is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.tiny import manifest
from trifacet.core.decisions import VERDICT, Decision, read_decisions, refuse, replay, write_decisions
from trifacet.core.errors import StoreError
from trifacet.core.manifest import Manifest

ROWS = [("worn", "male", "under_30"), ("incorrect", "male", "under_30"), ("not_worn", "female", "60_plus")]


def people() -> Manifest:
    return manifest(ROWS, age_years=[25.0, 25.0, 61.0], person_id=["a", "a", "b"], label_source=["csv"] * 3)


def one(subject: str, attribute: str, old: str, new: str, **more: object) -> Decision:
    told = {"subject": subject, "attribute": attribute, "old": old, "new": new, "who": "ann"}
    return Decision.model_validate(told | more)


def labels(made: Manifest) -> list[tuple[object, ...]]:
    return made.table.select("mask", "gender", "age", "age_years", "person_id", "dropped_because").rows()


@pytest.mark.parametrize(
    ("decisions", "row", "expected"),
    [
        pytest.param([one("0.jpg", "mask", "worn", "incorrect")], 0, {"mask": "incorrect"}, id="a class"),
        pytest.param([one("0.jpg", "mask", "worn", "")], 0, {"mask": None}, id="no class"),
        pytest.param([one("0.jpg", "use", "", "not_a_face")], 0, {"dropped_because": "not_a_face"}, id="dropped"),
        pytest.param([one("2.jpg", "person_id", "b", "a")], 2, {"person_id": "a"}, id="another person"),
        pytest.param(
            [one("0.jpg", "age_years", "25", "31")], 0, {"age_years": 31.0, "age": "30_to_59"}, id="years bring a band"
        ),
        pytest.param(
            [one("0.jpg", "age", "under_30", "60_plus")], 0, {"age": "60_plus", "age_years": None}, id="band, no years"
        ),
        pytest.param([one("0.jpg", "age", "under_30", "under_30")], 0, {}, id="confirmed"),
        pytest.param([one("0.jpg", VERDICT, "", "flagged")], 0, {}, id="a verdict"),
        pytest.param(
            [one("0.jpg", "mask", "worn", "incorrect"), one("0.jpg", "mask", "incorrect", "not_worn")],
            0,
            {"mask": "not_worn"},
            id="one after another",
        ),
    ],
)
def test_a_decision_changes_what_it_says(decisions: list[Decision], row: int, expected: dict[str, object]) -> None:
    before = people()
    made = replay(before, decisions)
    assert made.refused == ()
    told = dict(
        zip(("mask", "gender", "age", "age_years", "person_id", "dropped_because"), labels(before)[row], strict=True)
    )
    assert labels(made.manifest)[row] == tuple((told | expected).values())
    others = [i for i in range(3) if i != row]
    assert [labels(made.manifest)[i] for i in others] == [labels(before)[i] for i in others]
    assert set(made.changes["attribute"]) == {{"dropped_because": "use"}.get(name, name) for name in expected}


def test_a_decision_about_a_person_is_about_all_their_photos() -> None:
    made = replay(people(), [one("a", "gender", "male", "female", scope="person", reason="seen twice")])
    assert made.manifest.table["gender"].to_list() == ["female"] * 3
    assert made.changes.rows() == [
        ("0.jpg", "gender", "male", "female", "ann", "seen twice", ""),
        ("1.jpg", "gender", "male", "female", "ann", "seen twice", ""),
    ]
    assert made.manifest.table["label_source"].to_list() == ["ruled by ann", "ruled by ann", "csv"]
    assert people().table["gender"].to_list() == ["male", "male", "female"]


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        pytest.param(one("9.jpg", "mask", "worn", "incorrect"), "no such photo", id="photo"),
        pytest.param(one("z", "gender", "male", "female", scope="person"), "no such person", id="person"),
        pytest.param(one("0.jpg", "hat", "", "on"), "no attribute 'hat'", id="attribute"),
        pytest.param(
            one("0.jpg", "mask", "worn", "wrong"), "'wrong' is no mask: worn, incorrect, not_worn", id="class"
        ),
        pytest.param(one("0.jpg", "age_years", "25", "old"), "'old' is no number of years", id="words"),
        pytest.param(one("0.jpg", "age_years", "25", "250"), "250 years are outside 0..100", id="years"),
        pytest.param(
            one("0.jpg", "mask", "incorrect", "not_worn"), "mask of 0.jpg is 'worn', not 'incorrect'", id="old"
        ),
        pytest.param(
            one("a", "mask", "worn", "not_worn", scope="person"),
            "mask of 1.jpg is 'incorrect', not 'worn'",
            id="old of one photo of a person",
        ),
    ],
)
def test_a_decision_that_does_not_fit_is_refused_and_the_others_count(decision: Decision, why: str) -> None:
    made = replay(people(), [decision, one("2.jpg", "mask", "not_worn", "worn")])
    assert [(r.decision, r.why) for r in made.refused] == [(decision, why)]
    assert labels(made.manifest)[:2] == labels(people())[:2]
    assert made.manifest.table["mask"][2] == "worn"
    with pytest.raises(StoreError) as caught:
        refuse(made.refused, n_decisions=2, where="d.csv")
    assert str(caught.value).startswith(f"TRI701 d.csv: 1 of 2 decisions cannot be applied, got {decision.scope} ")
    refuse((), n_decisions=1, where="d.csv")


def test_what_was_applied_before_is_no_mistake_and_what_is_elsewhere_is_told_as_such() -> None:
    done = [one("0.jpg", "mask", "worn", "incorrect"), one("1.jpg", "gender", "male", "female", scope="photo")]
    first = replay(people(), done)
    again = replay(first.manifest, done)
    assert (first.n_so_already, again.n_so_already, again.refused, len(again.changes)) == (0, 2, (), 0)
    with pytest.raises(StoreError, match="They are about other photos") as caught:
        refuse(replay(people(), [one("9.jpg", "mask", "worn", "incorrect")] * 3).refused, n_decisions=3, where="d.csv")
    assert str(caught.value).count("9.jpg") == 1
    person = replay(people(), [one("a", "gender", "male", "female")]).refused
    assert [r.why for r in person] == ["no such photo; it is a person: scope person"]


@pytest.mark.parametrize("row", ["0.jpg,mask,worn", "0.jpg,mask,worn,incorrect,x"])
def test_a_row_of_too_few_or_too_many_cells_is_refused(tmp_path: Path, row: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text(f"subject,attribute,old,new\n1.jpg,mask,worn,incorrect\n{row}\n")
    with pytest.raises(StoreError, match=r"^TRI702 .* line 3: not the 4 cells that the header has"):
        read_decisions(path)


def test_decisions_come_back_as_they_were_written(tmp_path: Path) -> None:
    made = [
        one("0.jpg", "mask", "worn", "incorrect", reason='she said "no",\nthen yes', number=3, at="2026-11-22"),
        one("a", "gender", "male", "female", scope="person", source="rule", certainty="certain", batch="x", undo_of=2),
    ]
    write_decisions(tmp_path / "d.csv", made)
    assert read_decisions(tmp_path / "d.csv") == made


def test_a_file_that_a_person_wrote_needs_four_columns(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("\ufeffsubject,attribute,old,new\n0.jpg,mask,worn,\n", encoding="utf-8")
    assert read_decisions(tmp_path / "d.csv") == [Decision(subject="0.jpg", attribute="mask", old="worn")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("subject,attribute,old\n", "columns are missing, got new", id="missing"),
        pytest.param("subject,attribute,old,new,hat\n", "columns that decisions do not have, got hat", id="foreign"),
        pytest.param(
            "subject,attribute,old,new,scope\n,mask,a,b,\nx,mask,a,b,crowd\n",
            "2 rows cannot be read, got line 2, subject: Field required; line 3, scope: Input should be 'photo' or "
            "'person'",
            id="rows",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_told_at_once(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(StoreError) as caught:
        read_decisions(tmp_path / "d.csv")
    assert str(caught.value).startswith(f"TRI702 {tmp_path / 'd.csv'}: {message}")
