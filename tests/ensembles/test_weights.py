from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import tiny
from tests.scored import people
from trifacet.core.errors import ConfigError, PredictionsError
from trifacet.core.predictions import Predictions
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.core.truth import Truth
from trifacet.ensembles.pool import Pool, answered, pooled
from trifacet.ensembles.weights import Fitted, fit_weights, given_weights, nested
from trifacet.measure.classification import macro_f1


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=9).filter(lambda values: sum(values) > 0))
def test_weights_are_shares_that_add_up_to_one_and_keep_their_ratio(values: list[float]) -> None:
    made = given_weights(values, n_members=len(values))
    assert made.sum() == pytest.approx(1)
    np.testing.assert_allclose(made * sum(values), values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            [1, -1], "TRI104 --weights: must be numbers of at least 0, and not all 0, got 1, -1.", id="negative"
        ),
        pytest.param(
            [3, -1], "TRI104 --weights: must be numbers of at least 0, and not all 0, got 3, -1.", id="one negative"
        ),
        pytest.param(
            [0, 0], "TRI104 --weights: must be numbers of at least 0, and not all 0, got 0, 0.", id="all zero"
        ),
        pytest.param(
            [1, np.nan], "TRI104 --weights: must be numbers of at least 0, and not all 0, got 1, nan.", id="nan"
        ),
        pytest.param([1, 2, 1], "TRI104 --weights: one a member is needed: 2, got 1, 2, 1.", id="three for two"),
    ],
)
def test_weights_that_are_none_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(ConfigError) as told:
        given_weights(values, n_members=2)
    assert str(told.value) == f"{message} See --help."


def noise(like: Predictions, *, seed: int) -> Predictions:
    """Predictions that know nothing."""
    return replace(like, probs=tiny.random_probs(len(like), DEFAULT_SCHEMA, seed=seed), age_probs=None)


def world(n: int = 120) -> tuple[Pool, Truth]:
    """Two members that err apart, and two that know nothing; and the truth."""
    one, truth = people(n)
    mean = people(n, seed=0, believed=(1 / 3, 1 / 3, 1 / 3), sharpness=1.2)[0]
    tables = {"good": one, "other": mean, "noise": noise(one, seed=1), "more noise": noise(one, seed=2)}
    return pooled(tables), truth


def test_members_that_know_nothing_are_given_nothing() -> None:
    pool, truth = world()
    fitted = fit_weights(pool, truth)
    assert fitted.weights.sum() == pytest.approx(1)
    assert list(fitted.weights[2:]) == [0, 0]
    assert fitted.nested > 0.5


def test_the_first_member_taken_is_the_best_and_repeats_make_shares() -> None:
    one, truth = people(60)
    true = one.schema.joint(
        {
            n: np.eye(s)[truth.classes[:, i]]
            for i, (n, s) in enumerate(zip(one.schema.names, one.schema.sizes, strict=True))
        }
    )
    perfect = replace(one, probs=true.astype(np.float32))
    fitted = fit_weights(pooled({"noise": noise(one, seed=3), "perfect": perfect}), truth)
    np.testing.assert_allclose(fitted.weights, [0, 1])
    assert (fitted.nested, fitted.best_member) == (1.0, 1.0)
    assert fitted.n_photos == 420
    assert len(fitted.fold) == 60


def test_a_member_that_is_drawn_again_has_a_larger_share() -> None:
    one, truth = people(120)
    rng, true = np.random.default_rng(0), np.eye(DEFAULT_SCHEMA.n_joint)[truth.joint]
    told = [np.exp(clear * true + rng.normal(size=true.shape)) for clear in (2.0, 1.5)]
    members = [replace(one, probs=(p / p.sum(axis=1, keepdims=True)).astype(np.float32), age_probs=None) for p in told]
    weights = fit_weights(pooled(dict(zip("ab", members, strict=True))), truth).weights
    assert 0.55 < weights[0] < 0.95
    assert any(np.allclose(weights * n, np.round(weights * n)) for n in range(2, 26))


def test_nobody_is_answered_by_weights_that_were_fitted_on_them() -> None:
    one, truth = people(40)
    rng = np.random.default_rng(0)
    alike = {str(i): replace(one, probs=blurred(one.probs, rng), age_probs=None) for i in range(4)}
    pool = pooled(alike)
    fitted = fit_weights(pool, truth, seed=3)
    person = next(p for p in truth.persons if (fitted.of([p])[0] != fitted.weights).any())
    kept = [i for i, p in enumerate(truth.persons) if fitted.fold[p] != fitted.fold[person]]
    without = fit_weights_on(pool, truth, kept)
    np.testing.assert_allclose(fitted.of([person])[0], without)
    np.testing.assert_allclose(fitted.of(["a stranger"])[0], fitted.weights)
    made = nested(pool, truth, fitted=fitted, voting="soft")
    rows = [i for i, p in enumerate(truth.persons) if p == person]
    np.testing.assert_allclose(made.probs[rows], answered(pool, without).probs[rows], atol=1e-6)
    score = macro_f1(truth.joint, made.probs.argmax(axis=1), n_classes=18)
    assert score == pytest.approx(fitted.nested)


def blurred(probs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Probabilities of one who sees less well."""
    made = np.exp(np.log(probs + 1e-9) + rng.normal(size=probs.shape))
    return (made / made.sum(axis=1, keepdims=True)).astype(np.float32)


def fit_weights_on(pool: Pool, truth: Truth, rows: list[int]) -> np.ndarray:
    """The weights fitted on these photos alone, of which nobody else knows."""
    part = Pool(
        pool.names,
        [pool.ids[i] for i in rows],
        tuple(joint[rows] for joint in pool.joints),
        tuple(None for _ in pool.joints),
        [None] * len(rows),
        pool.schema,
        (),
    )
    return fit_weights(part, truth.rows(np.array(rows))).weights


def test_fitting_on_chance_promises_nothing_for_other_people() -> None:
    # Twelve members that know nothing: whatever is chosen on some people, others are answered at the rate of chance.
    one, truth = people(40)
    pool = pooled({str(i): noise(one, seed=i) for i in range(12)})
    fitted = fit_weights(pool, truth, voting="hard")
    said = answered(pool, fitted.weights, voting="hard").probs.argmax(axis=1)
    flattering = macro_f1(truth.joint, said, n_classes=18)
    assert flattering > fitted.nested + 0.01
    assert fitted.nested < 0.08


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_votes_are_fitted_as_they_are_counted(voting: str) -> None:
    pool, truth = world(60)
    fitted = fit_weights(pool, truth, voting=voting)  # type: ignore[arg-type]
    equal = answered(pool, np.full(4, 0.25), voting=voting)  # type: ignore[arg-type]
    assert macro_f1(truth.joint, equal.probs.argmax(axis=1), n_classes=18) == pytest.approx(fitted.equal, abs=0.002)


def test_too_few_people_are_refused() -> None:
    pool, truth = world(19)
    with pytest.raises(PredictionsError) as told:
        fit_weights(pool, truth)
    assert str(told.value) == (
        "TRI342 --fit: weights are fitted on at least 20 people with every label, got 19. Give --weights yourself, or "
        "none: then all members have the same share."
    )


def test_a_photo_whose_person_is_unknown_is_its_own_person() -> None:
    pool, truth = world(20)
    fitted = fit_weights(pool, replace(truth, persons=[""] * len(truth)))
    assert isinstance(fitted, Fitted)
    assert len(fitted.fold) == 140
