from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.data.photos import write_eval, write_photo, write_train
from trifacet.core.errors import TrifacetError
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema
from trifacet.data.ingest import ingest
from trifacet.data.sources import LAYOUTS, Reading, read_source
from trifacet.data.sources.entries import IngestError, parse_values


def photos(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        write_photo(root / name)
    return root


UNDERSTOOD = {
    "nested": ("worn/male/under_30/a.jpg", ("worn", "male", "under_30")),
    "in another order and case": ("Female/60_PLUS/Incorrect/a.jpg", ("incorrect", "female", "60_plus")),
    "joint name": ("not_worn_female_30_to_59/a.jpg", ("not_worn", "female", "30_to_59")),
    "one attribute": ("worn/a.jpg", ("worn", None, None)),
    "within a set": ("train/worn/male/a.jpg", ("worn", "male", None)),
}


@pytest.mark.parametrize(("name", "labels"), UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_folders_name_classes(tmp_path: Path, name: str, labels: tuple[str | None, ...]) -> None:
    ingested = ingest([photos(tmp_path, [name])], layout="folders")
    assert ingested.manifest.table.select("photo_id", "mask", "gender", "age", "label_source").rows() == [
        (name, *labels, "folder name")
    ]


def test_numbered_folders_are_joint_ids(tmp_path: Path) -> None:
    ingested = ingest([photos(tmp_path, ["0/a.jpg", "17/a.jpg"])])
    assert ingested.manifest.table.select("mask", "gender", "age").rows() == [
        ("worn", "male", "under_30"),
        ("not_worn", "female", "60_plus"),
    ]
    assert ingested.notes[0] == "layout folders: folders such as 0"


def test_numbers_beyond_the_schema_are_no_joint_ids(tmp_path: Path) -> None:
    ingested = ingest([photos(tmp_path, ["0/a.jpg", "18/a.jpg"])])
    assert ingested.manifest.table["mask"].null_count() == 2


def test_other_names_are_mapped(tmp_path: Path) -> None:
    names = ["with_mask/a.jpg", "without_mask/b.jpg", "unsorted/c.jpg"]
    values = {"mask": {"with_mask": "worn", "Without_Mask": "not_worn", "unsorted": ""}, "age": {"old": "70"}}
    ingested = ingest([photos(tmp_path, [*names, "with_mask/old/d.jpg"])], reading=Reading(values=values))
    assert ingested.manifest.table.select("photo_id", "mask", "age", "age_years").rows() == [
        ("unsorted/c.jpg", None, None, None),
        ("with_mask/a.jpg", "worn", None, None),
        ("with_mask/old/d.jpg", "worn", "60_plus", 70.0),
        ("without_mask/b.jpg", "not_worn", None, None),
    ]


def test_photos_outside_class_folders_are_extra(tmp_path: Path) -> None:
    ingested = ingest([photos(tmp_path, ["worn/a.jpg", "b.jpg", "train/c.jpg"])])
    assert ingested.rejects.select("path", "status", "reason").rows() == [
        ("b.jpg", "extra", "lies outside the folders of classes"),
        ("train/c.jpg", "extra", "lies outside the folders of classes"),
    ]


def test_a_folder_without_any_class_word_holds_photos_without_labels_and_it_is_told(tmp_path: Path) -> None:
    photos(tmp_path, ["worn/a.jpg", "incorect/b.jpg", "incorect/c.jpg", "unsorted/e.jpg", "worn/kim/d.jpg"])
    ingested = ingest([tmp_path])
    assert ingested.manifest.table.select("photo_id", "mask", "label_source").rows() == [
        ("incorect/b.jpg", None, None),
        ("incorect/c.jpg", None, None),
        ("unsorted/e.jpg", None, None),
        ("worn/a.jpg", "worn", "folder name"),
        ("worn/kim/d.jpg", "worn", "folder name"),
    ]
    assert ingested.notes == (
        "layout folders: folders such as worn",
        (
            "3 photos have no labels, as their folders name no class: incorect 2, unsorted 1; "
            "misspelled? incorect (for incorrect?)"
        ),
        "folders within classes that name none are passed over: kim (1 photos)",
    )


OWN = ["mask_female_young/a.jpg", "wrong_male_old/b.jpg", "nomask_female_old/c.jpg", "mask-male middle/d.jpg"]


def test_names_of_ones_own_are_refused_all_at_once_with_a_line_to_paste(tmp_path: Path) -> None:
    with pytest.raises(IngestError) as caught:
        ingest([photos(tmp_path, [*OWN, "holiday/e.jpg"])])
    assert str(caught.value) == (
        f"TRI224 {tmp_path}: 4 folders are named after classes in part only, "
        "got mask-male middle, mask_female_young, nomask_female_old, wrong_male_old. "
        "Rename them, or say which class each other part is (leave CLASS out where it is none): "
        "--map-values 'mask:mask=CLASS,nomask=CLASS,wrong=CLASS' --map-values 'age:middle=CLASS,old=CLASS,young=CLASS'"
    )
    assert caught.value.rejects.rows()[0] == (
        "",
        "mask-male middle/d.jpg",
        "bad_label",
        "folder mask-male middle: a class in part only",
    )


def test_parts_of_names_are_mapped(tmp_path: Path) -> None:
    values = parse_values(
        ["mask:wrong=incorrect,mask=worn,nomask=not_worn", "age:young=under_30,middle=30_to_59,old=70"]
    )
    ingested = ingest([photos(tmp_path, OWN)], reading=Reading(values=values))
    assert ingested.manifest.table.select("photo_id", "mask", "gender", "age").rows() == [
        ("mask-male middle/d.jpg", "worn", "male", "30_to_59"),
        ("mask_female_young/a.jpg", "worn", "female", "under_30"),
        ("nomask_female_old/c.jpg", "not_worn", "female", "60_plus"),
        ("wrong_male_old/b.jpg", "incorrect", "male", "60_plus"),
    ]
    assert ingested.notes == ("layout folders: folders such as mask-male middle",)


def test_the_longest_part_is_matched_first(tmp_path: Path) -> None:
    values = parse_values(["mask:under nose=incorrect,nose=worn", "age:x="])
    names = ["Under_Nose_male/a.jpg", "not-worn_30 to 59/b.jpg", "x_worn/c.jpg"]
    ingested = ingest([photos(tmp_path, names)], reading=Reading(values=values))
    assert ingested.manifest.table.select("mask", "gender", "age").rows() == [
        ("incorrect", "male", None),
        ("not_worn", None, "30_to_59"),
        ("worn", None, None),
    ]


PARTIAL = {
    "a part too many": ("worn_male_under_30_batch1", "--map-values 'mask:batch1='"),
    "one attribute open": ("worn_female_really_old", "--map-values 'age:really_old=CLASS'"),
    "too few parts to tell": ("female_old", "--map-values 'ATTRIBUTE:old=CLASS'"),
}


@pytest.mark.parametrize(("name", "options"), PARTIAL.values(), ids=PARTIAL)
def test_what_is_proposed_for_a_part_follows_from_what_the_name_lacks(tmp_path: Path, name: str, options: str) -> None:
    photos(tmp_path, [f"{name}/a.jpg"])
    with pytest.raises(IngestError) as caught:
        ingest([tmp_path])
    assert str(caught.value) == (
        f"TRI224 {tmp_path}: 1 folder is named after classes in part only, got {name}. "
        f"Rename them, or say which class each other part is (leave CLASS out where it is none): {options}"
    )


def test_what_is_proposed_for_a_part_is_understood_when_pasted(tmp_path: Path) -> None:
    values = parse_values(["mask:batch1="])
    ingested = ingest([photos(tmp_path, ["batch1_worn_male_under_30/a.jpg"])], reading=Reading(values=values))
    assert ingested.manifest.table.select("mask", "gender", "age").rows() == [("worn", "male", "under_30")]


def test_a_name_of_two_classes_of_one_attribute_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError) as caught:
        ingest([photos(tmp_path, ["worn_incorrect/a.jpg", "male/b.jpg"])])
    assert str(caught.value) == (
        f"TRI224 {tmp_path}: 1 folder is named after classes in part only, got worn_incorrect (two classes of mask). "
        "Rename them."
    )


def test_photos_without_class_folders_have_no_labels(tmp_path: Path) -> None:
    ingested = ingest([photos(tmp_path, ["a.jpg", "2024/spring/b.jpg"])])
    assert ingested.manifest.photo_ids == ["2024/spring/b.jpg", "a.jpg"]
    assert ingested.manifest.table.select("mask", "gender", "age", "label_source").null_count().row(0) == (2, 2, 2, 2)
    assert ingested.notes[:2] == (
        "layout folders: no folder is named after a person",
        "no folder is named after a class: the 2 photos have no labels",
    )


def test_a_misspelled_class_is_told_of(tmp_path: Path) -> None:
    ingested = ingest([photos(tmp_path, ["incorect/b.jpg"])])
    assert ingested.manifest.table["mask"].to_list() == [None]
    assert ingested.notes[1] == (
        "no folder is named after a class: the 1 photos have no labels; misspelled? incorect (for incorrect?)"
    )


def test_a_class_name_of_two_attributes_says_nothing(tmp_path: Path) -> None:
    attributes = tuple(Attribute(name=name, classes=("yes", "no")) for name in ("mask", "glasses"))
    ingested = ingest([photos(tmp_path, ["yes_no/a.jpg"])], reading=Reading(LabelSchema(attributes=attributes)))
    assert ingested.manifest.table.select("mask", "glasses").rows() == [("yes", "no")]
    ingested = ingest([photos(tmp_path / "b", ["yes/a.jpg"])], reading=Reading(LabelSchema(attributes=attributes)))
    assert ingested.manifest.table.select("mask", "glasses").rows() == [(None, None)]


# -- which layout a folder has


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrifacetError) as caught:
        ingest([tmp_path / "gone"])
    assert str(caught.value) == f"TRI220 {tmp_path}/gone: no such folder or table. Check the path."
    (tmp_path / "here").mkdir()
    with pytest.raises(TrifacetError) as caught:
        ingest([tmp_path / "here"], reading=Reading(photos="bg_sub"))
    assert (
        str(caught.value)
        == f"TRI220 {tmp_path}/here/bg_sub: no such folder. --photos is looked for in {tmp_path}/here."
    )


def test_several_layouts_are_not_guessed_between(tmp_path: Path) -> None:
    write_train(tmp_path, ["000001_female_Asian_18"], csv="id,gender,race,age,path\n1,male,A,1,x\n")
    write_eval(tmp_path, ["a.jpg"])
    photos(tmp_path / "images", ["worn/b.jpg"])
    with pytest.raises(TrifacetError) as caught:
        ingest([tmp_path])
    assert str(caught.value) == (
        f"TRI223 {tmp_path}: several layouts fit, got boostcamp (eval form, info.csv), "
        "boostcamp (train form, train.csv), folders (folders such as worn). "
        "Say --layout, or pass the table itself instead of its folder."
    )
    assert ingest([tmp_path / "info.csv"]).manifest.photo_ids == ["a.jpg"]
    assert ingest(
        [tmp_path], layout="folders", reading=Reading(values={"gender": {"000001_female_Asian_18": "female"}})
    )
    with pytest.raises(TrifacetError, match=r"TRI223 .*several layouts fit"):
        ingest([tmp_path], layout="boostcamp")


JOINT = ("incorrect_female_30_to_59", "worn_male_60_plus", "not_worn_male_under_30")


def test_folders_named_after_the_schemas_classes_are_no_people(tmp_path: Path) -> None:
    ingested = ingest([photos(tmp_path, [f"{name}/mask1.jpg" for name in JOINT])])
    assert ingested.notes == ("layout folders: folders such as incorrect_female_30_to_59",)
    assert ingested.manifest.table.select("mask", "gender", "age").rows() == [
        ("incorrect", "female", "30_to_59"),
        ("not_worn", "male", "under_30"),
        ("worn", "male", "60_plus"),
    ]


def test_a_persons_folder_is_known_by_a_genders_word_or_by_its_photos(tmp_path: Path) -> None:
    told = {
        "7_male_Asian_30/x.jpg": "boostcamp",
        "7_male_A_B_30/Normal.png": "boostcamp",
        "7_to_be_30/x.jpg": "folders",
    }
    for name, layout in told.items():
        root = photos(tmp_path / name.partition("/")[0], [name])
        assert read_source(root, Reading()).layout == layout


def test_our_own_tables_beside_the_photos_are_no_layout(tmp_path: Path) -> None:
    photos(tmp_path, ["worn/a.jpg"])
    (tmp_path / "rejects.csv").write_text("path,status,reason\nx,ignored,y\n")
    (tmp_path / "manifest.csv").write_text("path,sha256,mask\nx,0,worn\n")
    assert read_source(tmp_path, Reading()).layout == "folders"


def test_a_table_that_is_not_used_is_told(tmp_path: Path) -> None:
    photos(tmp_path, ["a.jpg"])
    (tmp_path / "labels.csv").write_text("file,mask\na.jpg,worn\n")
    assert ingest([tmp_path]).notes[0] == (
        "layout folders: no folder is named after a person (labels.csv is not used: to use it, map its columns)"
    )


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrifacetError) as caught:
        ingest([write_photo(tmp_path / "a.jpg")])
    assert (
        str(caught.value)
        == f"TRI223 {tmp_path}/a.jpg: neither a folder nor a table of photos. Pass a folder of photos."
    )
    (tmp_path / "x.csv").write_text("file,mask\na.jpg,worn\n")
    with pytest.raises(TrifacetError) as caught:
        ingest([tmp_path / "x.csv"])
    assert str(caught.value) == (
        f"TRI223 {tmp_path}/x.csv: a table without a column path, got file, mask. "
        "Say which column holds the paths: --map path=COLUMN."
    )


def test_a_layout_with_a_typo_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(TrifacetError) as caught:
        ingest([tmp_path], layout="folder")
    assert str(caught.value) == "TRI100 no layout 'folder'. Did you mean 'folders'?"
    assert list(LAYOUTS) == ["boostcamp", "folders", "table"]
    assert DEFAULT_SCHEMA.n_joint == 18
