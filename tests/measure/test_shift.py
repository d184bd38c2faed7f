"""How far two datasets lie apart: as the textbook computes it, and as sure as the number of people allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from tests.core.tiny import FOUR_BANDS, manifest
from trifacet.measure.shift import MOST, Shift, label_columns, shift


def drawn(n: int, *, mean: float = 0.0, sd: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, n)


def apart(one: np.ndarray, other: np.ndarray, *, each: int = 1) -> Shift:
    """The shift where `each` photos in a row show one person."""
    names = [[f"{i // each}" for i in range(len(side))] for side in (one, other)]
    found = shift(one, other, groups=(names[0], names[1]))
    assert found is not None
    return found


def test_the_difference_is_the_textbooks() -> None:
    one, other = drawn(400), drawn(300, mean=0.6, sd=1.5, seed=1)
    found = apart(one, other)
    expected = (other.mean() - one.mean()) / np.sqrt((one.var() + other.var()) / 2)
    assert found.effect.value == pytest.approx(expected)
    assert found.effect.low < expected < found.effect.high
    assert found.spread.value == pytest.approx(other.std() / one.std())
    assert found.distance == pytest.approx(ks_2samp(one, other).statistic)
    assert (found.n_photos, found.n_groups) == ((400, 300), (400, 300))
    assert found.is_apart
    assert found.is_far


@given(st.integers(0, 50), st.floats(-3, 3), st.floats(0.1, 10))
def test_seen_from_the_other_side_it_is_the_same_difference_turned(seed: int, mean: float, scale: float) -> None:
    one, other = drawn(60, seed=seed), drawn(50, mean=mean, seed=seed + 1)
    found, back = apart(one, other), apart(scale * other + 7, scale * one + 7)
    assert found.effect.value == pytest.approx(-back.effect.value, abs=1e-6)
    assert found.spread.value == pytest.approx(1 / back.spread.value)
    assert found.distance == pytest.approx(back.distance)
    assert 0 < found.score <= 1


def test_seven_photos_of_a_person_make_an_interval_wider_than_seven_people_do() -> None:
    one, other = np.repeat(drawn(60), 7), np.repeat(drawn(60, mean=0.3, seed=1), 7)
    by_person, by_photo = apart(one, other, each=7), apart(one, other)
    widths = [found.effect.high - found.effect.low for found in (by_person, by_photo)]
    assert widths[0] > 2 * widths[1]
    assert by_person.n_groups == (60, 60)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        one, other = (np.repeat(drawn(40, mean=m, seed=2 * seed + m), 3) for m in (0, 1))
        found = apart(one, other, each=3)
        held += found.effect.low <= 1 <= found.effect.high
    assert 180 <= held <= 198  # of 200 at 95 %, the bootstrap being a little short with 40 people


@pytest.mark.parametrize(
    ("other", "is_apart", "is_far"),
    [
        pytest.param(drawn(500, seed=1), False, False, id="alike"),
        pytest.param(drawn(500, mean=0.15, seed=1), False, False, id="a little apart"),
        pytest.param(drawn(500, mean=0.5, seed=1), True, True, id="apart"),
        pytest.param(drawn(500, sd=1.2, seed=1), False, False, id="a little wider"),
        pytest.param(drawn(500, sd=2.0, seed=1), False, True, id="wider"),
        pytest.param(drawn(500, sd=0.5, seed=1), False, True, id="narrower"),
        pytest.param(drawn(9, mean=5, seed=1), False, False, id="too few people"),
    ],
)
def test_what_is_far_is_more_than_chance_and_more_than_a_little(
    other: np.ndarray, is_apart: bool, is_far: bool
) -> None:
    found = apart(drawn(500), other)
    assert (found.is_apart, found.is_far) == (is_apart, is_far)


@pytest.mark.parametrize(
    ("other", "effect", "spread"),
    [
        pytest.param(np.full(20, 180.0), 0, 1, id="the same"),
        pytest.param(np.full(20, 256.0), MOST, 1, id="another"),
        pytest.param(np.full(20, 100.0), -MOST, 1, id="a smaller one"),
        pytest.param(180 + drawn(20), None, MOST, id="one that varies"),
    ],
)
def test_numbers_that_do_not_vary_are_compared(other: np.ndarray, effect: float | None, spread: float) -> None:
    found = apart(np.full(20, 180.0), other)
    assert effect is None or tuple(found.effect) == (effect, effect, effect)
    assert found.spread.value == spread
    assert found.is_far is (effect != 0)


def test_what_is_not_known_is_left_out() -> None:
    one = np.array([1.0, np.nan, 3.0])
    found = shift(one, np.array([np.nan, 2.0]), groups=(["a", "b", "c"], ["d", "e"]))
    assert found is not None
    assert (found.n_photos, found.n_groups) == ((2, 1), (2, 1))
    assert shift(one, np.array([np.nan]), groups=(["a", "b", "c"], ["d"])) is None


def test_labels_are_columns_of_noughts_and_ones() -> None:
    data = manifest([("worn", "male", None), ("not_worn", None, None)])
    columns, others = label_columns(data, manifest([("incorrect", "female", "60_plus")]))
    assert columns["mask", "worn"].tolist() == [1, 0]
    assert columns["gender", "male"][0] == 1
    assert np.isnan(columns["gender", "male"][1])
    assert np.isnan(columns["age", "60_plus"]).all()
    assert len(columns) == len(others) == 8
    assert others["age", "60_plus"].tolist() == [1]


def test_labels_of_another_schema_are_not_compared_where_its_classes_differ() -> None:
    assert label_columns(manifest([("worn", "male", None)]), manifest([("on", None)], schema=FOUR_BANDS)) == ({}, {})
