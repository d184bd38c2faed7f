from __future__ import annotations

import numpy as np
import pytest

from trifacet.core.errors import ConfigError
from trifacet.core.recipe_photos import SamplerSection, age_range
from trifacet.core.schema import MISSING, Attribute, LabelSchema
from trifacet.learn.sampler import epoch_order, sampling_weights

MASK = Attribute(name="mask", classes=("worn", "not_worn"))
AGE = Attribute(name="age", classes=("young", "old"), edges=(30.0,))
SCHEMA = LabelSchema(attributes=(MASK, AGE))
AGES = np.array([20.0] * 60 + [40.0] * 30 + [70.0] * 10)
CLASSES = np.column_stack([np.arange(100) % 2, AGE.band(AGES)])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def weights(through: float = 0.0, classes=CLASSES, **recipe):
    return sampling_weights(classes, AGES, schema=SCHEMA, recipe=SamplerSection(**recipe), through=through)


def shares(*, n_drawn: int = 100, **recipe) -> list[float]:
    """Of the young and the old in an epoch."""
    order = epoch_order(100, n_drawn=n_drawn, weights=weights(**recipe), rng=rng())
    return (np.bincount(CLASSES[order, 1], minlength=2) / len(order)).tolist()


def test_an_epoch_as_it_is_has_every_photo_once() -> None:
    assert weights() is None
    assert sorted(epoch_order(100, n_drawn=100, weights=None, rng=rng())) == list(range(100))
    assert epoch_order(100, n_drawn=100, weights=None, rng=rng()).tolist() == rng().permutation(100).tolist()


def test_a_part_of_the_photos_and_several_times_all_of_them() -> None:
    quarter = epoch_order(100, n_drawn=25, weights=None, rng=rng())
    assert len(set(quarter)) == 25
    twice = epoch_order(100, n_drawn=250, weights=None, rng=rng())
    assert set(np.bincount(twice)) == {2, 3}


def test_balanced_draws_classes_alike_and_square_root_lies_between() -> None:
    assert shares(name="balanced", by="age") == pytest.approx([0.5, 0.5], abs=0.0101)
    root = np.sqrt([60, 40]) / np.sqrt([60, 40]).sum()
    assert shares(name="square_root", by="age", n_drawn=1000) == pytest.approx(root, abs=0.001)
    assert shares(name="balanced", by="joint") == pytest.approx([0.5, 0.5], abs=0.02)


def test_progressive_goes_from_as_it_is_to_alike() -> None:
    assert weights(name="progressive", by="age", through=0.0) is None
    half = weights(name="progressive", by="age", through=0.5)
    assert half is not None
    assert half[[0, 99]] == pytest.approx([0.5 + 0.5 * 50 / 60, 0.5 + 0.5 * 50 / 40])
    assert shares(name="progressive", by="age", through=1.0) == pytest.approx([0.5, 0.5], abs=0.0101)


def test_factors_are_per_class_and_per_years() -> None:
    assert shares(factors={"age": [1, 3]}, n_drawn=1800) == pytest.approx([60 / 180, 120 / 180], abs=1e-3)
    assert shares(factors={"age": [0, 1]}) == [0, 1]
    found = weights(age_factors={"60+": 3, "35-40": 2, "20": 0})
    assert found is not None
    assert found[[0, 60, 99]] / found[60] == pytest.approx([0, 1, 1.5])


def test_each_example_comes_as_often_as_its_share_rounded() -> None:
    found = weights(name="balanced", by="age")
    assert found is not None
    counts = np.bincount(epoch_order(100, n_drawn=330, weights=found, rng=rng(1)), minlength=100)
    expected = found * 3.3
    assert ((counts >= np.floor(expected - 1e-9)) & (counts <= np.ceil(expected + 1e-9))).all()


def test_unknown_classes_are_drawn_as_the_mean_photo() -> None:
    classes = CLASSES.copy()
    classes[:10, 1] = MISSING
    found = weights(name="balanced", by="age", classes=classes)
    assert found is not None
    assert found[0] == pytest.approx(found[10:].mean())


def test_the_order_is_a_function_of_the_draws_and_the_ranks_share_it() -> None:
    for made in (None, weights(name="balanced", by="age")):
        one = epoch_order(100, n_drawn=90, weights=made, rng=rng(3))
        assert np.array_equal(one, epoch_order(100, n_drawn=90, weights=made, rng=rng(3)))
        assert not np.array_equal(one, epoch_order(100, n_drawn=90, weights=made, rng=rng(4)))
        parts = [epoch_order(100, n_drawn=90, weights=made, rng=rng(3), rank=rank, world_size=4) for rank in range(4)]
        assert [len(part) for part in parts] == [23] * 4
        together = np.stack(parts, axis=1).ravel()
        assert np.array_equal(together[:90], one)
        assert np.array_equal(together[90:], one[:2])


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigError) as told:
        weights(name="balanced", by="aeg")
    assert str(told.value) == "TRI100 sampler.by: no attribute 'aeg'. Did you mean 'age'?"
    with pytest.raises(ConfigError) as told:
        weights(factors={"age": [1, 2, 3]})
    what = "TRI101 sampler.factors: 'age' has 2 classes, and needs as many factors, got [1.0, 2.0, 3.0]."
    assert str(told.value).startswith(what)
    with pytest.raises(ConfigError) as told:
        weights(factors={"age": [0, 0]})
    assert str(told.value).startswith("TRI101 sampler.factors: every photo would be drawn 0 times.")
    with pytest.raises(ValueError, match="years are written 30-49, 58 or 60"):
        SamplerSection(age_factors={"thirties": 2})


def test_ranges_of_years() -> None:
    assert [age_range(text) for text in ("30-49", "58", "60+")] == [(30, 49), (58, 58), (60, float("inf"))]
