"""Labels are doubted by what they are about: gender and age of a person, the mask of a photo, years by distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.core.tiny import manifest
from trifacet.clean.mislabels import SWAPPED, YEARS_OFF, age_doubt, doubts, label_findings, require_cleanlab, swaps
from trifacet.core.errors import MissingExtraError
from trifacet.core.findings import findings_table
from trifacet.core.manifest import Manifest
from trifacet.core.predictions import Predictions
from trifacet.core.schema import DEFAULT_SCHEMA

MASKS = ("worn", "incorrect", "not_worn")


def told(masks: Sequence[Sequence[float]], female: Sequence[float], years: Sequence[float]) -> Predictions:
    """Answers with these probabilities; the years are a narrow bell."""
    grid = DEFAULT_SCHEMA.year_grid
    bell = np.exp(-0.5 * ((grid[None, :] - np.asarray(years)[:, None]) / 3) ** 2)
    bell = bell / bell.sum(axis=1, keepdims=True)
    joint = DEFAULT_SCHEMA.joint(
        {
            "mask": np.asarray(masks, dtype=float),
            "gender": np.stack([1 - np.asarray(female), np.asarray(female)], axis=1),
            "age": DEFAULT_SCHEMA.band_probs(bell),
        }
    )
    ids = [f"{i}.jpg" for i in range(len(female))]
    return Predictions(ids, joint.astype(np.float32), bell.astype(np.float32), [None] * len(ids), DEFAULT_SCHEMA)


def crowd(n: int = 20) -> tuple[Manifest, Predictions]:
    """Three photos each of n people, labelled as the model believes: every second a woman, aged 25, 45 or 70."""
    people = np.arange(n)
    genders, ages = np.where(people % 2, "female", "male"), np.array([25.0, 45.0, 70.0])[people % 3]
    bands = np.array(["under_30", "30_to_59", "60_plus"])[people % 3]
    rows = [(mask, genders[p], bands[p]) for p in people for mask in MASKS]
    made = manifest(
        rows, age_years=np.repeat(ages, 3).tolist(), person_id=np.repeat([f"p{p}" for p in people], 3).tolist()
    )
    masks = np.tile(np.eye(3) * 0.85 + 0.05, (n, 1))
    return made, told(masks, np.repeat(np.where(people % 2, 0.9, 0.1), 3), np.repeat(ages, 3))


def relabelled(made: Manifest, column: str, values: Mapping[int, object]) -> Manifest:
    """The manifest with other values in some rows of a column."""
    have = made.table[column].to_list()
    for row, value in values.items():
        have[row] = value
    return replace(made, table=made.table.with_columns(pl.Series(column, have, dtype=made.table.schema[column])))


def test_a_wrong_gender_is_doubted_of_the_person_and_comes_first() -> None:
    made, answers = crowd()
    made = relabelled(made, "gender", dict.fromkeys((12, 13, 14), "female"))  # person 4 is a man
    doubt = next(d for d in doubts(made, answers) if d.attribute == "gender")
    assert len(doubt.units) == 20
    assert doubt.members[doubt.worst_first[0]] == (12, 13, 14)
    assert doubt.is_issue.tolist() == [u == doubt.worst_first[0] for u in range(20)]
    # The geometric mean of three photos that say the same.
    assert doubt.belief[doubt.worst_first[0]] == pytest.approx(0.1, abs=1e-4)


def test_one_photo_with_another_gender_is_a_doubt_of_its_own() -> None:
    made, answers = crowd()
    made = relabelled(made, "gender", {13: "female"})
    doubt = next(d for d in doubts(made, answers) if d.attribute == "gender")
    assert doubt.members[doubt.worst_first[0]] == (13,)
    assert (12, 14) in doubt.members


def test_a_wrong_mask_is_doubted_of_its_photo_alone() -> None:
    made, answers = crowd()
    made = relabelled(made, "mask", {9: "not_worn"})
    doubt = next(d for d in doubts(made, answers) if d.attribute == "mask")
    assert len(doubt.units) == len(made)
    worst = doubt.worst_first[0]
    assert (doubt.members[worst], MASKS[doubt.given[worst]], MASKS[doubt.proposed[worst]]) == ((9,), "not_worn", "worn")
    assert doubt.proposal[worst] == pytest.approx(0.9, abs=1e-4)


def test_what_has_no_label_or_was_not_read_is_not_doubted() -> None:
    made, answers = crowd()
    made = relabelled(made, "mask", {0: None})
    probs = answers.probs.copy()
    probs[1] = np.nan
    errors = [None, "truncated", *answers.errors[2:]]
    answers = replace(answers, probs=probs, errors=errors)
    doubt = next(d for d in doubts(made, answers) if d.attribute == "mask")
    assert doubt.units.tolist() == list(range(2, len(made)))


def test_a_class_that_no_label_has_breaks_nothing() -> None:
    made, answers = crowd()
    made = relabelled(made, "mask", {row: "worn" for row in range(len(made)) if made.table["mask"][row] == "incorrect"})
    doubt = next(d for d in doubts(made, answers) if d.attribute == "mask")
    assert [MASKS[doubt.proposed[u]] for u in doubt.worst_first[:20].tolist()] == ["incorrect"] * 20
    everyone = relabelled(made, "gender", dict.fromkeys(range(len(made)), "male"))
    assert not next(d for d in doubts(everyone, answers) if d.attribute == "gender").is_issue.any()


def test_years_are_doubted_by_their_expected_distance_of_each_person_and_label() -> None:
    made, answers = crowd()
    made = relabelled(made, "age_years", {0: 60.0, 1: 60.0, 5: 52.0})
    doubt = age_doubt(made, answers)
    assert doubt is not None
    first, second = (int(u) for u in doubt.worst_first[:2])
    assert (doubt.members[first], doubt.members[second]) == ((0, 1), (5,))
    assert doubt.off[first] == pytest.approx(35, abs=0.5)
    assert doubt.expected[first] == pytest.approx(25, abs=0.5)
    assert len(doubt.units) == 22
    assert age_doubt(made, replace(answers, age_probs=None)) is None


def test_two_photos_of_a_person_with_each_others_label_are_a_swap() -> None:
    made, answers = crowd()
    made = relabelled(made, "mask", {4: "not_worn", 5: "incorrect", 9: "incorrect"})
    ((one, two, attribute, nats),) = swaps(made, answers)
    assert (one, two, attribute) == (4, 5, "mask")
    assert nats == pytest.approx(2 * np.log(0.9 / 0.05), abs=1e-3)
    assert nats >= SWAPPED


def test_findings_say_whose_label_it_is_and_what_the_model_says() -> None:
    made, answers = crowd()
    made = relabelled(made, "gender", dict.fromkeys((12, 13, 14), "female"))
    made = relabelled(made, "age_years", dict.fromkeys((0, 1, 2), 25.0 + YEARS_OFF + 1))
    made = relabelled(made, "mask", {4: "not_worn", 5: "incorrect"})
    table = findings_table(label_findings(made, answers)).filter("is_issue")
    told = {(row["kind"], row["attribute"], row["photo_id"]): row["detail"] for row in table.iter_rows(named=True)}
    assert told["label", "gender", "14.jpg"] == "3 photos of a person labelled female; the model says male (0.90)"
    assert told["age", "age_years", "2.jpg"] == "3 photos of a person labelled 41 years; the model expects 25"
    assert told["label", "mask", "4.jpg"] == "a photo labelled not worn; the model says incorrect (0.90)"
    assert told["swap", "mask", "4.jpg"] == "324 times as likely with each other's mask"


def test_doubting_needs_cleanlab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as caught:
        require_cleanlab()
    assert str(caught.value).startswith("TRI600 finding label errors needs the extra audit")
