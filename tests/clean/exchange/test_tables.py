"""Tables of paths and classes, as relabelling scripts leave them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clean.exchange.people import ONE, THREE, people, write
from trifacet.clean.exchange.forms import CLASSES, CSV, form_of, read_form
from trifacet.clean.exchange.meaning import read_names
from trifacet.clean.exchange.rulings import Author, Ruled, rulings_of
from trifacet.core.errors import StoreError

DATA = people()
AT = "/opt/ml/input/data/train/images"


def read(tmp_path: Path, text: str, *maps: str, is_numbered: bool = True, suffix: str = ".csv") -> Ruled:
    path = write(tmp_path / f"t{suffix}", text)
    assert form_of(path, "auto") == CLASSES
    names = read_names(maps, schema=DATA.schema, is_numbered=is_numbered)
    return rulings_of(read_form(path, CLASSES, names=names), DATA, names=names, author=Author("t.csv"))


def said(found: Ruled) -> list[tuple[str, str, str, str]]:
    return [(d.subject, d.attribute, d.old, d.new) for d in found.decisions]


@pytest.mark.parametrize(
    ("text", "maps", "expected"),
    [
        pytest.param(
            f"Full Path,NewClass,Gender,Mask,Age\n{AT}/{ONE}/normal.jpg,13,female,normal,45\n",
            (),
            [("gender", "female", "male")],
            id="a notebook's table, whose other columns are the old labels",
        ),
        pytest.param(
            f",img_path,class,age_class,mask_class,gender_class\n0,{AT}/{ONE}/mask1.jpg,16,1,2,1\n",
            (),
            [("mask", "worn", "not_worn")],
            id="an index without a name",
        ),
        pytest.param(
            f"ImageID,ans\n{ONE}/mask1.jpg,5\n", (), [("age", "30_to_59", "60_plus")], id="the form of answers"
        ),
        pytest.param(
            f"file,mask_class,gender_class\n{ONE}/mask1.jpg,2,1\n",
            ("path=file", "mask=mask_class", "mask:2=not_worn", "gender=gender_class", "gender:1=female"),
            [("mask", "worn", "not_worn")],
            id="attributes of their own",
        ),
        pytest.param(
            f"path,age,use\n{ONE}/mask1.jpg,31,\n{THREE}/mask1.jpg,,dropped\n",
            (),
            [("age_years", "45", "31"), ("use", "", "dropped")],
            id="years and use",
        ),
        pytest.param(
            f"path,class\n{ONE}/mask1.jpg,worn_male_30_to_59\n", (), [("gender", "female", "male")], id="names"
        ),
    ],
)
def test_a_table_says_what_differs(
    tmp_path: Path, text: str, maps: tuple[str, ...], expected: list[tuple[str, str, str]]
) -> None:
    found = read(tmp_path, text, *maps)
    assert found.problems == ()
    assert [row[1:] for row in said(found)] == expected


def test_tabs_part_a_tsv(tmp_path: Path) -> None:
    assert len(read(tmp_path, f"path\tclass\n{ONE}/mask1.jpg\t1\n", suffix=".tsv").decisions) == 1


def test_who_and_why_are_columns_too(tmp_path: Path) -> None:
    (one,) = read(tmp_path, f"path,gender,who,reason\n{ONE}/mask1.jpg,male,ann,beard\n").decisions
    assert (one.who, one.reason, one.certainty) == ("ann", "beard", "")


def test_numbers_need_to_be_told_what_they_are(tmp_path: Path) -> None:
    found = read(tmp_path, f"path,class\n{ONE}/mask1.jpg,1\n", is_numbered=False)
    assert [p.why for p in found.problems] == [
        "class: '1' is a number, and orders of classes differ (--form classes: the schema's own)"
    ]
    mapped = read(tmp_path, f"path,class\n{ONE}/mask1.jpg,1\n", "class:1=worn/male/30_to_59", is_numbered=False)
    assert said(mapped) == [(f"{ONE}/mask1.jpg", "gender", "female", "male")]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        pytest.param(f"{ONE}/mask1.jpg,18", "line 2: class: class 18 lies outside 0..17", id="no class"),
        pytest.param(f"{ONE}/mask1.jpg,1.5", "line 2: class: class 1.5 lies outside 0..17", id="half a class"),
        pytest.param(f"{ONE}/mask1.jpg,nan", "line 2: class: 'nan' is no class, such as worn/male/under_30", id="nan"),
        pytest.param(f"{ONE}/mask1.jpg", "line 2: has not 2 cells, as the header has", id="a cell too few"),
        pytest.param(f"{ONE}/mask1.jpg,1,1", "line 2: has not 2 cells, as the header has", id="a cell too many"),
        pytest.param(",1", "line 2: names no photo", id="no photo"),
        pytest.param("/x/9_f/mask9.jpg,1", "line 2: no such photo", id="an unknown photo"),
        pytest.param(
            f"{ONE}/mask1.jpg,4\n/a/{ONE}/mask1.jpg,1", "line 3: gender is male here and female at line 2", id="two"
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, rows: str, problem: str) -> None:
    found = read(tmp_path, f"path,class\n{rows}\n")
    assert [f"{p.place}: {p.why}" for p in found.problems] == [problem]


def test_an_age_class_that_contradicts_the_years_is_a_problem(tmp_path: Path) -> None:
    text = f"path,band,age_years\n{ONE}/mask1.jpg,60_plus,31\n{THREE}/mask1.jpg,30_to_59,31\n"
    found = read(tmp_path, text, "age=band")
    assert [p.why for p in found.problems] == ["age is 60_plus and 31 years"]
    assert (f"{THREE}/mask1.jpg", "age_years", "20", "31") in said(found)
    assert not [row for row in said(found) if row[1] == "age"]


@pytest.mark.parametrize(
    ("text", "maps", "message"),
    [
        pytest.param("", (), "no column of paths. Say which it is: --map path=COLUMN.", id="nothing"),
        pytest.param("a,b\n", (), "no column of paths, got a, b. Say which it is: --map path=a.", id="no paths"),
        pytest.param(
            "path,b\n",
            (),
            "no column of labels, got path, b. Say which it is: --map class=COLUMN, or --map mask=COLUMN.",
            id="no labels",
        ),
    ],
)
def test_a_table_without_paths_or_labels_is_refused(
    tmp_path: Path, text: str, maps: tuple[str, ...], message: str
) -> None:
    with pytest.raises(StoreError) as caught:
        read(tmp_path, text, *maps)
    assert str(caught.value) == f"TRI708 {tmp_path / 't.csv'}: {message}"


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        pytest.param(
            ("mask",), "--map: takes KEY=NAME, KEY:WORD=VALUE, or a YAML file, got 'mask'. Pass ", id="no pair"
        ),
        pytest.param(("maks=m",), "--map: there is no 'maks' to map. Did you mean 'mask'?", id="no key"),
        pytest.param(("hat:x=on",), "--map: there is no 'hat' to map. Known: mask, ", id="no label"),
        pytest.param(
            ("mask:x=wron",), "--map mask:x: 'wron' is no mask: worn, incorrect, not_worn. Did ", id="no class"
        ),
        pytest.param(("class:x=99",), "--map class:x: class 99 lies outside 0..17. ", id="no joint class"),
        pytest.param(("mask=m",), "{t}: no such column, got m. It has path, mask.", id="no column"),
        pytest.param(("{y}",), "{y}: must hold KEY: NAME, and values: {{KEY: {{WORD: VALUE}}}}. ", id="a list"),
        pytest.param(("no.yaml",), "no.yaml: cannot be read as YAML, got ", id="no file"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(tmp_path: Path, maps: tuple[str, ...], message: str) -> None:
    listed = write(tmp_path / "list.yaml", "[path, mask]")
    with pytest.raises(StoreError) as caught:
        read(tmp_path, "path,mask\n", *(word.format(y=listed) for word in maps))
    assert str(caught.value).startswith(f"TRI710 {message.format(t=tmp_path / 't.csv', y=listed)}")


def test_a_map_may_be_a_file(tmp_path: Path) -> None:
    file = write(tmp_path / "m.yaml", "path: img\ngender: sex\nvalues:\n  gender: {0: male, 1: female}\n")
    found = read(tmp_path, f"img,sex\n{ONE}/mask1.jpg,0\n", str(file))
    assert said(found) == [(f"{ONE}/mask1.jpg", "gender", "female", "male")]


def test_a_csv_of_decisions_is_told_from_a_table(tmp_path: Path) -> None:
    assert form_of(write(tmp_path / "d.csv", "subject,attribute,old,new\n"), "auto") == CSV
