"""`trifacet decisions agreement`: what it tells of a store."""

from __future__ import annotations

from pathlib import Path

from tests.flow.command import done, trifacet
from trifacet.clean.store import open_store
from trifacet.core.decisions import Decision


def test_agreement_is_told_by_attribute_and_reviewers(tmp_path: Path) -> None:
    store = open_store(tmp_path / "rulings.db")
    for who, masks in (("ann", "aabb"), ("bob", "abbb")):
        names = {"a": "worn", "b": "incorrect"}
        store.add([Decision(who=who, subject=f"{i}.jpg", attribute="mask", new=names[m]) for i, m in enumerate(masks)])
    said = done("decisions", "agreement", store.path).out
    row = next(line for line in said.splitlines() if "mask" in line)
    assert [word for word in row.replace("│", " ").split() if word != "┃"] == [
        "mask",
        "ann,",
        "bob",
        "4",
        "75.0%",
        "0.500",
    ]


def test_a_store_of_one_reviewer_has_none(tmp_path: Path) -> None:
    store = open_store(tmp_path / "rulings.db")
    assert "No two reviewers have ruled on the same photo yet." in done("decisions", "agreement", store.path).out


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    said = trifacet("decisions", "agreement", tmp_path / "nothing.db")
    assert (said.status, said.out) == (9, "")
    assert said.err == (f"TRI703 {tmp_path}/nothing.db: no such file. Check the path; a backup opens in its place.\n")
    assert list(tmp_path.iterdir()) == []
