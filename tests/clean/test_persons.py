"""A person is in one split and has one gender and one age."""

from __future__ import annotations

from pathlib import Path

from tests.core.tiny import manifest
from trifacet.clean.persons import mixed, several_values
from trifacet.core.decisions import Decision, write_decisions
from trifacet.core.manifest import Manifest
from trifacet.ruling import apply

N_PEOPLE = 12


def people(*others: int, years: float | None = None) -> Manifest:
    """Twelve men of three photos; the last photo of each of `others` is of another gender, or of other years."""
    n = 3 * N_PEOPLE
    odd = {3 * who + 2 for who in others}
    rows = [("worn", "female" if i in odd and years is None else "male", "under_30") for i in range(n)]
    ages = [years if i in odd and years is not None else 25.0 for i in range(n)]
    return manifest(rows, age_years=ages, person_id=[f"p{i // 3:02d}" for i in range(n)])


def test_a_person_of_two_genders_is_told_by_the_photo_that_differs() -> None:
    assert mixed(people()) == []
    (found,) = mixed(people(4))
    assert (found.kind, found.attribute, found.is_issue) == ("mixed", "gender", True)
    assert (found.photo_id, found.other_id) == ("14.jpg", "12.jpg")
    assert found.detail == "p04 is male in 2, female in 1 photos"


def test_ages_are_told_by_years_also_within_a_band() -> None:
    (found,) = mixed(people(0, years=26.0))
    assert (found.attribute, found.detail) == ("age_years", "p00 is 25 in 2, 26 in 1 photos")


def test_where_many_people_have_several_values_nobody_is_asked_about_them() -> None:
    found = mixed(people(1, 5, 7, years=29.0))
    assert [one.is_issue for one in found] == [False] * 3


def test_photos_of_nobody_are_nobodys() -> None:
    rows = [("worn", "male", "under_30"), ("worn", "female", "under_30")]
    assert several_values(manifest(rows, person_id=[None, None])) == {}


def test_apply_tells_of_people_with_two_genders_since(tmp_path: Path) -> None:
    told = [Decision(subject="p01", scope="person", attribute="gender", old="male", new="female")]
    told.append(Decision(subject="0.jpg", attribute="gender", old="male", new="female"))
    write_decisions(tmp_path / "d.csv", told)
    made = apply(people(4), tmp_path / "d.csv")
    assert made.mixed == ("p00",)


def test_an_exported_log_counts_as_its_store_does(tmp_path: Path) -> None:
    events = [
        Decision(number=1, who="ann", subject="0.jpg", attribute="mask", old="worn", new="incorrect"),
        Decision(number=2, who="bob", subject="0.jpg", attribute="mask", old="worn", new="not_worn"),
        Decision(number=3, who="ann", subject="1.jpg", attribute="mask", old="worn", new="incorrect"),
        Decision(number=4, who="ann", subject="1.jpg", attribute="mask", old="incorrect", new="worn", undo_of=3),
    ]
    write_decisions(tmp_path / "log.csv", events)
    made = apply(people(), tmp_path / "log.csv")
    assert (len(made.changes), len(made.disagreements), made.refused) == (0, 1, ())
