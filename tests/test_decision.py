from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.scored import AGE_SHARES, certain, known, people, rule_with_priors
from trifacet.core.errors import ConfigError, PredictionsError
from trifacet.core.predictions import DecisionRule, Predictions, calibrated_probs, decide
from trifacet.core.schema import DEFAULT_SCHEMA, MISSING, Attribute, LabelSchema
from trifacet.core.truth import Truth
from trifacet.decision import fit_decision, fit_fold_rules, fit_rates, training_priors
from trifacet.measure.calibration import temper
from trifacet.scoring import evaluate

# A net that overdoes the training shares: it believes that classes are as rare as their squares say.
OVERDONE = tuple(np.square(AGE_SHARES) / np.square(AGE_SHARES).sum())

PRIORS = rule_with_priors().priors


def priors_of(truth: Truth) -> dict[str, tuple[float, ...]]:
    return training_priors(truth.classes, truth.schema)


def test_a_shifted_net_gets_a_tau_that_holds_on_other_people() -> None:
    predictions, truth = people(300, seed=1, believed=OVERDONE, sharpness=1.8)
    rule = fit_decision(predictions, truth, priors=priors_of(truth))
    assert rule.notes["chosen"] in ("one_tau", "tau_per_attribute")
    assert rule.tau["age"] >= 0.4
    others, their_truth = people(300, seed=2, believed=OVERDONE, sharpness=1.8)
    ruled, plain = (evaluate(others, their_truth, rule=r, n_boot=20).joint for r in (rule, "argmax"))
    assert ruled.macro_f1.value > plain.macro_f1.value + 0.02


def test_argmax_stays_where_tau_does_not_help() -> None:
    predictions, truth = people(150, seed=1, sharpness=3.0)
    rule = fit_decision(predictions, truth, priors=priors_of(truth))
    assert rule.notes["chosen"] == "argmax"
    assert rule.tau == {}


def test_argmax_stays_on_noise_in_nearly_every_draw() -> None:
    # The net's shares are right and the evidence is none: what tau gains on these people it loses on others.
    chosen = []
    for seed in range(6):
        predictions, truth = people(40, seed=seed, sharpness=2.5)
        chosen.append(fit_decision(predictions, truth, priors=priors_of(truth)).notes["chosen"])
    assert chosen.count("argmax") >= 4


def test_temperature_undoes_oversureness_and_lowers_the_loss_of_others() -> None:
    predictions, truth = people(200, seed=3)
    logs = np.log(np.maximum(predictions.probs, 1e-30)) * 2.0
    sharper = np.exp(logs - logs.max(axis=1, keepdims=True))
    oversure = replace(predictions, probs=(sharper / sharper.sum(axis=1, keepdims=True)).astype(np.float32))
    rule = fit_decision(oversure, truth, priors={})
    assert rule.temperature == pytest.approx({"mask": 2.0, "gender": 2.0, "age": 2.0}, rel=0.2)
    before, after = (evaluate(oversure, truth, rule=r, n_boot=20).joint for r in ("argmax", rule))
    assert after.nll.value < before.nll.value
    assert after.ece < before.ece / 2


def tempered(joint: np.ndarray, temperature: float) -> np.ndarray:
    """Joint probabilities (N, 18) after one temperature for all attributes."""
    predictions = replace(certain([0] * len(joint)), probs=joint.astype(np.float32))
    names = DEFAULT_SCHEMA.names
    rule = DecisionRule(label_schema=DEFAULT_SCHEMA, temperature=dict.fromkeys(names, temperature))
    return calibrated_probs(predictions, rule)


def test_tempering_independent_attributes_tempers_each_however_sure_they_are() -> None:
    rng = np.random.default_rng(0)
    sides = {"mask": 3, "gender": 2, "age": 3}
    marginals = {name: rng.dirichlet([0.05] * size, size=500) for name, size in sides.items()}
    expected = DEFAULT_SCHEMA.joint({name: temper(probs, 2.0) for name, probs in marginals.items()})
    found = tempered(DEFAULT_SCHEMA.joint(marginals), 2.0)
    assert np.abs(found - expected).max() < 0.01
    assert found.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()


def test_tempering_keeps_classes_apart_that_exclude_each_other() -> None:
    joint = np.zeros((1, 18))
    joint[0, [0, 16]] = 0.5  # worn/male/under_30 or not_worn/female/30_to_59, never a mixture of them
    assert tempered(joint, 2.0)[0, [0, 16]].sum() > 0.999


def test_the_rule_tells_what_it_was_fitted_on_and_how_its_rivals_did() -> None:
    predictions, truth = people(60)
    rule = fit_decision(predictions, truth, priors=priors_of(truth), fitted_on="oof")
    assert (rule.fitted_on, rule.n_photos, rule.n_persons) == ("oof", 420, 60)
    assert set(rule.notes) == {"chosen", "argmax", "one_tau", "tau_per_attribute"}
    assert set(rule.notes["one_tau"]) == {"macro_f1", "gain_over", "gain", "standard_error"}


def test_unread_photos_and_unknown_labels_change_nothing_but_the_numbers() -> None:
    predictions, truth = people(80)
    probs, years, n = predictions.probs.copy(), predictions.age_probs.copy(), len(predictions)
    extra = Predictions(
        ids=[*predictions.ids, "unread.jpg", "unlabelled.jpg"],
        probs=np.concatenate([probs, np.full((1, 18), np.nan, dtype=np.float32), probs[:1]]),
        age_probs=np.concatenate([years, np.full((1, 101), np.nan, dtype=np.float32), years[:1]]),
        errors=[None] * n + ["truncated", None],
        schema=predictions.schema,
    )
    more = Truth(
        schema=truth.schema,
        ids=extra.ids,
        classes=np.concatenate([truth.classes, truth.classes[:1], np.full((1, 3), MISSING)]),
        ages=np.concatenate([truth.ages, [22.0, np.nan]]),
        persons=[*truth.persons, "p0", "p0"],
        splits=[None] * (n + 2),
    )
    assert fit_decision(extra, more, priors=priors_of(truth)) == fit_decision(
        predictions, truth, priors=priors_of(truth)
    )


def test_with_few_people_nothing_is_fitted_and_the_notes_say_why() -> None:
    predictions, truth = people(19)
    rule = fit_decision(predictions, truth, priors=priors_of(truth))
    assert (rule.temperature, rule.tau) == ({}, {})
    assert rule.notes == {
        "temperature_1": "fewer than 20 people labelled: mask, gender, age",
        "chosen": "argmax",
        "why": "19 people with all labels, fewer than 20",
    }


def test_with_mask_labels_only_its_temperature_is_fitted_and_argmax_stays() -> None:
    predictions, truth = people(60)
    classes = truth.classes.copy()
    classes[:, 1:] = MISSING
    rule = fit_decision(predictions, replace(truth, classes=classes), priors=priors_of(truth))
    assert (set(rule.temperature), rule.tau) == ({"mask"}, {})
    assert rule.notes["why"] == "0 people with all labels, fewer than 20"


def test_another_schema_without_age_and_with_an_absent_class_is_fitted() -> None:
    schema = LabelSchema(attributes=(Attribute(name="hat", classes=("none", "cap", "helmet")),))
    rng = np.random.default_rng(0)
    truth = known(rng.integers(0, 2, 200).tolist(), schema)
    probs = rng.dirichlet([1, 1, 1], size=200).astype(np.float32)
    predictions = Predictions(truth.ids, probs, None, [None] * 200, schema)
    rule = fit_decision(predictions, truth, priors=priors_of(truth))
    assert set(rule.temperature) == {"hat"}
    assert rule.n_persons is None


def test_no_fold_is_decided_by_a_rule_that_its_own_labels_helped_to_fit() -> None:
    predictions, truth = people(90, believed=OVERDONE)
    fold_of = np.repeat(np.arange(90) % 3, 7)
    priors = {fold: priors_of(truth) for fold in range(3)}
    rules = fit_fold_rules(predictions, truth, fold_of=fold_of, priors=priors).rules
    assert [rule.n_photos for rule in rules.values()] == [420] * 3
    lies = np.where((fold_of == 0)[:, None], truth.classes[::-1], truth.classes)
    others = fit_fold_rules(predictions, replace(truth, classes=lies), fold_of=fold_of, priors=priors).rules
    assert others[0] == rules[0]
    assert others[1].temperature != rules[1].temperature


def test_training_priors_leave_no_class_impossible() -> None:
    priors = training_priors(np.array([[0, 0, 0], [0, 1, MISSING], [2, 1, 0]]), DEFAULT_SCHEMA)
    assert priors["mask"] == pytest.approx((3 / 6, 1 / 6, 2 / 6))
    assert priors["gender"] == pytest.approx((2 / 5, 3 / 5))
    assert priors["age"] == pytest.approx((3 / 5, 1 / 5, 1 / 5))


def test_photos_without_labels_are_refused() -> None:
    unlabelled = replace(known([0, 0]), classes=np.full((2, 3), MISSING))
    with pytest.raises(PredictionsError) as caught:
        fit_decision(certain([0, 0]), unlabelled, priors={})
    assert str(caught.value) == (
        "TRI328 decide: no photo is both read and labelled. Pass the predictions of a labelled split, such as val."
    )


def shares(answers: np.ndarray, name: str) -> np.ndarray:
    """How often each class of an attribute was answered."""
    column = DEFAULT_SCHEMA.decode(answers)[:, DEFAULT_SCHEMA.names.index(name)]
    return np.bincount(column, minlength=len(DEFAULT_SCHEMA.attribute(name).classes)) / len(column)


def test_rates_of_the_labels_are_met_by_the_answers() -> None:
    predictions, truth = people(150, believed=(1 / 3, 1 / 3, 1 / 3), sharpness=1.2)
    rule = fit_rates(predictions, truth, rates={}, priors=PRIORS)
    for i, name in enumerate(DEFAULT_SCHEMA.names):
        known = np.bincount(truth.classes[:, i], minlength=len(DEFAULT_SCHEMA.attribute(name).classes)) / len(truth)
        before, after = shares(decide(predictions, None), name), shares(decide(predictions, rule), name)
        np.testing.assert_allclose(after, known, atol=0.002)
        if name == "age":
            assert np.abs(before - known).max() > 0.05
        assert rule.notes[name]["answered"] == pytest.approx(after, abs=1e-3)
    assert (rule.fitted_on, rule.n_photos, rule.n_persons, rule.notes["chosen"]) == ("val", 1050, 150, "rates")
    assert set(rule.temperature) == set(DEFAULT_SCHEMA.names)


def test_of_two_classes_the_rates_are_one_threshold() -> None:
    schema = LabelSchema(attributes=(Attribute(name="gender", classes=("male", "female")),))
    female = np.array([0.05, 0.1, 0.2, 0.3, 0.45, 0.6], dtype=np.float32)
    told = Predictions([str(i) for i in range(6)], np.stack([1 - female, female], axis=1), None, [None] * 6, schema)
    rule = fit_rates(told, None, rates={"gender": [3, 3]}, priors={}, fitted_on="there")
    assert decide(told, rule).tolist() == [0, 0, 0, 1, 1, 1]  # the three most female, though two of them are under .5
    threshold = 1 / (1 + np.exp(rule.bias["gender"][1] - rule.bias["gender"][0]))
    assert 0.2 < threshold < 0.3
    assert decide(told, fit_rates(told, None, rates={"gender": [0, 1]}, priors={})).tolist() == [1] * 6
    assert (rule.fitted_on, rule.n_persons, rule.temperature) == ("there", None, {})


def test_known_rates_go_before_those_of_the_labels_and_need_no_truth() -> None:
    predictions, truth = people(100)
    rule = fit_rates(predictions, None, rates={"mask": [5, 1, 1]}, priors=PRIORS)
    np.testing.assert_allclose(shares(decide(predictions, rule), "mask"), [5 / 7, 1 / 7, 1 / 7], atol=0.002)
    assert set(rule.bias) == {"mask"}
    both = fit_rates(predictions, truth, rates={"mask": [1, 1, 1]}, priors=PRIORS)
    np.testing.assert_allclose(shares(decide(predictions, both), "mask"), [1 / 3] * 3, atol=0.01)
    np.testing.assert_allclose(both.notes["mask"]["rates"], [0.3333] * 3)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        pytest.param(
            {"mask": [1, 1]},
            "TRI104 rates of mask: needs 3 shares of at least 0, not all 0, got 1, 1. See --help.",
            id="two of three",
        ),
        pytest.param(
            {"mask": [1, -1, 1]},
            "TRI104 rates of mask: needs 3 shares of at least 0, not all 0, got 1, -1, 1. See --help.",
            id="negative",
        ),
        pytest.param(
            {"mask": [0, 0, 0]},
            "TRI104 rates of mask: needs 3 shares of at least 0, not all 0, got 0, 0, 0. See --help.",
            id="nothing",
        ),
        pytest.param({"masc": [1, 1, 1]}, "TRI100 no attribute 'masc'. Did you mean 'mask'?", id="a typo"),
    ],
)
def test_rates_that_are_none_are_refused(rates: dict[str, list[float]], message: str) -> None:
    predictions, truth = people(2)
    with pytest.raises(ConfigError) as told:
        fit_rates(predictions, truth, rates=rates, priors={})
    assert str(told.value) == message


def test_rates_of_nothing_that_was_read_are_refused() -> None:
    nothing = certain([0], errors=["truncated"])
    with pytest.raises(PredictionsError, match=r"^TRI328 decide: no photo is read"):
        fit_rates(nothing, None, rates={"mask": [1, 1, 1]}, priors={})
