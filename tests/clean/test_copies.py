"""A copy is wrong where it stands under two people, two labels or in two splits."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.tiny import manifest
from trifacet.clean.copies import SAME_BYTES, copy_findings, same_bytes
from trifacet.clean.duplicates import Copies
from trifacet.clean.persons import divided

WORN, BARE = ("worn", "male", "under_30"), ("not_worn", "male", "under_30")


def pair(view: str = "", likeness: float = 0.9) -> Copies:
    one = np.array([0], dtype=np.int64)
    return Copies(one, one + 1, np.array([likeness], dtype=np.float32), (view,))


@pytest.mark.parametrize(
    ("labels", "persons", "splits", "view", "kinds"),
    [
        pytest.param([WORN, WORN], ["a", "b"], [None, None], "", ["copy"], id="two people"),
        pytest.param([WORN, WORN], ["", ""], [None, None], "", ["copy"], id="nobody knows whom"),
        pytest.param([WORN, BARE], ["a", "b"], [None, None], "", ["copy", "copy_other_label"], id="two labels"),
        pytest.param([WORN, (None,) * 3], ["a", "b"], [None, None], "", ["copy"], id="one label"),
        pytest.param(
            [WORN, WORN], ["a", "b"], ["train", "test"], "cut", ["copy", "copy_across_splits"], id="two splits"
        ),
        pytest.param([WORN, WORN], ["a", "b"], ["train", None], "", ["copy"], id="one split"),
        pytest.param([WORN, WORN], ["a", "a"], ["train", "train"], "", ["copy_of_own"], id="one person"),
        pytest.param([WORN, BARE], ["a", "a"], [None, None], "", ["copy_of_own"], id="views of one person"),
        pytest.param(
            [WORN, BARE], ["a", "a"], [None, None], SAME_BYTES, ["copy_other_label"], id="one file under two labels"
        ),
        pytest.param(
            [WORN, WORN], ["a", "a"], ["train", "val"], "", ["copy_across_splits"], id="one person in two splits"
        ),
    ],
)
def test_a_pair_is_what_its_people_labels_and_splits_make_it(
    labels: list[tuple[str | None, ...]],
    persons: list[str],
    splits: list[str | None],
    view: str,
    kinds: list[str],
) -> None:
    made = manifest(labels, person_id=persons, split=splits)
    found = copy_findings(made, pair(view))
    assert [(f.kind, f.photo_id, f.other_id) for f in found] == [
        told for kind in kinds for told in ((kind, "0.jpg", "1.jpg"), (kind, "1.jpg", "0.jpg"))
    ]
    assert {f.is_issue for f in found} == {kinds != ["copy_of_own"]}
    assert {f.detail.partition(",")[0] for f in found} == {view or "as it is"}
    assert all(f.detail.endswith("; other mask") == (BARE in labels) for f in found)
    assert [f.score for f in found] == pytest.approx([0.1] * len(found))


def test_files_of_the_same_bytes_are_each_paired_with_the_first() -> None:
    made = manifest([WORN] * 6, sha256=[c * 64 for c in "abacab"])
    found = same_bytes(made)
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(0, 2), (0, 4), (1, 5)]
    assert found.likeness.tolist() == [1, 1, 1]
    assert set(found.views) == {SAME_BYTES}
    assert len(same_bytes(manifest([WORN] * 3))) == len(same_bytes(manifest([]))) == 0


def test_people_in_several_splits_are_told_once() -> None:
    made = manifest(
        [WORN] * 7,
        person_id=["a", "b", "a", "b", "", "", "c"],
        split=["train", "val", "test", "val", "train", "test", None],
    )
    assert [(f.photo_id, f.kind, f.score, f.detail) for f in divided(made)] == [
        ("0.jpg", "divided", 0.0, "person a in test, train")
    ]
