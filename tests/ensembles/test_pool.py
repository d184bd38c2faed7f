from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import tiny
from tests.scored import certain, people
from trifacet.core.errors import PredictionsError
from trifacet.core.predictions import Predictions
from trifacet.core.schema import DEFAULT_SCHEMA, with_age_edges
from trifacet.ensembles.pool import answered, pooled

HALVES = np.array([0.5, 0.5])


@given(st.permutations(range(8)))
def test_photos_stand_once_and_in_the_order_of_the_first_whatever_that_of_the_others(order: list[int]) -> None:
    one = Predictions(
        [f"{i}.jpg" for i in range(8)], tiny.random_probs(8, DEFAULT_SCHEMA), None, [None] * 8, DEFAULT_SCHEMA
    )
    other = replace(one, probs=tiny.random_probs(8, DEFAULT_SCHEMA, seed=1))
    made = answered(pooled({"a": one, "b": other.rows(np.array(order))}), HALVES)
    assert list(made.ids) == list(one.ids)
    np.testing.assert_allclose(made.probs, (one.probs + other.probs) / 2, atol=1e-6)


def test_years_stamps_and_what_could_not_be_read_go_with_it() -> None:
    first, _ = people(2)
    one = replace(first, stamps=("a", "b"))
    errors: list[str | None] = [None] * 14
    errors[3] = "truncated"
    probs, years = first.probs.copy(), first.age_probs.copy()
    probs[3], years[3] = np.nan, np.nan
    other = replace(first, probs=probs, age_probs=years, errors=errors, stamps=("b", "c"))
    made = answered(pooled({"a": one, "b": other}), np.array([0.9, 0.1]))
    assert made.stamps == ("a", "b", "c")
    assert list(made.errors) == errors
    assert np.isnan(made.probs[3]).all()
    assert np.isnan(made.age_probs[3]).all()
    np.testing.assert_allclose(made.age_probs[:3], first.age_probs[:3], atol=1e-6)


def test_a_member_of_another_cut_is_cut_anew() -> None:
    one, _ = people(3)
    moved = with_age_edges(DEFAULT_SCHEMA, [30, 71])  # nobody is that old: MIDDLES of the world are 22, 45 and 70
    marginals = {**one.marginals, "age": moved.band_probs(one.age_probs)}
    other = replace(one, schema=moved, probs=moved.joint(marginals).astype(np.float32))
    assert other.marginals["age"][:, 2].max() == 0
    made = answered(pooled({"a": one, "b": other}), HALVES)
    assert made.schema == DEFAULT_SCHEMA
    np.testing.assert_allclose(made.probs, one.probs, atol=1e-6)


def test_other_photos_are_refused_with_the_nearest_of_them() -> None:
    one, other = certain([0, 1, 2]), certain([0, 1, 2])
    renamed = replace(other, ids=["0.jpg", "1.jpg", "02.jpg"])
    with pytest.raises(PredictionsError) as told:
        pooled({"runs/a": one, "runs/b": renamed})
    assert str(told.value) == (
        "TRI340 runs/b: members speak of other photos, got only in runs/a: 2.jpg; only in runs/b: 02.jpg ('02.jpg' is "
        "nearest to '2.jpg'). Train the members on one split manifest; predict on the same photos before `trifacet "
        "combine`."
    )
    with pytest.raises(PredictionsError, match=r"^TRI340 b: .*, got only in a: 1.jpg, 2.jpg\. Train"):
        pooled({"a": one, "b": one.rows(np.array([0]))})
    with pytest.raises(PredictionsError, match=r"^TRI340 b: .*, got only in b: 1.jpg, 2.jpg"):
        pooled({"a": one.rows(np.array([0])), "b": one})


def test_other_labels_are_refused() -> None:
    with pytest.raises(PredictionsError, match="TRI301 b: another label schema: attributes mask, age instead of"):
        pooled({"a": certain([0]), "b": certain([0], tiny.FOUR_BANDS)})
