"""What `audit`, `apply` and `decisions` tell when all is well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clean.faces import Faces, write_oof, write_planted
from tests.flow.command import done
from trifacet.clean.store import open_store
from trifacet.core.decisions import Decision, write_decisions
from trifacet.core.findings import KINDS, read_findings
from trifacet.core.manifest import Manifest, read_manifest
from trifacet.data.split import split


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    return write_planted(tmp_path_factory.mktemp("planted") / "drawn")


@pytest.fixture(scope="module")
def data(faces: Faces) -> Path:
    done("ingest", faces.folder, "--out", faces.folder.parent / "all.parquet")
    return faces.folder.parent / "all.parquet"


@pytest.fixture
def manifest(data: Path) -> Manifest:
    return read_manifest(data)


def ruling(manifest: Manifest, row: int, new: str, **more: str) -> Decision:
    told = {"subject": manifest.photo_ids[row], "attribute": "mask", "old": manifest.table["mask"][row], "new": new}
    return Decision.model_validate(told | {"who": "ann"} | more)


def rows(text: str) -> dict[str, tuple[str, ...]]:
    """The rows of a table that ends in numbers, by what heads them."""
    found = (re.fullmatch(r"(.+?) {2,}([\d,]+) +([\d,]+) *", line) for line in text.splitlines())
    return {m[1].strip(): (m[2], m[3]) for m in found if m}


def test_an_audit_tells_what_it_found_kind_by_kind_and_where_the_page_lies(faces: Faces, tmp_path: Path) -> None:
    said = done("audit", faces.folder, "--out", tmp_path / "audit")
    found = read_findings(tmp_path / "audit" / "findings.parquet")
    expected = {}
    for kind in KINDS:
        if len(part := found.table.filter(kind=kind)):
            expected[kind.replace("_", " ")] = (str(part["is_issue"].sum()), str(len(part)))
    assert rows(said.out) == expected
    assert list(rows(said.out)) == list(expected)
    page, next_step = said.out.splitlines()[-2:]
    assert page == f"page: {tmp_path}/audit/index.html"
    way = f"next: trifacet review {faces.folder} --decisions rulings.db --findings {tmp_path}/audit/findings.parquet"
    assert next_step == way
    assert "Note layout boostcamp: train form, train.csv" in said.err


def test_an_audit_with_answers_says_whose_labels_nobody_looked_at(
    manifest: Manifest, data: Path, tmp_path: Path
) -> None:
    made = split(manifest, val=0.2, test=0.2)
    done("split", data, "--out", tmp_path / "split.parquet", "--val", 0.2, "--test", 0.2)
    told = made.split("train", "val")
    wrong = {told.photo_ids[0]: ("mask", "incorrect" if told.table["mask"][0] != "incorrect" else "worn")}
    oof = write_oof(tmp_path / "oof.parquet", told, wrong)
    said = done("audit", tmp_path / "split.parquet", "--oof", oof, "--out", tmp_path / "audit", "--no-pictures")
    n_test = len(made) - len(told)
    assert f"Note {n_test} photos of test have no answer: their labels were not looked at" in said.err
    assert int(rows(said.out)["label"][0]) >= 1
    assert "data:image" not in (tmp_path / "audit" / "index.html").read_text(encoding="utf-8")


def test_apply_tells_what_changed_and_where_it_stands(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    worn = [row for row, mask in enumerate(manifest.table["mask"]) if mask == "worn"][:3]
    write_decisions(
        tmp_path / "r.csv",
        [
            *(ruling(manifest, row, "incorrect") for row in worn),
            Decision(subject=manifest.photo_ids[worn[0]], attribute="use", new="dropped"),
        ],
    )
    said = done("apply", data, "--decisions", tmp_path / "r.csv", "--out", tmp_path / "new.parquet")
    assert re.search(r"^mask +worn +incorrect +3 *$", said.out, re.MULTILINE)
    assert re.search(r"^use +– +dropped +1 *$", said.out, re.MULTILINE)
    assert said.out.rstrip().endswith(f"4 changes in {tmp_path}/new.changes.csv")
    assert said.err == ""


def test_apply_lists_what_it_leaves_out_and_what_is_not_agreed_on(
    manifest: Manifest, data: Path, tmp_path: Path
) -> None:
    other = [name for name in ("worn", "incorrect", "not_worn") if name != manifest.table["mask"][0]]
    missing = [Decision(subject=f"{i}.jpg", attribute="mask", new="worn", who="ann") for i in range(22)]
    open_store(tmp_path / "r.db").add(
        [ruling(manifest, 0, other[0], who="ann"), ruling(manifest, 0, other[1], who="bob"), *missing]
    )
    said = done("apply", data, "--decisions", tmp_path / "r.db", "--out", tmp_path / "new.parquet", "--skip")
    told = " ".join(said.err.split())
    assert "Note left out: photo 0.jpg: no such photo" in told
    assert "photo 19.jpg: no such photo" in told
    assert "photo 20.jpg" not in told
    assert "Note left out: 22 in all" in told
    assert "not applied, because reviewers see it differently: " in told
    assert manifest.photo_ids[0] in told.replace(" ", "")
    assert read_manifest(tmp_path / "new.parquet").table["mask"].equals(manifest.table["mask"])


def test_rulings_are_exported_and_copied(manifest: Manifest, tmp_path: Path) -> None:
    store = open_store(tmp_path / "r.db")
    store.add([ruling(manifest, 0, "worn"), ruling(manifest, 1, "worn"), ruling(manifest, 1, "incorrect", who="bob")])
    said = done("decisions", "export", store.path, "--out", tmp_path / "r.csv")
    assert said.out == f"1 decision in {tmp_path}/r.csv\n"
    assert "left out: 1 label that reviewers see differently; settle them first" in " ".join(said.err.split())
    said = done("decisions", "export", store.path, "--out", tmp_path / "events.csv", "--events")
    assert (said.out, said.err) == (f"3 decisions in {tmp_path}/events.csv\n", "")
    said = done("decisions", "backup", store.path, "--out", tmp_path / "kept.db")
    assert said.out == f"copied to {tmp_path}/kept.db\n"
    assert open_store(tmp_path / "kept.db").events() == store.events()
