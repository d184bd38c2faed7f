from __future__ import annotations

import re

import numpy as np
import pytest

from trifacet.measure.classification import accuracy, confusion_matrix, macro_f1, table_of


def test_confusion_counts_unknown_truth_nowhere_and_missing_answers_in_the_last_column() -> None:
    confusion = confusion_matrix([0, 0, 1, -1, 1], [0, 1, -1, 0, 1], n_classes=2)
    assert confusion.tolist() == [[1, 1, 0], [0, 1, 1]]


def test_an_unanswered_photo_counts_as_wrong() -> None:
    assert accuracy([0, 1], [0, -1]) == 0.5
    assert macro_f1([0, 1], [0, -1], n_classes=2) == 0.5


def test_an_absent_class_counts_zero_in_macro_f1_whether_it_is_answered_or_not() -> None:
    assert macro_f1([0, 1], [0, 1], n_classes=4) == 0.5
    assert macro_f1([0, 1, 1], [0, 1, 2], n_classes=3) == pytest.approx((1 + 2 / 3) / 3)


def test_per_class_figures_follow_from_the_counts() -> None:
    table = table_of(confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1], n_classes=3))
    assert table.precision.tolist() == [1.0, 0.5, 0.0]
    assert table.recall.tolist() == pytest.approx([2 / 3, 1.0, 0.0])
    assert table.f1.tolist() == pytest.approx([0.8, 2 / 3, 0.0])
    assert (table.n_true.tolist(), table.n_predicted.tolist()) == ([3, 1, 0], [2, 2, 0])


def test_accuracy_of_nothing_is_not_a_number() -> None:
    assert np.isnan(accuracy([-1], [0]))


@pytest.mark.parametrize(("truth", "answers"), [([3], [0]), ([0], [3]), ([-2], [0]), ([0], [-2])])
def test_class_ids_outside_the_range_are_refused(truth: list[int], answers: list[int]) -> None:
    with pytest.raises(ValueError, match=re.escape("class ids must lie in -1..2")):
        confusion_matrix(truth, answers, n_classes=3)


def test_truth_and_answers_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("truth and answers must be (N,) alike, got (2,) and (1,)")):
        confusion_matrix([0, 1], [0], n_classes=2)
