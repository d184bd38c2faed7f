from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.scored import certain, people, rule_with_priors
from trifacet.core.errors import ConfigError, PredictionsError
from trifacet.core.predictions import DecisionRule, Predictions, decide
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema
from trifacet.ensembles.combine import combine

MASK, GENDER, AGE = DEFAULT_SCHEMA.attributes


def part(whole: Predictions, *attributes: Attribute) -> Predictions:
    """What a net of these attributes alone would say."""
    schema = LabelSchema(attributes=attributes)
    names = [a.name for a in attributes]
    probs = schema.joint({name: whole.marginals[name] for name in names}).astype(np.float32)
    made_by = {"run": "+".join(names), "weights": names[0]}
    return replace(
        whole, schema=schema, probs=probs, age_probs=whole.age_probs if AGE in attributes else None, made_by=made_by
    )


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([(MASK,), (GENDER,), (AGE,)], id="three nets"),
        pytest.param([(AGE,), (MASK,), (GENDER,)], id="in another order"),
        pytest.param([(MASK, GENDER), (AGE,)], id="mask and gender, and age"),
        pytest.param([(GENDER,), (AGE, MASK)], id="age before mask"),
    ],
)
def test_parts_of_the_task_make_the_whole_by_the_product_of_their_probabilities(
    parts: list[tuple[Attribute, ...]],
) -> None:
    whole, _ = people(5)  # whose joint probabilities are the product of the attributes'
    tables = {str(i): part(whole, *attributes) for i, attributes in enumerate(parts)}
    made = combine({name: table.rows(np.arange(35)[:: (-1) ** i]) for i, (name, table) in enumerate(tables.items())})
    assert made.schema == DEFAULT_SCHEMA
    assert list(made.ids) == list(whole.ids)
    np.testing.assert_allclose(made.probs, whole.probs, atol=1e-6)
    np.testing.assert_allclose(made.age_probs, whole.age_probs, atol=1e-6)


def test_what_a_part_knows_of_how_attributes_hang_together_stays() -> None:
    schema = LabelSchema(attributes=(MASK, GENDER))
    tied = np.array([[0.5, 0, 0, 0.5, 0, 0]], dtype=np.float32)  # worn and male, or incorrect and female
    one = Predictions(["0.jpg"], tied, None, [None], schema)
    age = Predictions(
        ["0.jpg"], np.array([[0.2, 0.3, 0.5]], dtype=np.float32), None, [None], LabelSchema(attributes=(AGE,))
    )
    made = combine({"one": one, "age": age})
    np.testing.assert_allclose(made.probs[0, [0, 1, 2, 9, 10, 11]], [0.1, 0.15, 0.25] * 2, atol=1e-6)
    assert made.probs.sum() == pytest.approx(1)


def test_several_of_the_same_part_are_averaged_first() -> None:
    whole, _ = people(4)
    other, _ = people(4, seed=1)
    tables = {"m": part(whole, MASK), "g": part(whole, GENDER), "a": part(whole, AGE), "b": part(other, AGE)}
    made = combine(tables)
    np.testing.assert_allclose(made.marginals["age"], (whole.marginals["age"] + other.marginals["age"]) / 2, atol=1e-6)
    np.testing.assert_allclose(made.marginals["mask"], whole.marginals["mask"], atol=1e-6)
    assert made.made_by == {
        "run": "mask + gender + age + age",
        "weights_0": "mask",
        "weights_1": "gender",
        "weights_2": "age",
        "weights_3": "age",
    }


def test_several_of_the_whole_task_are_their_mean() -> None:
    one, other = certain([0, 5]), certain([3, 5])
    made = combine({"a": one, "b": other})
    np.testing.assert_allclose(made.probs, (one.probs + other.probs) / 2, atol=1e-6)


def test_the_rules_of_single_parts_are_kept_and_decide_as_they_did() -> None:
    whole, _ = people(30)
    priors = rule_with_priors().priors
    tables = {}
    for attribute in DEFAULT_SCHEMA.attributes:
        name, table = attribute.name, part(whole, attribute)
        rule = DecisionRule(
            label_schema=table.schema, temperature={name: 2.0}, tau={name: 0.7}, priors={name: priors[name]},
            fitted_on="val", n_photos=9,
        )  # fmt: skip
        tables[name] = table.with_decision(rule)
    made = combine(tables)
    alone = np.stack([decide(table, table.decision) for table in tables.values()], axis=1)
    np.testing.assert_array_equal(DEFAULT_SCHEMA.decode(made.classes), alone)
    assert made.decision is not None
    assert (made.decision.fitted_on, made.decision.n_photos) == ("val", 9)
    twice = combine({**tables, "again": tables["age"]})
    assert set(twice.decision.tau) == {"mask", "gender"}


def test_what_one_part_could_not_read_is_unread() -> None:
    whole = certain([0, 1, 2])
    unread = certain([0, 1, 2], errors=[None, "truncated", None])
    made = combine({"m": part(whole, MASK), "ga": part(unread, GENDER, AGE)})
    assert list(made.errors) == [None, "truncated", None]
    assert np.isnan(made.probs[1]).all()
    np.testing.assert_allclose(made.probs[[0, 2]].sum(axis=1), 1, atol=1e-5)


def test_parts_that_overlap_are_refused_and_so_is_one_alone() -> None:
    whole = certain([0, 1])
    with pytest.raises(PredictionsError) as told:
        combine({"all.parquet": whole, "age.parquet": part(whole, AGE)})
    assert str(told.value) == (
        "TRI341 age.parquet: 'age' is answered by two parts, got also by all.parquet. Give files of the same task, "
        "which are averaged, or of parts that share nothing."
    )
    with pytest.raises(ConfigError) as told:
        combine({"a": whole})
    assert str(told.value) == "TRI104 two predictions or more are needed, got 1. See --help."
    with pytest.raises(PredictionsError, match=r"TRI340 b: members speak of other photos, got only in a: 1\.jpg"):
        combine({"a": part(whole, MASK), "b": part(certain([0]), AGE)})
