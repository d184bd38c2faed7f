"""Our figures against scikit-learn's, on anything hypothesis thinks of."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from trifacet.measure.calibration import log_losses
from trifacet.measure.classification import accuracy, confusion_matrix, macro_f1, table_of

K = 18
PAIRS = st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, K - 1)), min_size=1, max_size=200)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    truth, answers = zip(*pairs, strict=True)
    return np.array(truth), np.array(answers)


@settings(deadline=None, max_examples=30)
@given(PAIRS)
def test_macro_f1_and_accuracy_equal_those_of_the_official_evaluation(pairs: list[tuple[int, int]]) -> None:
    truth, answers = columns(pairs)
    official = metrics.f1_score(truth, answers, labels=range(K), average="macro", zero_division=0)
    assert macro_f1(truth, answers, n_classes=K) == pytest.approx(official)
    assert accuracy(truth, answers) == pytest.approx(metrics.accuracy_score(truth, answers))


@settings(deadline=None, max_examples=30)
@given(PAIRS)
def test_confusion_and_class_figures_equal_sklearns(pairs: list[tuple[int, int]]) -> None:
    truth, answers = columns(pairs)
    confusion = confusion_matrix(truth, answers, n_classes=K)
    assert confusion[:, :-1].tolist() == metrics.confusion_matrix(truth, answers, labels=range(K)).tolist()
    theirs = metrics.precision_recall_fscore_support(truth, answers, labels=range(K), zero_division=0)
    table = table_of(confusion)
    for our, their in zip((table.precision, table.recall, table.f1, table.n_true), theirs, strict=True):
        assert our.tolist() == pytest.approx(their.tolist())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 60))
def test_mean_log_loss_equals_sklearns(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    probs, truth = rng.dirichlet(np.ones(4), size=n), rng.integers(0, 4, n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn warns of rows whose rounding error it corrects
        theirs = metrics.log_loss(truth, probs, labels=range(4))
    assert log_losses(probs, truth).mean() == pytest.approx(theirs, rel=1e-6)
