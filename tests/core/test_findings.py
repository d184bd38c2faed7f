"""Findings are a table of their own, worst first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.tiny import manifest
from trifacet.core.errors import ManifestError, StoreError
from trifacet.core.findings import Finding, Findings, findings_table, read_findings, write_findings
from trifacet.core.manifest import write_manifest
from trifacet.core.schema import DEFAULT_SCHEMA

FOUND = [
    Finding("b.jpg", "label", 0.4, attribute="gender", detail="the model says female"),
    Finding("c.jpg", "label", 0.1, attribute="mask"),
    Finding("a.jpg", "label", 0.0, is_issue=False, attribute="age"),
    Finding("a.jpg", "dark", 0.9),
    Finding("a.jpg", "copy", 0.05, other_id="b.jpg"),
]


def test_findings_come_back_worst_first(tmp_path: Path) -> None:
    write_findings(tmp_path / "f.parquet", Findings(findings_table(FOUND), DEFAULT_SCHEMA, {"data": "ab" * 32}, ("s",)))
    found = read_findings(tmp_path / "f.parquet", photo_ids=["b.jpg"])
    assert found.table.select("photo_id", "kind").rows() == [
        ("a.jpg", "copy"),
        ("a.jpg", "dark"),
        ("c.jpg", "label"),
        ("b.jpg", "label"),
        ("a.jpg", "label"),
    ]
    assert (found.schema, found.inputs, found.stamps, len(found)) == (DEFAULT_SCHEMA, {"data": "ab" * 32}, ("s",), 5)
    assert found.issues["photo_id"].to_list() == ["a.jpg", "a.jpg", "c.jpg", "b.jpg"]


def test_findings_about_other_photos_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    write_findings(path, Findings(findings_table(FOUND), DEFAULT_SCHEMA))
    with pytest.raises(StoreError) as caught:
        read_findings(path, photo_ids=["z.jpg"])
    assert str(caught.value) == (
        f"TRI700 {path}: these findings are about other photos, got a.jpg. Pass the findings that `trifacet audit` "
        "made of this data, or make them again."
    )


def test_findings_about_the_data_as_a_whole_fit_any_photos(tmp_path: Path) -> None:
    found = findings_table([Finding("", "shift", 0.2, detail="darker")])
    write_findings(tmp_path / "f.parquet", Findings(found, DEFAULT_SCHEMA))
    assert len(read_findings(tmp_path / "f.parquet", photo_ids=["z.jpg"])) == 1


def test_another_table_is_no_findings(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", manifest([("worn", "male", "under_30")]))
    with pytest.raises(ManifestError, match=r"^TRI202 .*expected a findings file, got a manifest file"):
        read_findings(tmp_path / "m.parquet")


def test_a_kind_that_is_not_known_is_a_defect() -> None:
    with pytest.raises(ValueError, match=r"kinds must be among .*, got ugly"):
        findings_table([Finding("a.jpg", "ugly", 0.5)])
