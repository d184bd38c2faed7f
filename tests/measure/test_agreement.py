"""Agreement beyond chance, beside scikit-learn's and a published example's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from trifacet.measure.agreement import cohen_kappa, krippendorff_alpha

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40)
# Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability, section C: alpha 0.743 without order.
FOUR_OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, -1, -1, -1],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, -1, 3],
        [-1, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, -1],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, -1],
    ]
)


@given(PAIRS)
def test_kappa_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    if len({*one.tolist(), *other.tolist()}) < 2:
        assert np.isnan(cohen_kappa(one, other))
    else:
        assert cohen_kappa(one, other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


@given(PAIRS, st.integers(1, 5))
def test_what_only_one_labelled_counts_for_nothing(pairs: list[tuple[int, int]], n: int) -> None:
    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    nobody = np.full(n, -1)
    with_more = cohen_kappa(np.r_[one, nobody, one[:1]], np.r_[other, other[:1].repeat(n), [-1]])
    assert with_more == pytest.approx(cohen_kappa(one, other), nan_ok=True)


@pytest.mark.parametrize(
    ("one", "other", "kappa"),
    [
        pytest.param([0, 1, 0, 1], [0, 1, 0, 1], 1.0, id="the same"),
        pytest.param([0, 1, 0, 1], [1, 0, 1, 0], -1.0, id="the contrary"),
        pytest.param([0, 0, 1, 1], [0, 1, 0, 1], 0.0, id="chance"),
        pytest.param([0, 0, 0, 0], [0, 1, 0, 1], 0.0, id="one says always the same"),
        pytest.param([1, 1], [1, 1], float("nan"), id="one class alone"),
        pytest.param([], [], float("nan"), id="nothing"),
        pytest.param([-1, 0], [1, -1], float("nan"), id="nothing in common"),
    ],
)
def test_both_ends_and_the_middle(one: list[int], other: list[int], kappa: float) -> None:
    assert cohen_kappa(one, other) == pytest.approx(kappa, nan_ok=True)


def test_alpha_is_that_of_the_published_example() -> None:
    assert krippendorff_alpha(FOUR_OBSERVERS) == pytest.approx(0.743, abs=5e-4)


@given(PAIRS)
def test_alpha_of_two_comes_near_to_scotts_pi(pairs: list[tuple[int, int]]) -> None:
    labels = np.array(pairs).T
    n = labels.shape[1]
    shares = np.bincount(labels.ravel()) / (2 * n)
    by_chance = float((shares**2).sum())
    if by_chance == 1:
        assert np.isnan(krippendorff_alpha(labels))
        return
    pi = (float((labels[0] == labels[1]).mean()) - by_chance) / (1 - by_chance)
    assert krippendorff_alpha(labels) == pytest.approx(pi + (1 - pi) / (2 * n))


def test_alpha_of_nothing_labelled_twice_is_none() -> None:
    assert np.isnan(krippendorff_alpha([[0, -1], [-1, 1]]))
