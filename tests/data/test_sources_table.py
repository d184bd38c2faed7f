from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.data.photos import write_photo
from trifacet.core.errors import TrifacetError
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.data.ingest import ingest
from trifacet.data.sources import Reading
from trifacet.data.sources.entries import parse_columns, parse_values


def table_of(root: Path, text: str, *, name: str = "labels.csv", photos: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Path:
    for photo in photos:
        write_photo(root / photo)
    (root / name).write_text(text, encoding="utf-8")
    return root / name


def labels_of(path: Path, reading: Reading | None = None, *columns: str) -> list[tuple[object, ...]]:
    ingested = ingest([path], layout="table", reading=reading)
    return ingested.manifest.table.select(columns or ("photo_id", "mask", "gender", "age")).rows()


def test_columns_with_our_names_need_no_map(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,person,mask,gender,age,camera\nb.jpg,p1,Worn,male,20,X\na.jpg,p1,,female,,\n")
    assert labels_of(path, None, "photo_id", "person_id", "mask", "gender", "age", "age_years", "x_camera") == [
        ("a.jpg", "p1", None, "female", None, None, None),
        ("b.jpg", "p1", "worn", "male", "under_30", 20.0, "X"),
    ]


def test_columns_and_values_are_mapped(tmp_path: Path) -> None:
    path = table_of(tmp_path, "img_path,age,sex,state,id\na.jpg,20,F,0,001\nb.jpg,65.5,M,2,001\n")
    reading = Reading(
        columns=parse_columns(["path=img_path,age=age", "gender=sex,mask=state,person=id"]),
        values=parse_values(["mask:0=not_worn,1=incorrect,2=worn", "gender:F=female,M=male"]),
    )
    assert labels_of(path, reading) == [
        ("a.jpg", "not_worn", "female", "under_30"),
        ("b.jpg", "worn", "male", "60_plus"),
    ]
    assert ingest([path], reading=reading).notes[0] == "layout table: columns are mapped"


def test_numbers_for_classes_are_refused_unless_mapped(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,mask\na.jpg,0\nb.jpg,1\n")
    with pytest.raises(TrifacetError) as caught:
        ingest([path])
    assert str(caught.value) == (
        f"TRI224 {path}: 2 labels cannot be understood, "
        "got mask '0' (once), '1' (once), first in row 2 (a.jpg): a number, and orders of classes differ: "
        "not one of worn, incorrect, not_worn. "
        "Correct them, or say what they mean: --map-values 'mask:0=CLASS,1=CLASS'"
    )


def test_classes_of_age_are_not_taken_for_years(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,age\na.jpg,0\nb.jpg,2.0\n")
    with pytest.raises(TrifacetError) as caught:
        ingest([path])
    assert str(caught.value) == (
        f"TRI224 {path}: 2 labels cannot be understood, got age '0' (once), '2.0' (once), first in row 2 (a.jpg): "
        "the number of a class, as all in this column, not of years. "
        "Correct them, or say what they mean: --map-values 'age:0=CLASS,2.0=CLASS'"
    )
    reading = Reading(values=parse_values(["age:0=under_30,1=30_to_59,2.0=60_plus"]))
    assert labels_of(path, reading, "age", "age_years") == [("under_30", None), ("60_plus", None)]


def test_ages_of_small_children_among_others_are_years(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,age\na.jpg,2\nb.jpg,31\n")
    assert labels_of(path, None, "age", "age_years") == [("under_30", 2.0), ("30_to_59", 31.0)]


def test_an_age_may_be_a_class_or_mapped_to_years(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,age\na.jpg,30_TO_59\nb.jpg,sixties\n")
    reading = Reading(values={"age": {"sixties": "65"}})
    assert labels_of(path, reading, "age", "age_years") == [("30_to_59", None), ("60_plus", 65.0)]


def test_an_age_just_under_an_edge_agrees_with_its_class(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,age\na.jpg,29.99999999\nb.jpg,29.9\n")  # the first is 30 in 32 bits
    assert labels_of(path, None, "age") == [("30_to_59",), ("under_30",)]


@pytest.mark.parametrize("text", ["not_worn/female/60_plus", "Not_Worn_Female_60_plus"])
def test_joint_classes_go_by_name(tmp_path: Path, text: str) -> None:
    path = table_of(tmp_path, f"path,class\na.jpg,{text}\nb.jpg,\n")
    assert labels_of(path) == [("a.jpg", "not_worn", "female", "60_plus"), ("b.jpg", None, None, None)]


def test_joint_numbers_are_taken_only_when_told(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,class\na.jpg,17\nb.jpg,0\n")
    with pytest.raises(TrifacetError, match="If they are this schema's joint ids, say --truth-in-ans"):
        ingest([path], layout="table")
    told = Reading(is_ans_truth=True)
    mapped = Reading(values={"class": {"17": "not_worn/female/60_plus", "0": "worn_male_under_30"}})
    expected = [("a.jpg", "not_worn", "female", "60_plus"), ("b.jpg", "worn", "male", "under_30")]
    assert labels_of(path, told) == labels_of(path, mapped) == expected


def test_an_attributes_own_column_has_the_last_word(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,class,mask\na.jpg,worn/male/under_30,incorrect\nb.jpg,worn/male/under_30,\n")
    assert labels_of(path, None, "mask", "gender") == [("incorrect", "male"), (None, "male")]


def test_a_class_outside_the_schema_names_the_nearest(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,mask,class\na.jpg,incorect,\nb.jpg,worn,\n")
    with pytest.raises(TrifacetError) as caught:
        ingest([path], layout="table")
    assert caught.value.do == (
        "Did you mean 'incorrect'? Correct it, or say what it means: --map-values 'mask:incorect=CLASS'"
    )
    path = table_of(tmp_path, "path,class\na.jpg,worn/mail/under_30\n")
    with pytest.raises(TrifacetError) as caught:
        ingest([path], layout="table")
    assert caught.value.do == (
        "Did you mean 'worn/male/under_30'? Correct it, or say what it means: "
        "--map-values 'class:worn/mail/under_30=CLASS'"
    )


def test_the_unknown_words_of_all_columns_are_told_once_with_a_line_to_paste(tmp_path: Path) -> None:
    names = tuple(f"{i}.jpg" for i in range(6))
    words = ["ok,F,20", "ok,x,young", "under nose,M,young", "ok,f,181", "it's,m,30", 'worn,"a,b",31']
    rows = "".join(f"{name},{said}\n" for name, said in zip(names, words, strict=True))
    path = table_of(tmp_path, f"path,mask,gender,age\n{rows}", photos=names)
    with pytest.raises(TrifacetError) as caught:
        ingest([path])
    assert str(caught.value) == (
        f"TRI224 {path}: 10 labels cannot be understood, got "
        "mask 'ok' (3 times), 'under nose' (once), 'it's' (once), first in row 2 (0.jpg): "
        "not one of worn, incorrect, not_worn; "
        "gender 'x' (once), 'a,b' (once), first in row 3 (1.jpg): not one of male, female; "
        "age 'young' (2 times), first in row 3 (1.jpg): not a number of years, nor one of under_30, 30_to_59, 60_plus; "
        "row 5 (3.jpg): age '181' lies outside 0..100 years. "
        "Write ages as numbers, such as 20 or 20.5. Correct the age, or widen the schema's years. "
        "Correct them, or say what they mean: --map-values 'mask:ok=CLASS,under nose=CLASS,it'\\''s=CLASS' "
        "--map-values 'gender:x=CLASS' --map-values 'age:young=CLASS'"
    )


def test_f_and_m_are_female_and_male(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,gender\na.jpg,F\nb.jpg,m\n")
    assert labels_of(path, None, "gender") == [("female",), ("male",)]


def test_a_manifests_names_of_columns_are_known(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,person_id,age_years\na.jpg,p1,20\nb.jpg,p2,\n")
    ingested = ingest([path])
    assert ingested.notes[0] == "layout table: labels.csv"
    assert ingested.manifest.table.select("person_id", "age_years", "age").rows() == [
        ("p1", 20.0, "under_30"),
        ("p2", None, None),
    ]
    both = table_of(tmp_path / "both", "path,person,person_id\na.jpg,p1,other\nb.jpg,p1,other\n")
    assert labels_of(both, None, "person_id", "x_person_id") == [("p1", "other"), ("p1", "other")]
    mapped = table_of(tmp_path / "mapped", "path,who\na.jpg,p1\nb.jpg,p1\n")
    assert labels_of(mapped, Reading(columns={"person_id": "who"}), "person_id") == [("p1",), ("p1",)]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_tables_come_in_three_formats(tmp_path: Path, suffix: str) -> None:
    write_photo(tmp_path / "a.jpg")
    table = pl.DataFrame(
        {"path": ["a.jpg"], "age": [20.0], "person": [7], "odd": [[1, 2]] if suffix[1] == "p" else [1]}
    )
    path = tmp_path / f"labels{suffix}"
    if suffix == ".parquet":
        table.write_parquet(path)
    else:
        table.write_csv(path, separator="\t" if suffix == ".tsv" else ",")
    assert labels_of(path, None, "person_id", "age_years") == [("7", 20.0)]


@pytest.mark.parametrize("written", ["images/a.jpg", "./images/a.jpg", "a.jpg", "images\\a.jpg", "ROOT/images/a.jpg"])
def test_paths_may_be_written_in_many_ways(tmp_path: Path, written: str) -> None:
    written = written.replace("ROOT", str(tmp_path))
    path = table_of(tmp_path, f"path,age\n{written},20\n", photos=("images/a.jpg",))
    ingested = ingest([path])
    assert (ingested.counts["ok"], ingested.n_missing) == (1, 0)


def test_a_backslash_may_belong_to_a_name(tmp_path: Path) -> None:
    path = table_of(tmp_path, "path,age\na\\b.jpg,20\n", photos=("a\\b.jpg",))
    assert ingest([path]).manifest.photo_ids == ["a\\b.jpg"]


def test_photos_the_table_does_not_name_are_extra(tmp_path: Path) -> None:
    ingested = ingest([table_of(tmp_path, "path,age\na.jpg,20\n")])
    assert ingested.rejects.rows() == [
        (tmp_path.name, "b.jpg", "extra", "not named in labels.csv"),
        (tmp_path.name, "labels.csv", "ignored", "sidecar or table"),
    ]


ONE_ROW = "Keep one row for each photo (or folder)."
WRONG = {
    "no path column": (
        "paths,age\na.jpg,20\n",
        {},
        (
            "TRI222 TABLE: no column 'path'. Did you mean 'paths'? The table has paths, age: "
            "rename the column, or map it (--layout table --map)."
        ),
    ),
    "mapped to nothing": (
        "path,age\na.jpg,20\n",
        {"gender": "Age"},
        (
            "TRI222 TABLE: no column 'Age'. Did you mean 'age'? The table has path, age: "
            "rename the column, or map it (--layout table --map)."
        ),
    ),
    "one photo twice": (
        "path,age\na.jpg,20\n./a.jpg,21\n",
        {},
        f"TRI225 TABLE: two rows for one photo, got 'a.jpg' (rows 2, 3). {ONE_ROW}",
    ),
    "no path": (
        "path,age\na.jpg,20\n,21\n",
        {},
        f"TRI225 TABLE: rows without a photo's path, got rows 3. {ONE_ROW}",
    ),
    "unknown key": (
        "path,age\na.jpg,20\n",
        {"gendr": "age"},
        "TRI100 --map: no thing to map 'gendr'. Did you mean 'gender'?",
    ),
    "ragged": (
        "path,age\na.jpg,20,3,4\n",
        {},
        (
            "TRI221 TABLE: not a table, got found more fields than defined in 'Schema'. "
            "Open it in an editor; save it as UTF-8 with a header and one row for each photo or person."
        ),
    ),
}


@pytest.mark.parametrize(("text", "columns", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, columns: dict[str, str], message: str) -> None:
    path = table_of(tmp_path, text)
    with pytest.raises(TrifacetError) as caught:
        ingest([path], layout="table", reading=Reading(columns=columns))
    assert str(caught.value) == message.replace("TABLE", str(path))


def test_a_folder_must_hold_one_table(tmp_path: Path) -> None:
    table_of(tmp_path, "path,age\na.jpg,20\n")
    assert ingest([tmp_path], layout="table").counts["ok"] == 1
    table_of(tmp_path, "path,age\na.jpg,20\n", name="more.tsv")
    with pytest.raises(TrifacetError) as caught:
        ingest([tmp_path], layout="table")
    assert str(caught.value) == (
        f"TRI223 {tmp_path}: layout table needs one CSV or Parquet file, got labels.csv, more.tsv. "
        "Pass the file itself."
    )


def test_maps_of_values_are_checked_against_the_schema() -> None:
    cases = {
        ("masc", "0", "worn"): "TRI100 --map-values: no attribute 'masc'. Did you mean 'mask'?",
        (
            "mask",
            "0",
            "on",
        ): "TRI104 --map-values mask:0: mask 'on' is not one of worn, incorrect, not_worn. Map to a class.",
    }
    for (key, text, target), message in cases.items():
        with pytest.raises(TrifacetError) as caught:
            ingest(["nowhere"], reading=Reading(DEFAULT_SCHEMA, values={key: {text: target}}))
        assert str(caught.value) == message


def test_options_are_parsed_into_maps() -> None:
    assert parse_columns(["path=img path, age = years", "mask=m"]) == {"path": "img path", "age": "years", "mask": "m"}
    assert parse_values(["mask:0=worn,1=", "mask:2=not_worn", "age:a:b=30_to_59"]) == {
        "mask": {"0": "worn", "1": "", "2": "not_worn"},
        "age": {"a:b": "30_to_59"},
    }
    with pytest.raises(TrifacetError) as caught:
        parse_columns(["path"])
    assert str(caught.value) == ("TRI104 --map: takes pairs NAME=VALUE, with commas between, got 'path'. See --help.")
    with pytest.raises(TrifacetError, match=r"TRI104 --map-values: takes ATTRIBUTE:TEXT=CLASS,\.\.\., got 'mask=0'"):
        parse_values(["mask=0"])
