"""Rulings make a new manifest and a table of what changed; what was given stays as it was."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.clean.faces import write_faces
from trifacet import stages
from trifacet.clean.store import SETTLED, open_store
from trifacet.core.decisions import VERDICT, Decision, read_decisions, write_decisions
from trifacet.core.errors import StoreError, TrifacetError
from trifacet.core.files import sha256_file
from trifacet.core.manifest import Manifest, read_manifest, write_manifest
from trifacet.ruling import apply, back_up, changes_path, decisions_of, export_rulings, open_desk


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ruling")
    stages.ingest([write_faces(root / "drawn", n_people=3)], root / "all.parquet")
    return root / "all.parquet"


@pytest.fixture
def manifest(data: Path) -> Manifest:
    return read_manifest(data)


def ruling(photo: str, attribute: str, old: str, new: str, *, who: str = "ann", **more: str) -> Decision:
    told = {"subject": photo, "attribute": attribute, "old": old, "new": new, "who": who}
    return Decision.model_validate(told | more)


def given(manifest: Manifest, row: int, attribute: str) -> str:
    return str(manifest.table[attribute][row])


def other_gender(manifest: Manifest, row: int) -> str:
    return "female" if given(manifest, row, "gender") == "male" else "male"


def flipped(manifest: Manifest, row: int, **more: str) -> Decision:
    old = given(manifest, row, "gender")
    return ruling(manifest.photo_ids[row], "gender", old, other_gender(manifest, row), **more)


def files(root: Path) -> dict[Path, str]:
    return {p: sha256_file(p) for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("form", ["store", "csv"])
def test_rulings_make_a_new_manifest_and_a_table_of_what_changed(
    data: Path, manifest: Manifest, tmp_path: Path, form: str
) -> None:
    rulings = [flipped(manifest, 0, reason="seen twice"), ruling(manifest.photo_ids[3], "use", "", "not_a_face")]
    if form == "store":
        open_store(tmp_path / "rulings").add(rulings)
    else:
        write_decisions(tmp_path / "rulings", rulings)
    before = files(data.parent)
    told = sha256_file(tmp_path / "rulings")
    made = apply(data, tmp_path / "rulings", out=tmp_path / "new.parquet")
    assert files(data.parent) == before
    assert sha256_file(tmp_path / "rulings") == told
    kept = read_manifest(tmp_path / "new.parquet")
    assert kept.table.equals(made.manifest.table)
    assert kept.table["gender"][0] == other_gender(manifest, 0)
    assert kept.table["dropped_because"].to_list()[:5] == [None, None, None, "not_a_face", None]
    same = [name for name in kept.table.columns if name not in ("gender", "dropped_because", "label_source")]
    assert kept.table.select(same).equals(manifest.table.select(same))
    assert kept.inputs is not None
    assert kept.inputs.keys() == {"data", "decisions"}
    assert kept.inputs["data"] == sha256_file(data)
    assert made.changes.select("photo_id", "attribute", "old", "new", "reason").rows() == [
        (manifest.photo_ids[0], "gender", given(manifest, 0, "gender"), other_gender(manifest, 0), "seen twice"),
        (manifest.photo_ids[3], "use", "", "not_a_face", ""),
    ]
    assert (tmp_path / "new.changes.csv").read_text(encoding="utf-8") == made.changes.write_csv()


def test_the_same_rulings_in_a_store_and_as_csv_come_to_the_same(
    data: Path, manifest: Manifest, tmp_path: Path
) -> None:
    open_store(tmp_path / "r.db").add([flipped(manifest, 0), flipped(manifest, 8)])
    export_rulings(tmp_path / "r.db", tmp_path / "r.csv", is_all=False)
    one, two = (apply(data, tmp_path / name).manifest for name in ("r.db", "r.csv"))
    assert one.table.equals(two.table)
    assert one.inputs == two.inputs


def test_what_a_photo_of_a_folder_is_ruled_to_be_holds_as_of_a_manifest(
    data: Path, manifest: Manifest, tmp_path: Path
) -> None:
    write_decisions(tmp_path / "r.csv", [flipped(manifest, 2)])
    folder = next(iter(manifest.roots.values())).parent
    assert apply(folder, tmp_path / "r.csv").manifest.table.equals(apply(data, tmp_path / "r.csv").manifest.table)
    assert apply(manifest, tmp_path / "r.csv").manifest.table.equals(apply(data, tmp_path / "r.csv").manifest.table)


def test_what_reviewers_see_differently_is_not_applied_until_somebody_settles_it(
    data: Path, manifest: Manifest, tmp_path: Path
) -> None:
    photo, old = manifest.photo_ids[0], given(manifest, 0, "mask")
    new = [name for name in ("worn", "incorrect", "not_worn") if name != old]
    store = open_store(tmp_path / "r.db")
    store.add([ruling(photo, "mask", old, new[0], who="ann"), ruling(photo, "mask", old, new[1], who="bob")])
    made = apply(data, tmp_path / "r.db")
    assert made.manifest.table["mask"].equals(manifest.table["mask"])
    assert [[d.who for d in one] for one in made.disagreements] == [["ann", "bob"]]
    store.add([ruling(photo, "mask", old, new[1], who="cho", certainty=SETTLED)])
    settled = apply(data, tmp_path / "r.db")
    assert settled.disagreements == ()
    assert settled.manifest.table["mask"][0] == new[1]


def test_a_ruling_that_does_not_fit_stops_all_of_it_or_is_left_out_and_told(
    data: Path, manifest: Manifest, tmp_path: Path
) -> None:
    wrong = ruling(manifest.photo_ids[1], "gender", other_gender(manifest, 1), "")
    write_decisions(tmp_path / "r.csv", [flipped(manifest, 0), wrong, ruling("nobody.jpg", "mask", "worn", "")])
    with pytest.raises(TrifacetError) as caught:
        apply(data, tmp_path / "r.csv", out=tmp_path / "new.parquet")
    why = f"gender of {wrong.subject} is '{given(manifest, 1, 'gender')}', not '{wrong.old}'"
    assert str(caught.value) == (
        f"TRI701 {tmp_path}/r.csv: 2 of 3 decisions cannot be applied, got photo {wrong.subject}: {why}; photo "
        "nobody.jpg: no such photo. Correct the rows that are named, or pass --skip: the others are applied and "
        "these are listed."
    )
    assert [p.name for p in tmp_path.iterdir()] == ["r.csv"]
    made = apply(data, tmp_path / "r.csv", out=tmp_path / "new.parquet", skip=True)
    assert [(r.decision.subject, r.why) for r in made.refused] == [
        (wrong.subject, why),
        ("nobody.jpg", "no such photo"),
    ]
    assert made.changes["photo_id"].to_list() == [manifest.photo_ids[0]]


@pytest.mark.parametrize(
    ("out", "rulings", "told"),
    [
        pytest.param("all.parquet", "r.csv", "the output is the input, got 'ROOT/all.parquet'", id="the manifest"),
        pytest.param(
            "r.parquet", "r.changes.csv", "the output is the input, got 'ROOT/r.changes.csv'", id="the decisions"
        ),
        pytest.param(
            "mine.parquet", "r.csv", "changes would replace another thing, got a file that is none of", id="my table"
        ),
        pytest.param("new.csv", "r.csv", "a manifest must end in .parquet, got 'ROOT/new.csv'", id="a csv"),
    ],
)
def test_what_is_there_is_never_replaced(
    data: Path, manifest: Manifest, tmp_path: Path, out: str, rulings: str, told: str
) -> None:
    write_manifest(tmp_path / "all.parquet", manifest)
    write_decisions(tmp_path / rulings, [flipped(manifest, 0)])
    (tmp_path / "mine.changes.csv").write_text("mine\n")
    before = files(tmp_path)
    with pytest.raises(TrifacetError) as caught:
        apply(tmp_path / "all.parquet", tmp_path / rulings, out=tmp_path / out)
    assert str(caught.value).startswith(f"TRI104 --out: {told}".replace("ROOT", str(tmp_path)))
    assert files(tmp_path) == before


def test_applying_again_replaces_what_applying_made(data: Path, manifest: Manifest, tmp_path: Path) -> None:
    for row in (0, 1):
        write_decisions(tmp_path / "r.csv", [flipped(manifest, row)])
        apply(data, tmp_path / "r.csv", out=tmp_path / "new.parquet")
    changed = pl.read_csv(changes_path(tmp_path / "new.parquet"))["photo_id"].to_list()
    assert changed == [manifest.photo_ids[1]]


def test_rulings_that_are_not_there_are_told(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrifacetError) as caught:
        apply(data, tmp_path / "r.db")
    assert str(caught.value) == (f"TRI702 {tmp_path}/r.db: no such file. Check the path.")
    assert list(tmp_path.iterdir()) == []  # no store is made by asking for one


def test_a_csv_may_hold_what_counts_or_every_event(manifest: Manifest, tmp_path: Path) -> None:
    store = open_store(tmp_path / "r.db")
    (number,) = store.add([flipped(manifest, 0)])
    store.undo(number, who="ann")
    store.add([flipped(manifest, 1), ruling(manifest.photo_ids[1], VERDICT, "", "seen")])
    told = export_rulings(tmp_path / "r.db", tmp_path / "counts.csv", is_all=False)
    assert [d.subject for d in told.decisions] == [manifest.photo_ids[1]]
    assert read_decisions(tmp_path / "counts.csv") == list(told.decisions)
    export_rulings(tmp_path / "r.db", tmp_path / "events.csv", is_all=True)
    assert read_decisions(tmp_path / "events.csv") == store.events()
    assert decisions_of(tmp_path / "counts.csv") == (list(told.decisions), ())


def test_a_safe_copy_opens_in_the_stores_place(data: Path, manifest: Manifest, tmp_path: Path) -> None:
    open_store(tmp_path / "r.db").add([flipped(manifest, 0)])
    back_up(tmp_path / "r.db", tmp_path / "kept.db")
    one, two = (apply(data, tmp_path / name).manifest for name in ("r.db", "kept.db"))
    assert one.table.equals(two.table)


@pytest.mark.parametrize(
    "do",
    [
        lambda path: back_up(path, path.with_name("k.db")),
        lambda path: export_rulings(path, path.with_name("k.csv"), is_all=False),
    ],
    ids=["backup", "export"],
)
def test_a_store_that_is_not_there_is_told_and_none_is_made(do, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TrifacetError) as caught:
        do(tmp_path / "r.db")
    assert str(caught.value) == f"TRI703 {tmp_path}/r.db: no such file. Check the path; a backup opens in its place."
    assert list(tmp_path.iterdir()) == []


def test_a_store_about_other_photos_is_not_opened(data: Path, tmp_path: Path) -> None:
    store = open_store(tmp_path / "r.db")
    store.add([Decision(who="ann", subject="elsewhere.jpg", attribute="mask", old="worn", new="incorrect")])
    with pytest.raises(StoreError, match=r"TRI706 .* none of its rulings is about these photos, got .*elsewhere\.jpg"):
        open_desk(data, store.path, findings=None)


def test_a_desk_is_opened_on_the_findings_of_this_data(data: Path, tmp_path: Path) -> None:
    made = stages.audit(data, tmp_path / "audit", pictures=False)
    desk = open_desk(
        data, tmp_path / "r.db", findings=tmp_path / "audit" / "findings.parquet", progress=lambda *_: None
    )
    assert {desk.ids[row] for row in desk.reasons} == set(made.findings.issues["photo_id"])
    assert sum(map(len, desk.reasons.values())) == len(made.findings.issues)
    assert (tmp_path / "r.db").is_file()
