from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.data.photos import SEVEN, write_eval, write_photo, write_train
from trifacet.core.errors import TrifacetError
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema, age_attribute, with_age_edges
from trifacet.data.ingest import Ingested, ingest
from trifacet.data.sources import Reading
from trifacet.data.sources.boostcamp import person_of_folder
from trifacet.data.sources.entries import IngestError

FOLDERS = ("000001_female_Asian_18", "000002_male_Asian_60")
HEADER = "id,gender,race,age,path\n"
CSV = f"{HEADER}000001,female,Asian,18,{FOLDERS[0]}\n000002,male,Asian,60,{FOLDERS[1]}\n"


def one_a_person(ingested: Ingested, *columns: str) -> list[tuple[object, ...]]:
    return ingested.manifest.table.select(*columns).unique(maintain_order=True).rows()


@pytest.mark.parametrize("csv", [CSV, None], ids=["with csv", "without csv"])
def test_the_train_form_gives_labels_people_and_years(tmp_path: Path, csv: str | None) -> None:
    ingested = ingest([write_train(tmp_path, FOLDERS, csv=csv)])
    assert one_a_person(ingested, "person_id", "gender", "age_years", "age", "x_race") == [
        ("000001", "female", 18.0, "under_30", "Asian"),
        ("000002", "male", 60.0, "60_plus", "Asian"),
    ]
    masks = dict(ingested.manifest.table.select("photo_id", "mask").rows())
    expected = dict.fromkeys(SEVEN[:5], "worn") | {"incorrect_mask": "incorrect", "normal": "not_worn"}
    assert masks == {f"{folder}/{stem}.jpg": mask for folder in FOLDERS for stem, mask in expected.items()}
    assert ingested.manifest.stamps == ()


def test_labels_say_where_they_come_from(tmp_path: Path) -> None:
    ingested = ingest([write_train(tmp_path / "a", FOLDERS, csv=CSV)])
    assert set(ingested.manifest.table["label_source"]) == {"train.csv"}
    ingested = ingest([write_train(tmp_path / "b", FOLDERS)])
    assert set(ingested.manifest.table["label_source"]) == {"folder name"}
    assert ingested.notes == ("layout boostcamp: train form, folders such as 000001_female_Asian_18",)


@pytest.mark.parametrize("below", ["", "images", "train.csv"])
def test_the_folder_its_photos_or_its_csv_may_be_named(tmp_path: Path, below: str) -> None:
    ingested = ingest([write_train(tmp_path, FOLDERS, csv=CSV) / below])
    assert len(ingested.manifest) == 14
    assert ingested.manifest.photo_ids[0] == "000001_female_Asian_18/incorrect_mask.jpg"


def test_extensions_may_be_mixed_and_in_upper_case(tmp_path: Path) -> None:
    write_train(tmp_path, FOLDERS[:1])
    write_train(tmp_path, FOLDERS[1:], extension=".JPG")
    (tmp_path / "images" / FOLDERS[0] / "mask1.jpg").rename(tmp_path / "images" / FOLDERS[0] / "mask1.JPEG")
    (tmp_path / "images" / FOLDERS[0] / "normal.jpg").rename(tmp_path / "images" / FOLDERS[0] / "Normal.png")
    ingested = ingest([tmp_path])
    assert ingested.counts["ok"] == 14
    labels = dict(ingested.manifest.table.select("photo_id", "mask").rows())
    assert labels[f"{FOLDERS[0]}/Normal.png"] == "not_worn"


def test_leftovers_of_systems_are_ignored_and_other_photos_are_extra(tmp_path: Path) -> None:
    write_train(tmp_path, FOLDERS[:1], csv=CSV.replace("000002,male,Asian,60,000002_male_Asian_60\n", ""))
    folder = tmp_path / "images" / FOLDERS[0]
    for stem in SEVEN:
        (folder / f"._{stem}.jpg").write_bytes(b"\0\x05\x16\x07")
    write_photo(folder / ".ipynb_checkpoints" / "mask1-checkpoint.jpg")
    write_photo(folder / "holiday.jpg")
    write_photo(tmp_path / "images" / "000009_male_Asian_20" / "mask1.jpg")
    write_photo(tmp_path / "bg_sub" / FOLDERS[0] / "mask1.jpg")
    ingested = ingest([tmp_path])
    assert {status: n for status, n in ingested.counts.items() if n} == {"ok": 7, "extra": 2, "ignored": 10}
    reasons = dict(ingested.rejects.select("path", "reason").rows())
    assert reasons[f"{FOLDERS[0]}/holiday.jpg"] == (
        "not mask1..mask5, incorrect_mask or normal in a folder that train.csv names"
    )
    assert reasons[f"../bg_sub/{FOLDERS[0]}/mask1.jpg"] == "outside images/"
    assert reasons["../train.csv"] == "sidecar or table"


def test_another_folder_of_photos_can_be_chosen(tmp_path: Path) -> None:
    write_train(tmp_path, FOLDERS, csv=CSV)
    write_train(tmp_path, FOLDERS, photos="bg_sub", extension=".png")
    ingested = ingest([tmp_path], reading=Reading(photos="bg_sub"))
    assert set(ingested.manifest.roots.values()) == {tmp_path / "bg_sub"}
    assert ingested.manifest.photo_ids[0] == f"{FOLDERS[0]}/incorrect_mask.png"


def test_ids_are_text_with_letters_suffixes_and_zeros(tmp_path: Path) -> None:
    folders = ["100k-000038_female_LatinoHispanic_25", "001498-1_male_Asian_23", "000007_male_Latino_Hispanic_41"]
    ingested = ingest([write_train(tmp_path, folders)])
    assert one_a_person(ingested, "person_id", "x_race", "age_years") == [
        ("000007", "Latino_Hispanic", 41.0),
        ("001498-1", "Asian", 23.0),
        ("100k-000038", "LatinoHispanic", 25.0),
    ]


def test_one_id_in_two_folders_is_one_person(tmp_path: Path) -> None:
    folders = ["003397_female_Asian_19", "003397_female_Asian_20"]
    csv = "id,gender,race,age,path\n" + "".join(f"003397,female,Asian,{f[-2:]},{f}\n" for f in folders)
    for root, text in ((tmp_path / "a", csv), (tmp_path / "b", None)):
        ingested = ingest([write_train(root, folders, csv=text)])
        assert ingested.manifest.n_persons == 1
        assert sorted(set(ingested.manifest.table["age_years"])) == [19.0, 20.0]


def test_columns_nobody_asked_for_are_kept(tmp_path: Path) -> None:
    csv = "id,gender,race,age,path,author,photo url\n000001,female,Asian,18,000001_female_Asian_18,Kim,\n"
    ingested = ingest([write_train(tmp_path, FOLDERS[:1], csv=csv)])
    assert one_a_person(ingested, "x_author", "x_photo url") == [("Kim", None)]


@pytest.mark.parametrize(("text", "years"), [("20", 20.0), ("20.0", 20.0), ("20.5", 20.5), (" 20 ", 20.0)])
def test_ages_are_numbers(tmp_path: Path, text: str, years: float) -> None:
    csv = f"id,gender,race,age,path\n000001,FEMALE,Asian,{text},000001_female_Asian_20\n"
    ingested = ingest([write_train(tmp_path, ["000001_female_Asian_20"], csv=csv)])
    assert one_a_person(ingested, "age_years", "gender") == [(years, "female")]


def test_the_csv_wins_over_the_folders_name_and_it_is_told(tmp_path: Path) -> None:
    csv = f"{HEADER}1,female,Asian,20,000001_female_Asian_19\n000002,male,Asian,30.0,000002_male_Asian_30\n"
    ingested = ingest([write_train(tmp_path, ["000001_female_Asian_19", "000002_male_Asian_30"], csv=csv)])
    assert one_a_person(ingested, "person_id", "age_years") == [("1", 20.0), ("000002", 30.0)]
    assert ingested.notes[1] == (
        "the csv differs from the folder's name in 2 places, the csv is taken: "
        "000001_female_Asian_19: id 1, 000001_female_Asian_19: age 20"
    )


def test_a_row_without_photos_is_missing_and_counted_apart(tmp_path: Path) -> None:
    ingested = ingest([write_train(tmp_path, FOLDERS[:1], csv=CSV)])
    assert (ingested.counts["ok"], ingested.n_missing, ingested.n_files) == (7, 1, 8)
    assert ingested.rejects.filter(pl.col("status") == "missing").rows() == [
        (tmp_path.name, FOLDERS[1], "missing", f"train.csv row 3 ({FOLDERS[1]}): no photo in this folder")
    ]


def test_a_csv_written_on_windows_is_read(tmp_path: Path) -> None:
    text = "\ufeff" + CSV.replace("\n", "\r\n").replace("000001_female", "images\\000001_female")
    ingested = ingest([write_train(tmp_path, FOLDERS, csv=text)])
    assert ingested.counts["ok"] == 14


NO_YEARS = "is not a number of years, nor one of under_30, 30_to_59, 60_plus"
AS_NUMBERS = (
    "Write ages as numbers, such as 20 or 20.5. Correct it, or say what it means: --map-values 'age:TEXT=CLASS'"
)
BAD = {
    "age in words": ("000001,female,Asian,twenty,F", f"age 'twenty' {NO_YEARS}", AS_NUMBERS.replace("TEXT", "twenty")),
    "age not finite": ("000001,female,Asian,nan,F", f"age 'nan' {NO_YEARS}", AS_NUMBERS.replace("TEXT", "nan")),
    "age off the grid": (
        "000001,female,Asian,181,F",
        "age '181' lies outside 0..100 years",
        "Correct the age, or widen the schema's years.",
    ),
    "unknown gender": (
        "000001,femal,Asian,18,F",
        "gender 'femal' is not one of male, female",
        "Did you mean 'female'? Correct it, or say what it means: --map-values 'gender:femal=CLASS'",
    ),
    "gender as a number": (
        "000001,1,Asian,18,F",
        "gender '1' is a number, and orders of classes differ: not one of male, female",
        "Correct it, or say what it means: --map-values 'gender:1=CLASS'",
    ),
}


@pytest.mark.parametrize(("row", "reason", "do"), BAD.values(), ids=BAD)
def test_a_label_that_cannot_be_understood_is_refused(tmp_path: Path, row: str, reason: str, do: str) -> None:
    row = row.replace(",F", f",{FOLDERS[0]}")
    write_train(tmp_path, FOLDERS[:1], csv=f"id,gender,race,age,path\n{row}\n")
    with pytest.raises(IngestError) as caught:
        ingest([tmp_path])
    place = f"row 2 ({FOLDERS[0]}): {reason}"
    assert str(caught.value) == f"TRI224 {tmp_path}/train.csv: 1 label cannot be understood, got {place}. {do}"
    assert caught.value.rejects.rows() == [("", f"{FOLDERS[0]}/incorrect_mask.jpg", "bad_label", place)]


def test_many_bad_rows_are_counted_each_word_is_shown_once_and_all_are_listed(tmp_path: Path) -> None:
    folders = [f"{i:06}_male_Asian_20" for i in range(8)]
    csv = "id,gender,race,age,path\n" + "".join(f"{f[:6]},who,Asian,20,{f}\n" for f in folders)
    with pytest.raises(IngestError) as caught:
        ingest([write_train(tmp_path, folders, csv=csv)])
    assert str(caught.value) == (
        f"TRI224 {tmp_path}/train.csv: 8 labels cannot be understood, got gender 'who' (8 times), "
        f"first in row 2 ({folders[0]}): not one of male, female. "
        "Correct it, or say what it means: --map-values 'gender:who=CLASS'"
    )
    assert caught.value.rejects.height == 8


def test_an_unknown_gender_in_a_folders_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrifacetError, match=r"TRI224 .*folder 000001_femal_Asian_18: gender 'femal' is not one of"):
        ingest([write_train(tmp_path, ["000001_femal_Asian_18"])])


SAVE_AS = "Open it in an editor; save it as UTF-8 with a header and one row for each photo or person."
ONE_ROW = "Keep one row for each photo (or folder)."
WRONG_CSV = {
    "empty": ("", f"TRI221 CSV: the table is empty. {SAVE_AS}"),
    "no row": (HEADER, f"TRI221 CSV: the table has columns but no row. {SAVE_AS}"),
    "no column": (
        "id,gender,race,ages,path\n1,male,Asian,20,x\n",
        (
            "TRI222 CSV: no column 'age'. Did you mean 'ages'? The table has id, gender, race, ages, path: "
            "rename the column, or map it (--layout table --map)."
        ),
    ),
    "one photo twice": (
        CSV + CSV.splitlines()[1],
        f"TRI225 CSV: two rows for one photo, got '000001_female_Asian_18' (rows 2, 4). {ONE_ROW}",
    ),
    "no id": (HEADER + ",male,Asian,20,x\n", f"TRI225 CSV: rows without an id or a path, got rows 2. {ONE_ROW}"),
}


@pytest.mark.parametrize(("csv", "message"), WRONG_CSV.values(), ids=WRONG_CSV)
def test_a_wrong_train_csv_is_refused(tmp_path: Path, csv: str, message: str) -> None:
    with pytest.raises(TrifacetError) as caught:
        ingest([write_train(tmp_path, FOLDERS, csv=csv)])
    assert str(caught.value) == message.replace("CSV", f"{tmp_path}/train.csv", 1)


def test_a_csv_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    write_train(tmp_path, FOLDERS)
    (tmp_path / "train.csv").write_bytes(CSV.replace("Asian", "아시아").encode("cp949"))
    with pytest.raises(TrifacetError, match=r"TRI221 .*train.csv: not a table, got invalid utf-8 sequence"):
        ingest([tmp_path])


def test_a_folders_name_is_taken_apart() -> None:
    assert person_of_folder("001498-1_male_Asian_23") == ("001498-1", "male", "Asian", "23")
    assert person_of_folder("x_female_Middle_Eastern_9") == ("x", "female", "Middle_Eastern", "9")
    assert person_of_folder("holiday_2024") is None
    assert person_of_folder("a__b_c") is None


# -- the eval form

IDS = ("b1.jpg", "ffhq-13643_female_LatinoHispanic_37_normal.png", "a0.jpg")


def test_the_eval_form_keeps_the_order_of_its_csv(tmp_path: Path) -> None:
    ingested = ingest([write_eval(tmp_path, IDS)])
    assert ingested.manifest.photo_ids == list(IDS)
    assert ingested.manifest.table.select("mask", "gender", "age").null_count().row(0) == (3, 3, 3)
    assert ingested.manifest.n_persons is None
    assert ingested.manifest.stamps == (
        "persons unknown: photos of one person may stand on both sides, so scores may flatter",
    )


def test_answers_are_the_truth_only_when_told(tmp_path: Path) -> None:
    csv = "ImageID,ans\n" + "".join(f"{i},{ans}\n" for i, ans in zip(IDS, (0, 17, 9), strict=True))
    root = write_eval(tmp_path, IDS, csv=csv)
    ingested = ingest([root])
    assert "info.csv holds 3 different answers in `ans`: pass --truth-in-ans if they are the truth" in ingested.notes
    assert ingested.manifest.table["mask"].null_count() == 3
    told = ingest([root], reading=Reading(is_ans_truth=True))
    assert told.manifest.table.select("mask", "gender", "age").rows() == [
        ("worn", "male", "under_30"),
        ("not_worn", "female", "60_plus"),
        ("incorrect", "female", "under_30"),
    ]


def test_an_answer_outside_the_schema_is_refused(tmp_path: Path) -> None:
    root = write_eval(tmp_path, IDS, csv="ImageID,ans\nb1.jpg,18\n")
    with pytest.raises(TrifacetError) as caught:
        ingest([root], reading=Reading(is_ans_truth=True))
    assert str(caught.value) == (
        f"TRI224 {tmp_path}/info.csv: 1 label cannot be understood, got row 2 (b1.jpg): class '18' lies outside 0..17. "
        "Correct it, or give the schema that the numbers were made for."
    )


def test_an_image_id_without_a_file_is_missing_and_its_near_name_is_told(tmp_path: Path) -> None:
    root = write_eval(tmp_path, ["a.JPG", "b.jpg"], csv="ImageID,ans\nb.jpg,0\na.jpg,0\nc.jpg,0\n")
    ingested = ingest([root])
    assert ingested.manifest.photo_ids == ["b.jpg"]
    assert ingested.rejects.select("path", "status", "reason").rows() == [
        ("a.JPG", "extra", "not named in info.csv"),
        ("../info.csv", "ignored", "sidecar or table"),
        ("a.jpg", "missing", "no such file; a.JPG is there"),
        ("c.jpg", "missing", "no such file"),
    ]


def test_an_image_id_that_leads_elsewhere_is_missing(tmp_path: Path) -> None:
    write_photo(tmp_path / "secret.jpg")
    root = write_eval(tmp_path / "eval", ["a.jpg"], csv="ImageID,ans\na.jpg,0\n../../secret.jpg,0\n")
    assert ingest([root]).n_missing == 1


def test_one_image_id_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrifacetError, match=r"TRI225 .*two rows for one photo, got 'b1.jpg' \(rows 2, 4\)"):
        ingest([write_eval(tmp_path, IDS, csv="ImageID,ans\nb1.jpg,0\na0.jpg,0\nb1.jpg,0\n")])


def test_info_csv_names_the_photos_whatever_truth_or_answers_lie_beside_it(tmp_path: Path) -> None:
    write_eval(tmp_path, ["b.jpg", "a.jpg"])
    (tmp_path / "output.csv").write_text("ImageID,ans\na.jpg,3\n", encoding="utf-8")
    (tmp_path / "truth.csv").write_text("ImageID,mask\na.jpg,1\n", encoding="utf-8")
    ingested = ingest([tmp_path])
    assert ingested.manifest.photo_ids == ["b.jpg", "a.jpg"]
    assert ingested.manifest.table["mask"].to_list() == [None, None]
    (tmp_path / "info.csv").unlink()
    with pytest.raises(TrifacetError, match=r"TRI223 .*eval form, output.csv.*eval form, truth.csv"):
        ingest([tmp_path])


def test_labels_beside_image_ids_are_not_lost_in_silence(tmp_path: Path) -> None:
    csv = "ImageID,mask,age\n" + "".join(f"{i},0,40\n" for i in IDS)
    root = write_eval(tmp_path, IDS, csv=csv)
    told = "no labels were read from mask, age of info.csv: pass --map path=ImageID,mask=mask,age=age to read them"
    assert told in ingest([root]).notes


def test_the_eval_form_needs_no_csv(tmp_path: Path) -> None:
    write_eval(tmp_path, IDS)
    ingested = ingest([tmp_path / "images"], layout="boostcamp")
    assert ingested.manifest.photo_ids == sorted(IDS)


def test_neither_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "worn").mkdir()
    with pytest.raises(TrifacetError) as caught:
        ingest([tmp_path], layout="boostcamp")
    assert str(caught.value) == (
        f"TRI223 {tmp_path}: no train.csv, info.csv or folders named id_gender_race_age here, "
        "so this is not layout boostcamp. Say --layout boostcamp, folders or table."
    )


# -- other schemas

TWO_MASKS = LabelSchema(
    attributes=(Attribute(name="mask", classes=("worn", "not_worn")), *DEFAULT_SCHEMA.attributes[1:]),
)


def test_two_mask_classes_need_to_be_told_what_incorrect_is(tmp_path: Path) -> None:
    root = write_train(tmp_path, FOLDERS, csv=CSV)
    with pytest.raises(TrifacetError, match=r"TRI224 .*mask 'incorrect' \(2 times\), first in .*: not one of worn"):
        ingest([root], reading=Reading(TWO_MASKS))
    told = ingest([root], reading=Reading(TWO_MASKS, values={"mask": {"incorrect": "not_worn"}}))
    assert told.manifest.table["mask"].value_counts().sort("mask").rows() == [("not_worn", 4), ("worn", 10)]


def test_a_mask_can_be_mapped_to_not_known(tmp_path: Path) -> None:
    reading = Reading(TWO_MASKS, values={"mask": {"incorrect": ""}})
    ingested = ingest([write_train(tmp_path, FOLDERS, csv=CSV)], reading=reading)
    assert ingested.manifest.table["mask"].null_count() == 2


def test_four_age_bands_are_cut_from_the_years(tmp_path: Path) -> None:
    schema = with_age_edges(DEFAULT_SCHEMA, (18, 30, 60))
    ingested = ingest([write_train(tmp_path, FOLDERS, csv=CSV)], reading=Reading(schema))
    assert one_a_person(ingested, "age") == [("18_to_29",), ("60_plus",)]


def test_a_schema_without_gender_leaves_it_out(tmp_path: Path) -> None:
    schema = LabelSchema(attributes=(DEFAULT_SCHEMA.attributes[0], age_attribute((30, 60))))
    csv = CSV.replace("female,", "unheard-of,")
    ingested = ingest([write_train(tmp_path, FOLDERS, csv=csv)], reading=Reading(schema))
    assert "gender" not in ingested.manifest.table.columns


def test_a_schema_without_age_keeps_the_years(tmp_path: Path) -> None:
    schema = LabelSchema(attributes=DEFAULT_SCHEMA.attributes[:2])
    ingested = ingest([write_train(tmp_path, FOLDERS, csv=CSV)], reading=Reading(schema))
    assert one_a_person(ingested, "age_years") == [(18.0,), (60.0,)]
