"""Confusion counts and what follows from them: accuracy, precision, recall, F1 per class, macro F1 over all classes.

Truth and answers are class ids (N,) in 0..C-1. A truth of -1 (label not known) is left out; an answer of -1 (the
photo could not be read) counts as wrong: it is missed by its true class and claimed by none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def confusion_matrix(truth: npt.ArrayLike, answers: npt.ArrayLike, *, n_classes: int) -> IntArray:
    """Counts (C, C + 1) int64: rows truth, columns answer, the last column no answer."""
    true, answer = np.asarray(truth, dtype=np.int64), np.asarray(answers, dtype=np.int64)
    if true.shape != answer.shape or true.ndim != 1:
        raise ValueError(f"truth and answers must be (N,) alike, got {true.shape} and {answer.shape}")
    if (
        max(true.max(initial=-1), answer.max(initial=-1)) >= n_classes
        or min(true.min(initial=0), answer.min(initial=0)) < -1
    ):
        raise ValueError(f"class ids must lie in -1..{n_classes - 1}")
    known = true >= 0
    column = np.where(answer < 0, n_classes, answer)
    cells = true[known] * (n_classes + 1) + column[known]
    return np.bincount(cells, minlength=n_classes * (n_classes + 1)).reshape(n_classes, n_classes + 1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Figures per class, each (..., C): shares in 0..1, 0 where nothing can be divided, and counts of photos.

    n_true: photos of the class (its support). n_predicted: photos answered with it.
    """

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    n_true: FloatArray
    n_predicted: FloatArray


def class_table(n_right: npt.ArrayLike, *, n_true: npt.ArrayLike, n_predicted: npt.ArrayLike) -> ClassTable:
    """Figures per class from counts (..., C): right answers, photos of the class, answers with the class."""
    right, true, predicted = (np.asarray(counts, dtype=np.float64) for counts in (n_right, n_true, n_predicted))
    return ClassTable(
        precision=_share(right, predicted),
        recall=_share(right, true),
        f1=_share(2 * right, true + predicted),
        n_true=true,
        n_predicted=predicted,
    )


def table_of(confusion: IntArray) -> ClassTable:
    """Figures per class from counts (C, C + 1)."""
    return class_table(np.diag(confusion), n_true=confusion.sum(axis=1), n_predicted=confusion.sum(axis=0)[:-1])


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def accuracy(truth: npt.ArrayLike, answers: npt.ArrayLike) -> float:
    """Share of right answers among photos whose label is known, 0..1, higher is better; NaN without any."""
    true, answer = np.asarray(truth), np.asarray(answers)
    known = true >= 0
    return float((true[known] == answer[known]).mean()) if known.any() else float("nan")


def macro_f1(truth: npt.ArrayLike, answers: npt.ArrayLike, *, n_classes: int) -> float:
    """Mean F1 over all C classes, 0..1, higher is better; a class without photos counts 0.

    Equals scikit-learn's `f1_score(labels=range(C), average="macro", zero_division=0)`, which the official
    evaluation of the mask task uses.

    >>> macro_f1([0, 0, 1], [0, 1, 1], n_classes=2)
    0.6666666666666666
    >>> macro_f1([0, 0, 1], [0, 1, 1], n_classes=3)  # the third class is absent
    0.4444444444444444
    """
    return float(table_of(confusion_matrix(truth, answers, n_classes=n_classes)).f1.mean())
