"""Tables of counts: heads a level per attribute, cells the darker the more they hold."""

from __future__ import annotations

import re

import numpy as np
import pytest

from trifacet.pages.grids import counts_html


def test_heads_span_their_classes_and_cells_are_shaded_by_their_count() -> None:
    table = counts_html(
        np.array([[100, 25, 0, 1_234]]), ["not_worn"], columns=[["male", "female"], ["young", "old"]], caption="Photos"
    )
    assert re.findall(r'colspan="(\d)"', table) == ["2", "2"]
    assert re.findall(r'<th scope="col"[^>]*><span>(\w+)', table) == ["young", "old", "young", "old"]
    assert re.findall(r'<td class="cell[^"]*"(?: style="--s:(\d+)%")?>([^<]+)', table) == [
        ("28", "100"),
        ("14", "25"),
        ("", "0"),
        ("100", "1,234"),
    ]
    assert re.findall(r'<td class="n">([^<]+)', table) == ["1,359"]
    assert "not worn" in table


def test_totals_that_are_no_sums_are_shown_as_given() -> None:
    table = counts_html(
        np.ones((2, 2), dtype=int), ["a", "b"], columns=[["c", "d"]], caption="People", totals=[1, None]
    )
    assert re.findall(r'<td class="n">([^<]+)', table) == ["1", "–"]


def test_nothing_is_drawn_without_shade() -> None:
    assert "--s" not in counts_html(np.zeros((1, 2), dtype=int), ["a"], columns=[["c", "d"]], caption="None")


def test_counts_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^expected counts \(1, 2\), got \(2, 2\)$"):
        counts_html(np.ones((2, 2), dtype=int), ["a"], columns=[["c", "d"]], caption="Photos")
