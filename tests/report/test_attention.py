from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.report import example
from tests.report.example import scored
from trifacet.core.evaluation import Evaluation
from trifacet.report.attention import attention, is_middle, mean_map, share_outside
from trifacet.report.material import Attention, Material


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return scored()


def test_the_middle_is_two_thirds_of_both_sides() -> None:
    assert is_middle(6).sum() == 16
    assert not is_middle(6)[0].any()
    assert not is_middle(6)[:, 5].any()
    assert is_middle(3).sum() == 1


def test_a_mean_map_counts_rises_as_nothing_and_knows_what_it_never_saw() -> None:
    drops = np.array([[0.4, -0.2], [0.2, 0.6]])[:, :, None]
    looked = Attention(drops, np.array([[0, 1], [0, 1]]), 2, ["", ""])
    np.testing.assert_allclose(mean_map(looked, 0), [[0.3, 0.3], [np.nan, np.nan]])


def test_the_share_outside_is_by_person_and_unknown_without_any_fall(measured: Evaluation) -> None:
    looked = example.attention(measured)
    mask, gender = share_outside(looked, 0), share_outside(looked, 1)
    assert mask is not None
    assert gender is not None
    assert mask.value == mask.high == 0
    assert 0 < gender.low < gender.value < gender.high < 1
    assert share_outside(replace(looked, drops=-np.abs(looked.drops)), 0) is None


def test_the_section_draws_a_map_an_attribute_and_says_what_it_rests_on(measured: Evaluation) -> None:
    section = attention(Material({"test": measured}, attention=example.attention(measured)))
    assert section is not None
    labels = re.findall(r'aria-label="Where covering a photo makes the answer for (\w+) less sure', section.html)
    assert labels == ["mask", "gender", "age"]
    assert section.html.count("<image ") == 3
    assert "Mean over 90 photos" in section.note
    assert ">looking everywhere alike</th>" in section.html
    assert ">0.556</td>" in section.html
    assert "no proof; a small one rules nothing out" in section.html


def test_maps_without_pictures_hold_no_pixel(measured: Evaluation) -> None:
    plain = replace(example.attention(measured), looks={}, backdrop="")
    section = attention(Material({"test": measured}, attention=plain))
    assert section is not None
    assert "data:" not in section.html
    assert section.html.count("<svg") == 3
