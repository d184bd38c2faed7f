from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.core import tiny
from trifacet.core.errors import PredictionsError
from trifacet.core.manifest import KIND, PERSONS_UNKNOWN, Manifest, empty_columns, write_manifest
from trifacet.core.schema import DEFAULT_SCHEMA, MISSING, LabelSchema, with_age_edges
from trifacet.core.truth import read_truth, truth_of

DO_LABELS = "Correct the rows that are named, or pass the schema that the labels were written for."
DO_AGES = "Call the column age_class when it holds class ids or names, age_years when it holds years."
DO_COLUMNS = "A submission has the columns ImageID,ans; a truth has ImageID and any of ans and the attributes' names."


def labels(folder: Path, text: str) -> Path:
    path = folder / "truth.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("ImageID,ans\na,13\n", [[2, 0, 1]]),
        ("ImageID,mask\na,1\nb,\n", [[1, MISSING, MISSING], [MISSING] * 3]),
        ("ImageID,mask,gender\na,Not_Worn,FEMALE\n", [[2, 1, MISSING]]),
        ("ImageID,age\na,29.9\nb,30\nc,60\n", [[MISSING, MISSING, 0], [MISSING, MISSING, 1], [MISSING, MISSING, 2]]),
        ("ImageID,age\na,60_plus\n", [[MISSING, MISSING, 2]]),
        ("ImageID,age_class\na,2\nb,under_30\n", None),
        ("ImageID,age_class\na,2\nb,0\n", [[MISSING, MISSING, 2], [MISSING, MISSING, 0]]),
        ("ImageID,age_years\na,1\n", [[MISSING, MISSING, 0]]),
        ("ImageID,ans,age,gender\na,13,45,male\n", [[2, 0, 1]]),
    ],
)
def test_labels_are_read_as_ids_names_or_years(tmp_path: Path, text: str, classes: list[list[int]] | None) -> None:
    path = labels(tmp_path, text)
    if classes is None:  # ids and names in one column: neither
        with pytest.raises(PredictionsError, match="TRI324"):
            read_truth(path, DEFAULT_SCHEMA)
    else:
        assert read_truth(path, DEFAULT_SCHEMA).classes.tolist() == classes


def test_ages_in_years_and_people_are_kept(tmp_path: Path) -> None:
    truth = read_truth(labels(tmp_path, "ImageID,age,person_id\na,45,x\nb,,x\nc,70,y\n"), DEFAULT_SCHEMA)
    assert truth.ages.tolist() == pytest.approx([45, np.nan, 70], nan_ok=True)
    assert (truth.n_persons, truth.stamps) == (2, ())
    assert truth.groups[0] == truth.groups[1] != truth.groups[2]


def test_a_photo_of_nobody_known_is_its_own_person_and_stamps_the_truth(tmp_path: Path) -> None:
    truth = read_truth(labels(tmp_path, "ImageID,mask,person_id\na,0,x\nb,0,\nc,0,\n"), DEFAULT_SCHEMA)
    assert len(set(truth.groups.tolist())) == 3
    assert (truth.n_persons, truth.stamps) == (None, (PERSONS_UNKNOWN,))


def test_only_ans_gives_a_truth_without_ids(tmp_path: Path) -> None:
    assert read_truth(labels(tmp_path, "ans\n3\n4\n"), DEFAULT_SCHEMA).ids is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ImageID,hat\na,0\n",
            (
                "TRI321 {path}: no column of labels: none of ans, mask, gender, age, age_class, age_years, "
                f"got ImageID, hat. {DO_COLUMNS}"
            ),
        ),
        (
            "ImageID,gender\na,woman\nb,male\n",
            f"TRI324 {{path}}: gender must be one of male, female or a class id 0..1, got 'woman'. {DO_LABELS}",
        ),
        (
            "ImageID,mask\na,3\nb,1\n",
            (
                "TRI324 {path}: mask must be one of worn, incorrect, not_worn or a class id 0..2, got '3', '1'. "
                f"{DO_LABELS}"
            ),
        ),
        (
            "ImageID,age\na,twenty\nb,30\n",
            f"TRI324 {{path}}: age must be an age within 0..100 years, got 'twenty' for a. {DO_LABELS}",
        ),
        (
            "ImageID,age_years\na,-1\nb,101\n",
            "TRI324 {path}: age_years must be an age within 0..100 years, got '-1' for a, '101' for b. " + DO_LABELS,
        ),
        (
            "ImageID,age\na,2\nb,1\n",
            f"TRI325 {{path}}: age could hold years or class ids, got 1, 2. {DO_AGES}",
        ),
        (
            "ImageID,ans,age\na,0,45\nb,0,20\n",
            f"TRI324 {{path}}: age contradicts ans, got a. {DO_LABELS}",
        ),
        (
            "ans\n18\n",
            (
                "TRI323 {path}: ans must be a whole number in 0..17, got '18'. "
                "Write one whole number in 0..K-1 for every photo (0..17 for mask, gender and age)."
            ),
        ),
    ],
    ids=["no_label", "gender", "mask", "age_word", "age_range", "age_ambiguous", "contradiction", "ans"],
)
def test_labels_that_cannot_be_understood_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = labels(tmp_path, text)
    with pytest.raises(PredictionsError) as caught:
        read_truth(path, DEFAULT_SCHEMA)
    assert str(caught.value) == message.format(path=path)


def manifest(folder: Path) -> Manifest:
    columns = empty_columns(3) | {
        "photo_id": pl.Series(["a.jpg", "b.jpg", "c.jpg"]),
        "person_id": pl.Series(["x", "x", "y"]),
        "age_years": pl.Series([25, None, 61], dtype=pl.Float32()),
        "split": pl.Series(["train", "train", "val"]),
        "dropped_because": pl.Series([None, "twin", None], dtype=pl.String()),
        "mask": pl.Series(["worn", "worn", "incorrect"]),
        "gender": pl.Series(["male", "male", None], dtype=pl.String()),
        "age": pl.Series(["under_30", None, "60_plus"], dtype=pl.String()),
    }
    assert set(KIND.columns) <= set(columns)
    return Manifest(pl.DataFrame(columns), DEFAULT_SCHEMA, {"": folder}, stamps=("a stamp",))


def test_a_manifest_is_a_truth_without_its_dropped_photos(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", manifest(tmp_path))
    truth = read_truth(tmp_path / "m.parquet")
    assert truth.ids == ["a.jpg", "c.jpg"]
    assert truth.classes.tolist() == [[0, 0, 0], [1, MISSING, 2]]
    assert (truth.persons, truth.splits, truth.stamps) == (["x", "y"], ["train", "val"], ("a stamp",))
    assert truth.ages.tolist() == [25.0, 61.0]


def test_photos_of_several_sources_say_where_they_are_from() -> None:
    two = tiny.manifest([["worn", "male", "under_30"]] * 2, source=["one", "two"])
    assert truth_of(two).extras.to_dict(as_series=False) == {"x_source": ["one", "two"]}
    own = replace(two, table=two.table.with_columns(pl.Series("x_source", ["a", "b"]), pl.Series("x_light", [1, 2])))
    assert truth_of(own).extras.to_dict(as_series=False) == {"x_source": ["a", "b"], "x_light": [1, 2]}
    assert truth_of(tiny.manifest([["worn", "male", "under_30"]] * 2)).extras.columns == []


def test_a_manifest_of_another_schema_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", manifest(tmp_path))
    with pytest.raises(PredictionsError, match="TRI301"):
        read_truth(tmp_path / "m.parquet", with_age_edges(DEFAULT_SCHEMA, (30, 58)))


def test_a_manifest_of_more_attributes_is_read_as_those_that_are_asked_for(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", manifest(tmp_path))
    wanted = LabelSchema(attributes=DEFAULT_SCHEMA.attributes[::-1][:2])
    truth = read_truth(tmp_path / "m.parquet", wanted)
    assert truth.schema == wanted
    assert truth.classes.tolist() == [[0, 0], [2, MISSING]]


@pytest.mark.parametrize(
    ("text", "stamps"),
    [
        pytest.param("ImageID,ans,person\na,0,p\nb,1,p\n", (), id="nothing"),
        pytest.param(
            "ImageID,ans,person\na,0,p\nb,0,p\n",
            ("the truth's ans is 0 in all 2 rows: a file to be filled in, not labels?",),
            id="a placeholder",
        ),
        pytest.param(
            "ImageID,mask,gender,agee,person\na,worn,male,31,p\nb,worn,male,30,q\n",
            ("the truth says nothing of age; columns not used: agee",),
            id="a misspelt column",
        ),
        pytest.param("ImageID,mask,person_id\na,worn,p\nb,worn,q\n", (), id="one attribute, every column used"),
    ],
)
def test_what_looks_like_a_mistake_in_a_truth_is_said(tmp_path: Path, text: str, stamps: tuple[str, ...]) -> None:
    assert read_truth(labels(tmp_path, text), DEFAULT_SCHEMA).stamps == stamps


def test_a_csv_is_not_read_without_a_schema(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read with a schema"):
        read_truth(labels(tmp_path, "ImageID,ans\na,0\n"))
