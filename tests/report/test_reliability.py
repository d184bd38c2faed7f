from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.report.example import scored
from trifacet.core.evaluation import Evaluation
from trifacet.report.material import Material
from trifacet.report.reliability import reliability


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return scored()


def test_diagrams_stand_before_and_after_calibration_for_each_split(measured: Evaluation) -> None:
    section = reliability(Material({"val": scored(20, seed=3), "test": measured}))
    assert section is not None
    assert re.findall(r"<h3>([^<]+)</h3>", section.html) == ["On test", "On val, where the temperatures were fitted"]
    mask = measured.attributes["mask"]
    assert mask is not None
    assert mask.raw is not None
    captions = re.findall(r"<figcaption>([^<]+)</figcaption>", section.html)
    assert len(captions) == 2 * 2 * 4
    assert captions[2:4] == ["Mask, raw", "Mask, T = 1.21"]
    assert f">{mask.raw.ece:.3f}</td><td" in section.html
    labels = re.findall(r'aria-label="(Reliability[^"]+)"', section.html)
    assert len(set(labels)) == len(captions)
    ids = re.findall(r' id="([^"]+)"', section.html)
    assert len(set(ids)) == len(ids)
    assert "NLL, raw" in section.html
    assert "Raw: as the network gives them." in section.note


def test_without_a_temperature_there_is_one_diagram_a_label(measured: Evaluation) -> None:
    attributes = {name: score and replace(score, raw=None) for name, score in measured.attributes.items()}
    assert measured.joint
    section = reliability(
        Material({"test": replace(measured, joint=replace(measured.joint, raw=None), attributes=attributes)})
    )
    assert section is not None
    assert section.html.count("<figcaption>") == 4
    assert "raw" not in section.html
    assert "<h3>" not in section.html
    assert "Raw" not in section.note
