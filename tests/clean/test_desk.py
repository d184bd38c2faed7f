"""The desk shows each reviewer what waits for them in a pass, and turns answers into rulings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.tiny import manifest
from trifacet.clean.desk import Desk
from trifacet.clean.passes import PASSES, Filters, Progress
from trifacet.clean.store import StaleError, open_store, outcome
from trifacet.core.decisions import Decision, replay
from trifacet.core.errors import ConfigError, StoreError
from trifacet.core.findings import Finding, Findings, findings_table
from trifacet.core.manifest import Manifest
from trifacet.core.schema import DEFAULT_SCHEMA

ROWS = [("worn", "male", "under_30"), ("incorrect", "male", "under_30"), ("not_worn", "female", "60_plus")] * 2
PERSONS = ["a", "a", "b", "c", "c", "d"]
NONE = Filters()


def photos() -> Manifest:
    return manifest(ROWS, age_years=[25.0, 25.0, 61.0] * 2, person_id=PERSONS, split=["train"] * 3 + ["val"] * 3)


def desk(path: Path, *found: Finding) -> Desk:
    findings = Findings(findings_table(found), DEFAULT_SCHEMA) if found else None
    return Desk(photos(), open_store(path / "rulings.db"), findings=findings)


FOUND = (
    Finding("4.jpg", "label", 0.1, attribute="gender", detail="the model says female"),
    Finding("2.jpg", "label", 0.3, attribute="mask"),
    Finding("0.jpg", "dark", 0.2),
    Finding("5.jpg", "label", 0.9, is_issue=False, attribute="mask"),
)


def walk(at: Desk, which: str, who: str, filters: Filters = NONE) -> list[int]:
    """The rows that a reviewer is shown who answers nothing."""
    rows: list[int] = []
    row = at.following(which, who, filters=filters)
    while row is not None and row not in rows:
        rows.append(row)
        row = at.following(which, who, filters=filters, after=row)
    return rows


def answer(at: Desk, row: int, who: str = "ann", **changes: str) -> list[int]:
    return at.rule(row, changes, who=who, seen=at.board.last)


def test_all_photos_are_looked_through_once_by_each(tmp_path: Path) -> None:
    at = desk(tmp_path)
    assert walk(at, "look", "ann") == [0, 1, 2, 3, 4, 5]
    answer(at, 0, verdict="seen")
    answer(at, 3, verdict="flagged")
    assert walk(at, "look", "ann") == [1, 2, 4, 5]
    assert walk(at, "look", "bob") == [0, 1, 2, 3, 4, 5]
    assert (at.progress("look", "ann", filters=NONE).done, at.progress("look", "bob", filters=NONE).done) == (2, 0)


def test_what_one_flagged_others_confirm_or_dismiss(tmp_path: Path) -> None:
    at = desk(tmp_path)
    assert walk(at, "flagged", "ann") == []
    answer(at, 3, verdict="flagged")
    answer(at, 5, verdict="flagged")
    assert walk(at, "flagged", "bob") == walk(at, "flagged", "ann") == [3, 5]
    answer(at, 3, "bob", verdict="dismissed")
    answer(at, 5, "bob", verdict="confirmed")
    assert (walk(at, "flagged", "bob"), walk(at, "flagged", "ann")) == ([], [3, 5])
    assert at.progress("flagged", "bob", filters=NONE).n_photos == 2


def test_findings_are_ruled_on_worst_first_then_what_was_confirmed(tmp_path: Path) -> None:
    at = desk(tmp_path, *FOUND)
    assert walk(at, "rule", "ann") == [4, 0, 2]
    answer(at, 3, "bob", verdict="confirmed")
    assert walk(at, "rule", "ann") == [4, 0, 2, 3]
    answer(at, 0, mask="worn")
    answer(at, 2, verdict="unsure")
    answer(at, 3, verdict="skipped")
    assert walk(at, "rule", "ann") == [4]
    assert at.progress("rule", "ann", filters=NONE) == Progress(3, 4)


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        pytest.param(Filters(kinds=("dark",)), [0], id="a kind"),
        pytest.param(Filters(attribute="mask"), [2], id="an attribute"),
        pytest.param(Filters(classes=(("gender", "male"),)), [4, 0], id="a class"),
        pytest.param(Filters(split="val"), [4], id="a split"),
        pytest.param(Filters(kinds=("dark",), split="val"), [], id="both"),
    ],
)
def test_filters_show_a_part(tmp_path: Path, filters: Filters, rows: list[int]) -> None:
    assert walk(desk(tmp_path, *FOUND), "rule", "ann", filters) == rows


def test_an_item_shows_why_and_beside_whom(tmp_path: Path) -> None:
    at = desk(tmp_path, *FOUND)
    shown = at.item(4, "ann")
    assert (shown["photo_id"], shown["person"], shown["labels"]["mask"]) == ("4.jpg", "c", "incorrect")
    assert [other["row"] for other in shown["others"]] == [3]
    assert [why["detail"] for why in shown["why"]] == ["the model says female"]
    answer(at, 4, gender="female")
    assert at.item(4, "ann")["own"] == {"gender": "female"}
    assert at.item(4, "bob")["own"] == {}


def test_an_answer_for_a_person_is_one_stroke(tmp_path: Path) -> None:
    at = desk(tmp_path)
    numbers = at.rule(0, {"gender": "female"}, who="ann", seen=0, of_person=["gender"])
    assert [e.subject for e in at.board.store.events()] == ["0.jpg", "1.jpg"]
    made = replay(photos(), outcome(at.board.store.events()).decisions)
    assert made.manifest.table["gender"].to_list()[:3] == ["female", "female", "female"]
    at.undo(numbers[0], who="ann")
    assert outcome(at.board.store.events()).decisions == ()


def test_what_is_of_the_photo_alone_is_ruled_of_it_alone(tmp_path: Path) -> None:
    at = desk(tmp_path)
    at.rule(1, {"mask": "incorrect", "gender": "female"}, who="ann", seen=0, of_person=["gender"])
    told = [(e.subject, e.attribute) for e in at.board.store.events()]
    assert told == [("1.jpg", "mask"), ("1.jpg", "gender"), ("0.jpg", "gender")]
    assert len({e.batch for e in at.board.store.events()}) == 1


def test_an_answer_from_an_older_window_is_refused(tmp_path: Path) -> None:
    at = desk(tmp_path)
    answer(at, 0, gender="female")
    with pytest.raises(StaleError):
        at.rule(1, {"gender": "female"}, who="ann", seen=0, of_person=["gender"])
    assert len(at.board.store.events()) == 1


def test_what_reviewers_see_differently_is_settled(tmp_path: Path) -> None:
    at = desk(tmp_path)
    answer(at, 2, mask="worn")
    answer(at, 2, "bob", mask="incorrect")
    assert walk(at, "settle", "cem") == [2]
    assert [(r["who"], r["new"]) for r in at.item(2, "cem")["rulings"]] == [("ann", "worn"), ("bob", "incorrect")]
    at.rule(2, {"mask": "worn"}, who="cem", seen=at.board.last, is_settling=True)
    assert walk(at, "settle", "cem") == []
    assert replay(photos(), outcome(at.board.store.events()).decisions).manifest.table["mask"][2] == "worn"


def test_a_reviewer_walks_back_and_forth_also_at_a_new_desk(tmp_path: Path) -> None:
    at = desk(tmp_path)
    answer(at, 0, gender="female")
    numbers = at.rule(4, {"mask": "worn"}, who="ann", seen=9, of_person=["mask"])
    answer(at, 2, "bob", mask="worn")
    at = desk(tmp_path)
    assert at.way("ann") == {"back": {"number": numbers[0], "row": 4}, "forth": None}
    assert at.way("cem") == {"back": None, "forth": None}
    first = at.undo(numbers[0], who="ann")
    assert at.way("ann") == {"back": {"number": 1, "row": 0}, "forth": {"number": first[0], "row": 4}}
    second = at.undo(1, who="ann")
    assert at.way("ann") == {"back": None, "forth": {"number": second[0], "row": 0}}
    again = at.undo(second[0], who="ann")
    assert at.way("ann") == {"back": {"number": again[0], "row": 0}, "forth": {"number": first[0], "row": 4}}
    answer(at, 5, mask="worn")
    assert at.way("ann")["forth"] is None


def test_what_is_settled_counts_as_done(tmp_path: Path) -> None:
    at = desk(tmp_path)
    for row in (1, 2):
        answer(at, row, mask="worn")
        answer(at, row, "bob", mask="incorrect")
    assert at.progress("settle", "cem", filters=NONE) == Progress(0, 2)
    assert at.item(1, "cem")["differs"] == ["mask"]
    at.rule(1, {"mask": "worn"}, who="cem", seen=at.board.last, is_settling=True)
    assert at.progress("settle", "cem", filters=NONE) == Progress(1, 2)
    assert at.item(1, "cem")["differs"] == []


def test_rulings_on_a_whole_person_that_were_imported_are_of_each_photo(tmp_path: Path) -> None:
    at = desk(tmp_path)
    told = Decision(who="ann", scope="person", subject="a", attribute="gender", old="male", new="female")
    strange = Decision(who="ann", subject="elsewhere.jpg", attribute="gender", new="female")
    at.board.store.add([told, strange])
    at.board.refresh()
    assert walk(at, "rule", "ann") == [2, 3, 4, 5]
    assert at.way("ann") == {"back": {"number": 2, "row": -1}, "forth": None}


def test_a_photo_shows_what_lies_beside_it_and_what_a_model_proposes(tmp_path: Path) -> None:
    found = (
        Finding("0.jpg", "copy", 0.1, other_id="5.jpg"),
        Finding("1.jpg", "label", 0.2, attribute="gender", proposed="female", confidence=0.5),
    )
    at = desk(tmp_path, *found)
    assert [(why["other"], why["confidence"]) for why in at.item(0, "ann")["why"]] == [(5, None)]
    assert [(why["other"], why["proposed"], why["confidence"]) for why in at.item(1, "ann")["why"]] == [
        (None, "female", 0.5)
    ]


def test_both_photos_of_a_swap_are_shown_with_each_others_label(tmp_path: Path) -> None:
    at = desk(
        tmp_path, Finding("1.jpg", "swap", 0.1, attribute="mask", other_id="0.jpg", proposed="worn", confidence=0.9)
    )
    assert walk(at, "rule", "ann") == [1, 0]
    told = [at.item(row, "ann")["why"][0] for row in (1, 0)]
    assert [(why["other"], why["proposed"]) for why in told] == [(0, "worn"), (1, "incorrect")]
    assert [why["confidence"] is None for why in told] == [False, True]


def test_photos_that_are_named_outside_their_folder_are_refused(tmp_path: Path) -> None:
    made = photos()
    table = made.table.with_columns(path=pl.Series(["/etc/passwd", "a/../../b.jpg", "a..jpg", "2.jpg", "3.jpg", "x"]))
    with pytest.raises(StoreError) as caught:
        Desk(replace(made, table=table), open_store(tmp_path / "rulings.db"))
    assert str(caught.value) == (
        "TRI713 photos outside their folder are not shown, got /etc/passwd, a/../../b.jpg. Make the manifest again "
        "with `trifacet ingest` on the folder that holds the photos."
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 4)), max_size=25))
def test_queues_that_are_kept_are_what_a_new_desk_finds(steps: list[tuple[str, int, int]]) -> None:
    values = [{"verdict": "flagged"}, {"verdict": "confirmed"}, {"mask": "worn"}, {"mask": "incorrect"}]
    with TemporaryDirectory() as folder:
        at = desk(Path(folder), *FOUND)
        for who, row, kind in steps:
            if kind < len(values):
                answer(at, row, who, **values[kind])
            elif (step := at.way(who)["back"]) is not None:
                at.undo(step["number"], who=who)
            kept = [[at.progress(which, each, filters=NONE) for which in PASSES] for each in "ab"]
        new = desk(Path(folder), *FOUND)
        found = [[new.progress(which, each, filters=NONE) for which in PASSES] for each in "ab"]
        assert not steps or kept == found
        assert [walk(at, which, "a") for which in PASSES] == [walk(new, which, "a") for which in PASSES]


def test_two_desks_on_one_store_see_each_other(tmp_path: Path) -> None:
    one, two = desk(tmp_path), desk(tmp_path)
    answer(one, 0, verdict="seen")
    two.board.refresh()
    assert walk(two, "look", "ann") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("changes", [{"mask": "wrong"}, {"hat": "on"}, {"use": "eaten"}, {"verdict": "maybe"}])
def test_what_cannot_be_ruled_is_refused(tmp_path: Path, changes: dict[str, str]) -> None:
    at = desk(tmp_path)
    with pytest.raises(ConfigError, match=r"^TRI104"):
        at.rule(0, changes, who="ann", seen=0)
    with pytest.raises(ConfigError, match=r"^TRI100 no pass 'looks'. Did you mean 'look'\?"):
        at.following("looks", "ann", filters=NONE)
    with pytest.raises(ConfigError, match=r"^TRI100 no attribute 'masks'. Did you mean 'mask'\?"):
        at.following("look", "ann", filters=Filters(classes=(("masks", "worn"),)))
    assert at.board.store.events() == []
