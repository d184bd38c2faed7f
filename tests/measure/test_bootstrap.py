from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trifacet.measure import bootstrap
from trifacet.measure.bootstrap import (
    accuracy_of,
    class_terms,
    difference,
    group_sums,
    interval,
    macro_f1_of,
    ratio_of,
    resampled_sums,
)
from trifacet.measure.classification import accuracy, macro_f1


def answered(n_people: int, *, seed: int = 0, share_right: float = 0.8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, answers and person (7 n,), where a person is answered rightly on all photos or on none."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n_people), 7)
    truth = rng.integers(0, 4, n_people)[person]
    is_right = (rng.random(n_people) < share_right)[person]
    return truth, np.where(is_right, truth, (truth + 1) % 4), person


def test_group_sums_add_up_each_group_in_sorted_order() -> None:
    terms = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert group_sums(terms, np.array(["b", "a", "b"])).tolist() == [[2.0, 20.0], [5.0, 50.0]]
    assert group_sums(np.zeros((0, 2)), np.array([])).shape == (0, 2)


def test_draws_equal_a_slow_loop_over_people() -> None:
    truth, answers, person = answered(30)
    sums = group_sums(class_terms(truth, answers, n_classes=4), person)
    drawn = macro_f1_of(resampled_sums(sums, n_draws=20, seed=5), whole=sums.sum(axis=0))
    rng, slow = np.random.default_rng(5), []
    for chosen in rng.integers(0, 30, size=(20, 30)):
        rows = np.concatenate([np.flatnonzero(person == p) for p in chosen])
        slow.append(macro_f1(truth[rows], answers[rows], n_classes=4))
    assert drawn.tolist() == pytest.approx(slow)


def test_draws_do_not_depend_on_how_they_are_blocked() -> None:
    sums = np.arange(20.0).reshape(10, 2)
    assert (
        resampled_sums(sums, n_draws=150, seed=1)[:100].tolist() == resampled_sums(sums, n_draws=100, seed=1).tolist()
    )


def test_draws_of_many_people_equal_those_of_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(0).random((1001, 3))
    whole = resampled_sums(sums, n_draws=50, seed=1)
    monkeypatch.setattr(bootstrap, "BLOCK", 7_007)
    np.testing.assert_allclose(resampled_sums(sums, n_draws=50, seed=1), whole, rtol=1e-12)


def test_figures_of_whole_sums_equal_the_plain_figures() -> None:
    truth, answers, person = answered(50)
    truth[:5], answers[5:9] = -1, -1
    whole = group_sums(class_terms(truth, answers, n_classes=6), person).sum(axis=0)
    assert float(accuracy_of(whole)) == pytest.approx(accuracy(truth, answers))
    assert float(macro_f1_of(whole, whole=whole)) == pytest.approx(macro_f1(truth, answers, n_classes=6))


def test_intervals_by_person_are_wider_than_by_photo_where_photos_of_a_person_agree() -> None:
    truth, answers, person = answered(200)
    terms = class_terms(truth, answers, n_classes=4)
    by_person, by_photo = (
        accuracy_of(resampled_sums(group_sums(terms, groups), n_draws=400)).std()
        for groups in (person, np.arange(len(person)))
    )
    assert by_person / by_photo == pytest.approx(7**0.5, rel=0.15)


def test_intervals_by_person_cover_the_true_accuracy_about_as_often_as_they_claim() -> None:
    hits = 0
    for seed in range(200):
        truth, answers, person = answered(80, seed=seed)
        sums = group_sums(class_terms(truth, answers, n_classes=4), person)
        found = interval(float(accuracy_of(sums.sum(axis=0))), accuracy_of(resampled_sums(sums, n_draws=200)))
        hits += found.low <= 0.8 <= found.high
    assert 0.89 <= hits / 200 <= 0.99


def test_perfect_answers_have_no_interval_even_where_draws_lose_a_rare_class() -> None:
    truth = np.array([0] * 30 + [1])
    sums = class_terms(truth, truth, n_classes=3)
    draws = macro_f1_of(resampled_sums(sums, n_draws=200), whole=sums.sum(axis=0))
    assert np.unique(draws).tolist() == pytest.approx([2 / 3])


def test_draws_that_lose_a_hard_rare_class_stay_around_the_figure() -> None:
    truth = np.array([0] * 30 + [1] * 30 + [2])
    answers = np.where(truth == 2, 0, truth)  # the rare class is never found
    sums = class_terms(truth, answers, n_classes=3)
    whole = sums.sum(axis=0)
    draws = macro_f1_of(resampled_sums(sums, n_draws=400), whole=whole)
    assert draws.max() <= 2 / 3  # not 1, as the mean over the classes left in the draw would say
    assert draws.mean() == pytest.approx(float(macro_f1_of(whole, whole=whole)), abs=0.005)


def test_without_any_photo_there_is_no_macro_f1() -> None:
    assert np.isnan(macro_f1_of(np.zeros((2, 6)), whole=np.zeros(6))).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(-1, 2)), min_size=1, max_size=40))
def test_interval_holds_its_value_and_stays_in_range(rows: list[tuple[int, int, int]]) -> None:
    person, truth, answers = (np.array(column) for column in zip(*rows, strict=True))
    sums = group_sums(class_terms(truth, answers, n_classes=3), person)
    figure = partial(macro_f1_of, whole=sums.sum(axis=0))
    found = interval(float(figure(sums.sum(axis=0))), figure(resampled_sums(sums, n_draws=50)))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_interval_without_any_draw_is_its_value() -> None:
    assert interval(0.4, np.full(3, np.nan)) == (0.4, 0.4, 0.4)
    assert interval(0.4, np.zeros(0)) == (0.4, 0.4, 0.4)


def test_paired_difference_of_the_same_answers_is_exactly_nothing() -> None:
    truth, answers, person = answered(40)
    sums = group_sums(class_terms(truth, answers, n_classes=4), person)
    assert difference(sums, sums, figures=(accuracy_of, accuracy_of)) == (0.0, 0.0, 0.0)


def test_paired_difference_sees_what_two_single_intervals_do_not() -> None:
    truth, answers, person = answered(60, share_right=0.5)
    better = answers.copy()
    better[::7] = truth[::7]
    one, other = (group_sums(class_terms(truth, made, n_classes=4), person) for made in (answers, better))
    singles = [interval(float(accuracy_of(s.sum(axis=0))), accuracy_of(resampled_sums(s))) for s in (one, other)]
    assert singles[0].high > singles[1].low
    assert difference(one, other, figures=(accuracy_of, accuracy_of)).low > 0


def test_paired_difference_of_other_people_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the same groups"):
        difference(np.zeros((2, 2)), np.zeros((3, 2)), figures=(ratio_of, ratio_of))
