"""Known corrections touch nobody but the people they are about."""

from __future__ import annotations

import pytest

from tests.clean.exchange.people import people
from tests.core.tiny import FOUR_BANDS, manifest
from trifacet.clean.exchange.known import LEVELS, known_corrections, read_corrections
from trifacet.core.decisions import replay
from trifacet.core.errors import ConfigError, StoreError
from trifacet.core.schema import DEFAULT_SCHEMA

BAND = {"000020_female_Asian_50": "30_to_59", "004432_male_Asian_43": "30_to_59", "000007_male_Asian_43": "30_to_59"}


def test_the_list_is_sound() -> None:
    listed = read_corrections()
    assert len(listed) == 39
    assert [sum(c.certainty == level for c in listed) for level in LEVELS] == [16, 5, 18]
    assert len({c.subject for c in listed}) == len(listed)
    classes = {a.name: a.classes for a in DEFAULT_SCHEMA.attributes}
    for one in listed:
        assert one.reason
        assert one.subject.count("/") == 1
        assert one.number.partition("-")[0].isdigit()
        assert one.scope == ("photo" if one.attribute == "mask" else "person")
        if one.attribute in classes:
            assert {one.old, one.new} <= set(classes[one.attribute])
            assert one.old != one.new
            assert one.attribute == "mask" or f"_{one.old}_" in one.subject


def test_swapped_files_and_a_gender_are_corrected() -> None:
    data = people(folders=BAND)
    found = known_corrections(data)
    assert (found.n_done, found.other) == (0, ())
    assert len(found.absent) == 11
    assert {d.source for d in found.decisions} == {"rule"}
    made = replay(data, found.decisions)
    assert made.refused == ()
    assert made.changes.select("photo_id", "attribute", "old", "new", "certainty").rows() == [
        ("000020_female_Asian_50/incorrect_mask.jpg", "mask", "incorrect", "not_worn", "certain"),
        ("000020_female_Asian_50/normal.jpg", "mask", "not_worn", "incorrect", "certain"),
        ("004432_male_Asian_43/incorrect_mask.jpg", "gender", "male", "female", "certain"),
        ("004432_male_Asian_43/mask1.jpg", "gender", "male", "female", "certain"),
        ("004432_male_Asian_43/normal.jpg", "gender", "male", "female", "certain"),
    ]
    again = known_corrections(made.manifest)
    assert (again.decisions, again.n_done) == ((), 3)


def test_years_are_corrected_from_what_stands() -> None:
    data = people(folders={"001009_male_Asian_52": "30_to_59", "004348_male_Asian_59": "30_to_59"})
    likely, every = (known_corrections(data, certainty=level) for level in LEVELS[1:])
    assert [(d.scope, d.subject, d.old, d.new) for d in likely.decisions] == [("person", "001009", "52", "20")]
    assert [(d.subject, d.old, d.new) for d in every.decisions] == [("001009", "52", "20"), ("004348", "59", "60")]
    changed = replay(data, every.decisions).manifest.table
    assert set(changed["age"]) == {"under_30", "60_plus"}


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        pytest.param("004432_female_Asian_43", "another folder", id="another gender"),
        pytest.param("004432_male_Asian_44", "another folder", id="another age"),
        pytest.param("004432_male_White_43", "another folder", id="another dataset"),
    ],
)
def test_somebody_else_of_that_number_is_left_alone(folder: str, why: str) -> None:
    found = known_corrections(people(folders={folder: "30_to_59", "000020_female_Asian_50": "30_to_59"}))
    assert {d.subject.partition("_")[0] for d in found.decisions} == {"000020"}
    assert found.other == (f"004432: {why}",)


def test_a_label_that_is_not_as_listed_is_left_alone() -> None:
    data = people(folders=BAND)
    wrong = data.table.with_columns(gender=data.table["gender"].replace("male", None))
    found = known_corrections(type(data)(wrong, data.schema, data.roots))
    assert found.other == ("004432: gender is '', not 'male'",)


def test_unknown_people_are_corrected_photo_by_photo() -> None:
    data = people(folders=BAND)
    nobody = data.table.with_columns(person_id=data.table["person_id"].str.replace_all(".*", ""))
    found = known_corrections(type(data)(nobody, data.schema, data.roots))
    assert {d.scope for d in found.decisions} == {"photo"}
    assert len(found.decisions) == 5


def test_other_data_is_refused() -> None:
    with pytest.raises(StoreError) as caught:
        known_corrections(people())
    assert str(caught.value) == (
        "TRI712 none of the known corrections is about this data, got none of 13 people. Pass the original dataset; "
        "for other data there are no known corrections."
    )
    other = manifest([("on", "under_13")], schema=FOUR_BANDS, photo_id=["004432_male_Asian_43/normal.jpg"])
    with pytest.raises(StoreError, match=r"got 004432: no attribute 'gender'"):
        known_corrections(other)


def test_an_unknown_certainty_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        known_corrections(people(), certainty="certan")
    assert str(caught.value) == "TRI100 no certainty 'certan'. Did you mean 'certain'?"
