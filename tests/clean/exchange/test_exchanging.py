"""Import and export from end to end: whole files, nothing twice, nobody overruled, and what the commands say."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clean.exchange.people import ONE, THREE, TWO, answer, choice, people, task, write
from tests.flow.command import done, trifacet
from trifacet.clean.store import Store, open_store, outcome
from trifacet.core.decisions import Decision, read_decisions
from trifacet.core.errors import ConfigError, RunError, StoreError
from trifacet.core.findings import Finding, Findings, findings_table, write_findings
from trifacet.core.manifest import Manifest, write_manifest
from trifacet.exchanging import ExportAs, ImportAs, export_form, import_rulings
from trifacet.stages import apply

AT = "/opt/ml/input/data/train/images"
TABLE = f"img_path,class\n{AT}/{ONE}/normal.jpg,13\n{AT}/{ONE}/mask1.jpg,4\n{AT}/{TWO}/mask1.jpg,1\n"
BY_NUMBER = ImportAs(form="classes", who="ann", certainty="sure")


@pytest.fixture
def data() -> Manifest:
    return people()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "labels.csv", TABLE)


def said(decisions: tuple[Decision, ...] | list[Decision]) -> list[tuple[str, str, str, str, str]]:
    return [(d.who, d.subject, d.attribute, d.old, d.new) for d in decisions]


def test_a_table_becomes_rulings_where_it_differs(tmp_path: Path, data: Manifest, table: Path) -> None:
    made = import_rulings(table, data, out=tmp_path / "r.db", how=BY_NUMBER)
    assert said(made.decisions) == [("ann", f"{ONE}/normal.jpg", "gender", "female", "male")]
    assert (made.form, made.n_agreed, made.n_there, made.n_own) == ("classes", 8, 0, 0)
    (event,) = open_store(tmp_path / "r.db").events()
    assert (event.certainty, event.reason, event.source) == ("sure", "imported from labels.csv", "human")
    assert apply(data, tmp_path / "r.db").changes.select("photo_id", "new").rows() == [(f"{ONE}/normal.jpg", "male")]


def test_importing_twice_adds_nothing(tmp_path: Path, data: Manifest, table: Path) -> None:
    store = tmp_path / "r.db"
    later = write(tmp_path / "later.csv", f"img_path,class\n{AT}/{ONE}/normal.jpg,16\n{AT}/{ONE}/mask1.jpg,1\n")
    files = (table, table, later, later, table)
    counts = [len(import_rulings(file, data, out=store, how=BY_NUMBER).decisions) for file in files]
    assert counts == [1, 0, 2, 0, 0]
    assert len(open_store(store).events()) == 3


def test_what_was_taken_back_or_ruled_by_hand_stands(tmp_path: Path, data: Manifest, table: Path) -> None:
    store = open_store(tmp_path / "r.db")
    mine = Decision(who="ann", subject=f"{ONE}/normal.jpg", attribute="gender", old="female", new="female")
    store.add([mine])
    made = import_rulings(table, data, out=store.path, how=BY_NUMBER)
    assert (made.decisions, made.n_own) == ((), 1)
    other = open_store(tmp_path / "s.db")
    import_rulings(table, data, out=other.path, how=BY_NUMBER)
    other.undo(1, who="ann")
    assert import_rulings(table, data, out=other.path, how=BY_NUMBER).n_there == 1
    assert outcome(other.events()).decisions == ()


def test_agreement_counts_where_a_reviewer_says_otherwise(tmp_path: Path, data: Manifest, table: Path) -> None:
    store = open_store(tmp_path / "r.db")
    store.add([Decision(who="bob", subject=f"{ONE}/mask1.jpg", attribute="gender", old="female", new="male")])
    made = import_rulings(table, data, out=store.path, how=BY_NUMBER)
    assert ("ann", f"{ONE}/mask1.jpg", "gender", "female", "female") in said(made.decisions)
    assert [{d.who for d in about} for about in outcome(store.events()).disagreements] == [{"ann", "bob"}]


def test_a_stroke_can_be_taken_back_author_by_author(tmp_path: Path, data: Manifest) -> None:
    answers = [
        answer(by, choice("gender", "male"), choice("mask", "worn")) for by in ({"email": "ann"}, {"email": "bob"})
    ]
    file = write(tmp_path / "t.json", [task(1, f"{ONE}/normal.jpg", *answers)])
    import_rulings(file, data, out=tmp_path / "r.db")
    store = Store(tmp_path / "r.db")
    assert len(store.undo(1, who="ann")) == 2
    assert {d.who for d in outcome(store.events()).decisions} == {"bob"}


def test_a_partly_broken_file_is_refused_whole_and_all_of_it_is_told(tmp_path: Path, data: Manifest) -> None:
    bad = [f"{AT}/9_f/x{i}.jpg,{i}" for i in range(6)]
    file = write(tmp_path / "labels.csv", TABLE + "\n".join([*bad, f"{AT}/{THREE}/mask1.jpg,99"]))
    store = open_store(tmp_path / "r.db")
    with pytest.raises(StoreError) as caught:
        import_rulings(file, data, out=store.path, how=BY_NUMBER)
    first = "; ".join(f"line {i + 5}: {AT}/9_f/x{i}.jpg: no such photo" for i in range(5))
    assert str(caught.value) == (
        f"TRI709 {file}: 7 things in it cannot be imported, got {first}. Nothing was imported. Correct them, or say "
        f"what they mean with --map; all of them stand in {tmp_path}/r.problems.csv."
    )
    assert store.events() == []
    with (tmp_path / "r.problems.csv").open() as content:
        rows = list(csv.reader(content))
    assert len(rows) == 8
    assert rows[-1] == ["line 11", f"{AT}/{THREE}/mask1.jpg", "class: class 99 lies outside 0..17"]


def test_a_file_that_is_refused_makes_no_store(tmp_path: Path, data: Manifest) -> None:
    file = write(tmp_path / "labels.csv", "path,class\nnowhere.jpg,1\n")
    with pytest.raises(StoreError, match="1 thing in it cannot be imported"):
        import_rulings(file, data, out=tmp_path / "r.db", how=BY_NUMBER)
    assert not (tmp_path / "r.db").exists()


def test_a_csv_of_decisions_is_imported_as_it_is(tmp_path: Path, data: Manifest) -> None:
    rows = "subject,attribute,old,new,scope,who\n000001,gender,female,male,person,ann\n"
    rows += f"{ONE}/mask1.jpg,mask,worn,incorrect,photo,\n{ONE}/mask1.jpg,mask,incorrect,not_worn,photo,\n"
    file = write(tmp_path / "d.csv", rows)
    for _ in range(2):
        import_rulings(file, data, out=tmp_path / "r.db", how=ImportAs(who="bob"))
    events = open_store(tmp_path / "r.db").events()
    assert [(e.who, e.scope, e.subject, e.old, e.new) for e in events] == [
        ("ann", "person", "000001", "female", "male"),
        ("bob", "photo", f"{ONE}/mask1.jpg", "worn", "incorrect"),
        ("bob", "photo", f"{ONE}/mask1.jpg", "incorrect", "not_worn"),
    ]
    write(file, "subject,attribute,old,new\nx.jpg,mask,worn,incorrect\n")
    with pytest.raises(StoreError, match=r"mask of d\.csv: x\.jpg: no such photo"):
        import_rulings(file, data, out=tmp_path / "r.db")


@pytest.mark.parametrize(
    ("name", "text", "form", "message"),
    [
        pytest.param("a.json", "{", "auto", "cannot be read as JSON, got Expecting", id="half a JSON"),
        pytest.param("a.json", "[" * 100_000, "auto", "cannot be read as JSON, got ", id="nested without end"),
        pytest.param("a.json", '{"a": 1}', "auto", "a file of no known form. Forms: csv, classes,", id="another JSON"),
        pytest.param("a.txt", "x", "auto", "a file of no known form. Forms: csv, classes,", id="a text"),
        pytest.param(
            "a.json", '[{"image": "a.jpg"}]', "label-studio", "no list of Label Studio's tasks. Export as", id="min"
        ),
        pytest.param("a.json", "[]", "fiftyone", "neither FiftyOne's samples.json nor its labels.json.", id="a list"),
        pytest.param("a.xml", "<a>", "auto", "cannot be read as XML, got no element found", id="half an XML"),
        pytest.param(
            "a.xml", "<a/>", "auto", "no annotations of images, got <a>. Export the task as", id="another XML"
        ),
        pytest.param("a.xml", "\x00", "auto", "cannot be read as XML, got unclosed token", id="no XML"),
        pytest.param(
            "a.csv", 'path,class\n"a', "classes", "cannot be read as a table, got unexpected end", id="a quote"
        ),
        pytest.param(
            "a.json",
            json.dumps([task(1, "x/y.jpg", answer(1, choice("gendr", "male")))]),
            "auto",
            "nothing in it is called as the labels are here, got gendr. --map gender=gendr, say.",
            id="other names",
        ),
        pytest.param("gone.json", None, "auto", "no such file. Check the path.", id="no file"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    tmp_path: Path, data: Manifest, name: str, text: str | None, form: str, message: str
) -> None:
    file = tmp_path / name
    if text is not None:
        write(file, text)
    with pytest.raises(StoreError) as caught:
        import_rulings(file, data, out=tmp_path / "r.db", how=ImportAs(form=form))
    assert str(caught.value).startswith(f"TRI708 {file}: {message}")
    assert not (tmp_path / "r.db").exists()


def test_outputs_are_kept(tmp_path: Path, data: Manifest, table: Path) -> None:
    with pytest.raises(ConfigError, match="the output is the input"):
        import_rulings(table, data, out=table, how=BY_NUMBER)
    import_rulings(table, data, out=tmp_path / "d.csv", how=BY_NUMBER)
    with pytest.raises(ConfigError, match="people edit decisions, so none is replaced"):
        import_rulings(table, data, out=tmp_path / "d.csv", how=BY_NUMBER)
    with pytest.raises(StoreError, match=r"^TRI703 "):
        import_rulings(table, data, out=write(tmp_path / "x.db", "no store" * 99), how=BY_NUMBER)
    for form, name in (("label-studio", "t.json"), ("cvat", "t.xml"), ("fiftyone", "t")):
        export_form(tmp_path / "d.csv", data, out=tmp_path / name, how=ExportAs(form))
        with pytest.raises((ConfigError, RunError)):
            export_form(tmp_path / "d.csv", data, out=tmp_path / name, how=ExportAs(form))
    with pytest.raises(ConfigError) as caught:
        export_form(tmp_path / "d.csv", data, out=tmp_path / "t.csv", how=ExportAs("cvat"))
    assert str(caught.value) == f"TRI104 --out: the file must end in .xml, got '{tmp_path}/t.csv'. Call it t.xml, say."


def test_photos_of_findings_or_all_of_them_are_sent(tmp_path: Path, data: Manifest, table: Path) -> None:
    import_rulings(table, data, out=tmp_path / "d.csv", how=BY_NUMBER)
    found = [Finding(f"{TWO}/mask1.jpg", "label", 0.1, attribute="mask", detail="the model says incorrect (0.90)")]
    write_findings(tmp_path / "f.parquet", Findings(findings_table(found), data.schema))
    made = export_form(tmp_path / "d.csv", data, out=tmp_path / "t.json", findings=tmp_path / "f.parquet")
    assert (made.n_photos, made.n_rulings) == (2, 1)
    sent = {t["data"]["photo_id"]: t["data"] for t in json.loads((tmp_path / "t.json").read_text())}
    assert sent[f"{TWO}/mask1.jpg"]["why"] == "label: the model says incorrect (0.90)"
    assert sent[f"{ONE}/normal.jpg"]["image"] == f"/data/local-files/?d={ONE}/normal.jpg"
    assert export_form(tmp_path / "d.csv", data, out=tmp_path / "u.json", how=ExportAs(is_all=True)).n_photos == 9


def test_the_commands_say_what_they_did(tmp_path: Path, data: Manifest, table: Path) -> None:
    write_manifest(tmp_path / "m.parquet", replace(data, roots={"made": tmp_path}))
    to_store = ("--data", tmp_path / "m.parquet", "--out", tmp_path / "r.db")
    said = trifacet("decisions", "import", table, *to_store)
    assert said.status == 9
    assert (
        "line 2: /opt/ml/input/data/train/images/000001_female_Asian_45/normal.jpg: class: '13' is a number" in said.err
    )
    made = done("decisions", "import", table, *to_store, "--form", "classes", "--who", "ann")
    assert "1 ruling (classes)" in made.out
    assert "8 agree with the given label" in made.out
    assert (
        "1 were there already" in done("decisions", "import", table, *to_store, "--form", "classes", "--who", "ann").out
    )
    for form, name in (("label-studio", "t.json"), ("cvat", "t.xml"), ("fiftyone", "t")):
        words = ("decisions", "export", tmp_path / "r.db", "--data", tmp_path / "m.parquet", "--out", tmp_path / name)
        assert "1 ruling on 1 photo" in done(*words, "--form", form).out
        back = ("--data", tmp_path / "m.parquet", "--out", tmp_path / f"{form}.csv")
        assert f"1 ruling ({form})" in done("decisions", "import", tmp_path / name, *back).out
        (one,) = read_decisions(tmp_path / f"{form}.csv")
        assert (one.who, one.new, one.reason) == ("ann", "male", "imported from labels.csv")
    done("decisions", "export", tmp_path / "r.db", "--out", tmp_path / "d.csv")
    done("decisions", "backup", tmp_path / "r.db", "--out", tmp_path / "kept.db")
    assert "1 event restored" in done("decisions", "restore", tmp_path / "kept.db", "--out", tmp_path / "again.db").out
    assert trifacet("decisions", "known", tmp_path / "m.parquet", "--out", tmp_path / "k.csv").status == 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("--form", "cvat"), "TRI104 --data: the form cvat needs the photos. See --help.", id="no photos"),
        pytest.param(
            ("--all",),
            "TRI104 --form: --data, --findings and --all are for the other forms, got 'csv'. See --help.",
            id="csv",
        ),
        pytest.param(
            ("--form", "cvat", "--events", "--data", "m.parquet"),
            "TRI104 --form: the form cvat has no --events. See --help.",
            id="events",
        ),
        pytest.param(
            ("--form", "cvta", "--data", "m.parquet"), "TRI100 no form 'cvta'. Did you mean 'cvat'?", id="typo"
        ),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    said = trifacet("decisions", "export", tmp_path / "r.db", "--out", tmp_path / "o.xml", *words)
    assert said.err.strip() == message


@pytest.mark.parametrize(("form", "name", "n_differing"), [("label-studio", "t.json", 0), ("cvat", "t.xml", 1)])
def test_what_reviewers_see_differently_is_told_where_it_is_left_out(
    tmp_path: Path, data: Manifest, form: str, name: str, n_differing: int
) -> None:
    photo, store = data.photo_ids[0], open_store(tmp_path / "r.db")
    store.add(
        [Decision(who="ann", subject=photo, attribute="use"), Decision(who="ann", subject=photo, attribute="mask")]
    )
    store.add([Decision(who="bob", subject=photo, attribute="use", new="dropped")])
    made = export_form(store.path, data, out=tmp_path / name, how=ExportAs(form))
    assert made.n_differing == n_differing
