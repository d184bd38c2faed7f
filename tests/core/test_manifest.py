from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.core.tiny import FOUR_BANDS, manifest
from trifacet.core.errors import ConfigError, ManifestError
from trifacet.core.manifest import (
    LEAK,
    PERSONS_UNKNOWN,
    Manifest,
    check_manifest,
    check_roots,
    joint_labels,
    merged_stamps,
    read_manifest,
    with_schema,
    write_manifest,
)
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema, with_age_edges

AGAIN = "Make it again with `trifacet ingest`, or correct the rows that are named."
ROWS = [("worn", "male", "under_30"), ("incorrect", "female", "30_to_59"), ("not_worn", None, "60_plus")]
AGES = [29.5, 30.0, 60.0]


def people(**changes: list) -> Manifest:
    columns = {"age_years": AGES, "person_id": ["a", "a", "b"], "split": ["train", "train", "val"], "fold": [0, 0, 1]}
    return manifest(ROWS, **{**columns, **changes})


def refusal(broken: Manifest) -> str:
    with pytest.raises(ManifestError) as caught:
        check_manifest(broken, where="m.parquet")
    return str(caught.value)


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    made = manifest(
        ROWS,
        age_years=AGES,
        person_id=["a", "a", ""],
        split=["train", None, "val"],
        label_weight=[1.0, 0.5, None],
        root=tmp_path / "photos",
        stamps=(PERSONS_UNKNOWN,),
    )
    made = Manifest(
        made.table.with_columns(x_camera=pl.Series(["c1", None, "c2"])),
        made.schema,
        made.roots,
        stamps=made.stamps,
        inputs={"csv": "ab" * 32},
    )
    write_manifest(tmp_path / "m.parquet", made)
    back = read_manifest(tmp_path / "m.parquet")
    assert back.table.equals(made.table, null_equal=True)
    assert (back.schema, back.roots, back.stamps, back.inputs) == (made.schema, made.roots, made.stamps, made.inputs)
    assert back.paths == [tmp_path / "photos" / f"{i}.jpg" for i in range(3)]
    check_roots(back, where="m.parquet")


def test_a_manifest_says_who_and_what_each_photo_shows() -> None:
    made = people(person_id=["a", "a", ""])
    assert made.classes.tolist() == [[0, 0, 0], [1, 1, 1], [2, -1, 2]]
    assert joint_labels(made).tolist() == [0, 10, -1]
    assert made.groups == ["person:a", "person:a", "photo:2.jpg"]
    assert made.n_persons is None
    assert people().n_persons == 2
    assert people().split("train").photo_ids == ["0.jpg", "1.jpg"]
    assert np.array_equal(people(age_years=[29.0, None, None]).ages, np.float32([29, np.nan, np.nan]), equal_nan=True)


def test_the_photos_may_move_with_their_manifest(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "photos").mkdir(parents=True)
    write_manifest(home / "m.parquet", manifest(ROWS, root=home / "photos"))
    shutil.move(home, tmp_path / "moved")
    assert read_manifest(tmp_path / "moved" / "m.parquet").roots == {"made": tmp_path / "moved" / "photos"}
    outside = manifest(ROWS, root=tmp_path / "elsewhere")
    write_manifest(tmp_path / "moved" / "m2.parquet", outside)
    assert read_manifest(tmp_path / "moved" / "m2.parquet").roots == {"made": tmp_path / "elsewhere"}


def test_a_folder_of_photos_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        check_roots(manifest(ROWS, root=tmp_path / "gone"), where="m.parquet")
    assert str(caught.value) == (
        f"TRI203 m.parquet: no folder of photos, got {tmp_path / 'gone'}. Put it back, or ingest the folder again."
    )


def test_two_rows_for_one_photo_are_refused() -> None:
    assert refusal(people(photo_id=["0.jpg", "1.jpg", "0.jpg"])) == (
        f"TRI200 m.parquet: two rows for one photo, got 0.jpg. {AGAIN}"
    )


def test_a_class_outside_the_schema_is_refused() -> None:
    broken = manifest([("worn", "male", None), ("scarf", "man", None), ("hat", "male", None)])
    assert refusal(broken) == f"TRI200 m.parquet: mask holds a class outside the schema, got hat, scarf. {AGAIN}"


def test_an_age_off_the_grid_is_refused() -> None:
    ages = [-1.0, 101.0, 100.5, float("nan"), None, 20.0]
    broken = manifest([(None, None, None)] * 4 + [(None, None, None), (None, None, "under_30")], age_years=ages)
    assert refusal(broken) == (
        f"TRI200 m.parquet: age must be within 0..100 years, got 0.jpg (-1), 1.jpg (101), 3.jpg (nan). {AGAIN}"
    )


def test_an_age_class_that_contradicts_the_years_is_refused() -> None:
    assert refusal(people(age_years=[30.0, 30.0, 59.9])) == (
        f"TRI200 m.parquet: the age class contradicts age_years, got 0.jpg, 2.jpg. {AGAIN}"
    )


def test_a_split_of_another_name_is_refused() -> None:
    assert refusal(people(split=["train", "train", "holdout"])) == (
        f"TRI200 m.parquet: split must be one of train, val, test, got holdout. {AGAIN}"
    )


@pytest.mark.parametrize("column", ["split", "fold"])
def test_a_person_in_two_splits_is_refused_unless_a_leak_is_stamped(column: str) -> None:
    values = {"split": ["train", "val", "val"], "fold": [0, 1, 1]}[column]
    broken = people(**{column: values})
    assert refusal(broken) == (
        f"TRI201 m.parquet: a person has photos in more than one {column}, got a. "
        "Split again with `trifacet split`; an image-level split needs `--allow-leak` and stamps every later score."
    )
    check_manifest(broken, where="m.parquet", is_leak_allowed=True)
    check_manifest(Manifest(broken.table, broken.schema, broken.roots, stamps=(LEAK,)), where="m.parquet")


def test_photos_of_unknown_persons_may_stand_in_any_split() -> None:
    check_manifest(people(person_id=["", "", ""], split=["train", "val", "test"], fold=[0, 1, 2]), where="m.parquet")


def test_missing_columns_are_refused() -> None:
    lacking = people()
    without = Manifest(lacking.table.drop("sha256", "fold"), lacking.schema, lacking.roots)
    again = "Pass the right file; update trifacet when the format is newer."
    assert refusal(without) == f"TRI202 m.parquet: manifest lacks columns, got sha256, fold. {again}"
    without = Manifest(lacking.table.drop("gender"), lacking.schema, lacking.roots)
    assert refusal(without) == f"TRI202 m.parquet: manifest lacks label columns, got gender. {again}"
    wrong = Manifest(lacking.table.cast({"width_px": pl.Int64()}), lacking.schema, lacking.roots)
    assert refusal(wrong) == (
        f"TRI202 m.parquet: manifest has columns of another type, got width_px is Int64, not Int32. {again}"
    )


def test_what_is_never_null_is_not() -> None:
    assert refusal(people(person_id=["a", None, "b"])) == (
        f"TRI200 m.parquet: columns that are never null hold nulls, got person_id. {AGAIN}"
    )
    assert refusal(people(source=["made", "other", "made"])) == (
        f"TRI200 m.parquet: photos of a source without a folder, got other. {AGAIN}"
    )


def test_many_bad_rows_are_counted_and_five_are_shown() -> None:
    broken = manifest([(None, None, None)] * 12, photo_id=[f"{i // 2}.jpg" for i in range(12)])
    assert refusal(broken) == (
        "TRI200 m.parquet: two rows for one photo, got 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, ... (6 in all). " + AGAIN
    )


def test_a_broken_manifest_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        write_manifest(tmp_path / "m.parquet", people(photo_id=["a", "a", "b"]))
    assert list(tmp_path.iterdir()) == []


def test_moved_edges_cut_the_years_anew() -> None:
    moved = with_schema(people(age_years=[29.5, 30.0, None]), with_age_edges(DEFAULT_SCHEMA, (20, 25, 60)))
    assert moved.table["age"].to_list() == ["25_to_59", "25_to_59", None]
    assert moved.table["mask"].to_list() == ["worn", "incorrect", "not_worn"]


def test_ages_known_by_class_only_stay_while_the_edges_do() -> None:
    made = people(age_years=[None, None, None])
    fewer = LabelSchema(attributes=DEFAULT_SCHEMA.attributes[::2])
    assert with_schema(made, fewer).table["age"].to_list() == ["under_30", "30_to_59", "60_plus"]
    assert with_schema(made, fewer).classes.shape == (3, 2)


def test_another_schema_must_fit_the_labels() -> None:
    wanted = LabelSchema(attributes=(FOUR_BANDS.attributes[0], DEFAULT_SCHEMA.attributes[1]))
    with pytest.raises(ManifestError) as caught:
        with_schema(people(), wanted)
    assert str(caught.value) == (
        "TRI200 the manifest under this schema: mask holds a class outside the schema, "
        f"got incorrect, not_worn, worn. {AGAIN}"
    )
    without = manifest([("on", None)], schema=FOUR_BANDS)
    with pytest.raises(ConfigError) as caught:
        with_schema(without, DEFAULT_SCHEMA)
    assert str(caught.value) == (
        "TRI103 the manifest has no labels for these attributes, got gender. "
        "Give each attribute at least two distinct classes, and one more class than it has edges."
    )


def test_stamps_are_merged_in_first_seen_order() -> None:
    assert merged_stamps([LEAK], [], [PERSONS_UNKNOWN, LEAK]) == (LEAK, PERSONS_UNKNOWN)


def test_a_manifest_is_shown_in_a_line_and_its_path_may_be_a_text(tmp_path: Path) -> None:
    labels = [("worn", "male", "under_30")] * 3
    made = manifest(labels, root=tmp_path, person_id=["a", "b", "b"], split=["train", "val", "val"])
    write_manifest(str(tmp_path / "m.parquet"), made)
    shown = "Manifest(3 photos, 2 people, mask x gender x age, train 1, val 2)"
    assert repr(read_manifest(str(tmp_path / "m.parquet"))) == shown
    assert repr(manifest(labels)) == "Manifest(3 photos, people unknown, mask x gender x age, no split)"
