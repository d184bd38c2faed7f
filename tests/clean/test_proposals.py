"""Findings about labels carry what the model would say instead, and how sure it is, for the page that asks people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clean.test_mislabels import crowd, relabelled
from trifacet.clean.mislabels import label_findings
from trifacet.core.findings import Findings, findings_table, read_findings, write_findings
from trifacet.core.schema import DEFAULT_SCHEMA


def test_each_kind_says_what_it_proposes(tmp_path: Path) -> None:
    made, answers = crowd()
    made = relabelled(made, "gender", dict.fromkeys((12, 13, 14), "female"))  # person 4 is a man
    made = relabelled(made, "mask", {3: "not_worn", 5: "worn"})  # changed about
    made = relabelled(made, "age_years", dict.fromkeys((0, 1, 2), 50.0))  # of 25
    write_findings(tmp_path / "f.parquet", Findings(findings_table(label_findings(made, answers)), DEFAULT_SCHEMA))
    found = read_findings(tmp_path / "f.parquet").issues.rows_by_key(["kind", "photo_id"], named=True, unique=True)
    gender, swap, age = found["label", "14.jpg"], found["swap", "3.jpg"], found["age", "2.jpg"]
    assert (gender["attribute"], gender["proposed"]) == ("gender", "male")
    assert gender["confidence"] == pytest.approx(0.9, abs=0.01)
    assert (swap["other_id"], swap["proposed"]) == ("5.jpg", "worn")
    assert swap["confidence"] == pytest.approx(0.9, abs=0.01)
    assert (age["attribute"], age["proposed"], age["confidence"]) == ("age_years", "25", None)
