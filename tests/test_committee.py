from __future__ import annotations

import numpy as np
import pytest

from tests.core import tiny
from trifacet.committee import mean_years, recut, require_cut, voted
from trifacet.core.errors import PredictionsError
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema, with_age_edges

SMALL = LabelSchema(
    attributes=(Attribute(name="mask", classes=("on", "off")), Attribute(name="sex", classes=("m", "f", "x")))
)
EVEN = np.full(3, 1 / 3)


def joint(mask: list[float], sex: list[float]) -> np.ndarray:
    """One photo's joint probabilities (1, 6)."""
    return np.outer(mask, sex).reshape(1, -1).astype(np.float32)


def test_soft_voting_is_the_weighted_mean_of_the_probabilities() -> None:
    one, other = joint([0.8, 0.2], [0.5, 0.3, 0.2]), joint([0.4, 0.6], [0.1, 0.1, 0.8])
    made = voted([one, other], weights=np.array([0.75, 0.25]), schema=SMALL)
    # worn and male: .75 * .8 * .5 + .25 * .4 * .1 = .31; off and x: .75 * .2 * .2 + .25 * .6 * .8 = .15
    assert made.shape == (1, 6)
    assert made[0, 0] == pytest.approx(0.31)
    assert made[0, 5] == pytest.approx(0.15)
    assert made.sum() == pytest.approx(1)


def test_hard_voting_counts_answers_and_not_how_sure_they_are() -> None:
    sure, two = joint([0.99, 0.01], [1, 0, 0]), joint([0.45, 0.55], [0, 1, 0])
    soft, hard = (voted([sure, two, two], weights=EVEN, schema=SMALL, voting=v) for v in ("soft", "hard"))
    assert SMALL.marginal(soft, "mask").argmax() == 0  # (.99 + .45 + .45) / 3 = .63
    assert SMALL.marginal(hard, "mask").argmax() == 1  # two votes against one
    np.testing.assert_allclose(SMALL.marginal(hard, "mask")[0], [1 / 3, 2 / 3], atol=1e-3)


def test_a_tie_of_votes_is_settled_for_each_attribute_by_the_mean_probability() -> None:
    one, other = joint([0.9, 0.1], [0.5, 0.4, 0.1]), joint([0.4, 0.6], [0.1, 0.8, 0.1])
    made = voted([one, other], weights=np.array([0.5, 0.5]), schema=SMALL, voting="hard")
    # mask: one vote each, means .65 and .35, so on; sex: one vote each, means .3 and .6, so f: neither's own answer
    assert made.argmax() == SMALL.encode([[0, 1]])[0]
    assert made.sum() == pytest.approx(1, abs=1e-6)
    assert SMALL.marginal(made, "mask")[0, 0] == pytest.approx(0.5 * 0.999 + 0.65 * 0.001, abs=1e-6)


def test_a_heavier_member_outvotes_two() -> None:
    one, two = joint([0.6, 0.4], [1, 0, 0]), joint([0.1, 0.9], [0, 0, 1])
    made = voted([one, two, two], weights=np.array([0.5, 0.2, 0.3]), schema=SMALL, voting="hard")
    assert SMALL.marginal(made, "mask").argmax() == 1  # .5 to .5: a tie, and the two are surer
    made = voted([one, two, two], weights=np.array([0.6, 0.2, 0.2]), schema=SMALL, voting="hard")
    assert SMALL.marginal(made, "mask").argmax() == 0


def test_photos_may_have_weights_of_their_own_and_what_is_not_known_stays_so() -> None:
    one, other = np.tile(joint([1, 0], [1, 0, 0]), (3, 1)), np.tile(joint([0, 1], [0, 0, 1]), (3, 1))
    other[2] = np.nan
    made = voted([one, other], weights=np.array([[1, 0], [0.25, 0.75], [0.5, 0.5]]), schema=SMALL)
    np.testing.assert_allclose(made[:2], [[1, 0, 0, 0, 0, 0], [0.25, 0, 0, 0, 0, 0.75]])
    assert np.isnan(made[2]).all()


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_members_that_agree_are_not_changed_in_their_answer(voting: str) -> None:
    probs = tiny.random_probs(50, DEFAULT_SCHEMA)
    marginals = {name: DEFAULT_SCHEMA.marginal(probs, name) for name in DEFAULT_SCHEMA.names}
    product = DEFAULT_SCHEMA.joint(marginals)
    made = voted([product] * 3, weights=EVEN, schema=DEFAULT_SCHEMA, voting=voting)  # type: ignore[arg-type]
    assert (made.argmax(axis=1) == product.argmax(axis=1)).all()
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-5)


def test_years_are_averaged_by_the_same_weights_and_unknown_where_a_member_has_none() -> None:
    one, other = np.eye(4, dtype=np.float32)[:2], np.eye(4, dtype=np.float32)[2:]
    np.testing.assert_allclose(mean_years([one, other], np.array([0.75, 0.25]))[0], [0.75, 0, 0.25, 0])
    assert mean_years([one, None], np.array([0.5, 0.5])) is None


def test_another_cut_of_age_is_made_from_the_years() -> None:
    moved = with_age_edges(DEFAULT_SCHEMA, [30, 58])
    years = np.zeros((1, 101), dtype=np.float32)
    years[0, [20, 57, 58, 59, 60]] = [0.1, 0.1, 0.2, 0.2, 0.4]
    mask, gender = np.array([[0.5, 0.3, 0.2]]), np.array([[0.6, 0.4]])
    own = moved.joint({"mask": mask, "gender": gender, "age": moved.band_probs(years)}).astype(np.float32)
    np.testing.assert_allclose(moved.marginal(own, "age")[0], [0.1, 0.1, 0.8], atol=1e-6)
    made = recut(own, years, own=moved, schema=DEFAULT_SCHEMA)
    np.testing.assert_allclose(DEFAULT_SCHEMA.marginal(made, "age")[0], [0.1, 0.5, 0.4], atol=1e-6)
    np.testing.assert_allclose(DEFAULT_SCHEMA.marginal(made, "mask"), mask, atol=1e-6)
    assert made[0, 0] == pytest.approx(0.5 * 0.6 * 0.1)
    assert recut(own, years, own=moved, schema=moved) is own
    two = with_age_edges(DEFAULT_SCHEMA, [40])
    assert recut(own, years, own=moved, schema=two).shape == (1, 12)


def test_without_years_no_age_can_be_cut_anew() -> None:
    moved = with_age_edges(DEFAULT_SCHEMA, [30, 58])
    require_cut(DEFAULT_SCHEMA, moved, where="b")
    message = (
        "TRI301 b: another label schema: age is under_30, 30_to_57, 58_plus instead of under_30, 30_to_59, 60_plus"
    )
    with pytest.raises(PredictionsError, match=message):
        require_cut(DEFAULT_SCHEMA, moved, where="b", has_years=False)
    with pytest.raises(PredictionsError, match="TRI301 ensemble: another label schema: age is under_30, 30_to_57"):
        recut(tiny.random_probs(1, moved), None, own=moved, schema=DEFAULT_SCHEMA)


def test_other_attributes_or_years_are_other_labels() -> None:
    for other in (SMALL, tiny.FOUR_BANDS, DEFAULT_SCHEMA.model_copy(update={"years": (0, 90)})):
        with pytest.raises(PredictionsError, match="TRI301 b: another label schema: "):
            require_cut(DEFAULT_SCHEMA, LabelSchema.model_validate(other.model_dump()), where="b")
