"""How far people who label the same things agree, beyond what chance would bring.

Labels are class ids in 0..C-1; -1 where somebody gave none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trifacet.measure.classification import confusion_matrix


def cohen_kappa(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Cohen's kappa of two people's labels (N,): 1 full agreement, 0 what chance would bring, below 0 less than that.

    Only what both labelled counts. NaN where that is nothing, or where both only ever gave one class, the same: chance
    explains all of it.

    Source: Cohen 1960, A coefficient of agreement for nominal scales, equation 1.
    """
    first, second = np.asarray(one, dtype=np.int64), np.asarray(other, dtype=np.int64)
    both = (first >= 0) & (second >= 0)
    n, n_classes = int(both.sum()), int(max(first.max(initial=0), second.max(initial=0))) + 1
    if not n:
        return float("nan")
    shares = confusion_matrix(first[both], second[both], n_classes=n_classes)[:, :n_classes] / n
    by_chance = float(shares.sum(axis=1) @ shares.sum(axis=0))
    return float("nan") if by_chance == 1 else (float(np.trace(shares)) - by_chance) / (1 - by_chance)


def krippendorff_alpha(labels: npt.ArrayLike) -> float:
    """Krippendorff's alpha of labels (people, N) without order: 1 full agreement, 0 chance, below 0 less than that.

    Any number of people; each may have left things out. NaN where nothing was labelled twice, or all labels are one.

    Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability, section C.
    """
    given = np.asarray(labels, dtype=np.int64)
    n_classes = int(given.max(initial=0)) + 1
    counts = (given[:, :, None] == np.arange(n_classes)).sum(axis=0).astype(np.float64)  # (N, C)
    of_thing = counts.sum(axis=1)
    counts, of_thing = counts[of_thing > 1], of_thing[of_thing > 1]
    n, of_class = float(of_thing.sum()), counts.sum(axis=0)
    by_chance = n**2 - float((of_class**2).sum())  # pairs of unlike labels if any label could meet any other
    if not by_chance:
        return float("nan")
    unlike = float(((of_thing**2 - (counts**2).sum(axis=1)) / (of_thing - 1)).sum())
    return 1 - (n - 1) * unlike / by_chance
