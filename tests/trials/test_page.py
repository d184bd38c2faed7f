"""The page of a search says what was tried, and how far the best of many flatters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trifacet.trials.folder import Search, SearchInfo, SearchPlan
from trifacet.trials.page import POLICY, by_chance, changes_words, counts_words, honest_words, search_page
from trifacet.trials.study import Row

PLAN = SearchPlan(over=("optim.lr=1e-4..1e-3",), n_trials=4)
INFO = SearchInfo(name="lr <i>", created="2026-01-01T00:00:00+00:00", plan=PLAN, recipe_name="quick", recipe={})
ROWS = [
    Row(0, "finished", 0.5, {}, seconds=60),
    Row(1, "finished", 0.6125, {"optim.lr": "0.0005"}, seconds=90),
    Row(2, "pruned", 0.3, {"optim.lr": "0.0009"}, seconds=30),
    Row(3, "failed", None, {"optim.lr": "0.0001"}, problem="TRI405 <b>lost</b>"),
]


@pytest.mark.parametrize("n", [2, 5, 20])
def test_the_best_of_equals_is_as_far_above_their_mean_as_draws_say(n: int) -> None:
    drawn = np.random.default_rng(0).normal(0, 0.02, (200_000, n)).max(axis=1).mean()
    assert by_chance(n, error=0.02) == pytest.approx(drawn, abs=0.0005)
    assert by_chance(1, error=0.02) == 0


def test_the_sentence_counts_finished_trials() -> None:
    assert honest_words(ROWS, error=0.02) == (
        "the best of 2 scores on the same val photos flatters: of 2 trials that were equally good the best would be up "
        "to 0.012 above their mean by chance alone; score the result on people that no trial saw"
    )
    assert honest_words(ROWS, error=None) == (
        "the best of 2 scores on the same val photos flatters; score the result on people that no trial saw"
    )
    assert counts_words(ROWS) == "2 finished, 1 pruned, 1 failed"


def test_the_page_shows_every_trial_and_the_gain() -> None:
    page = search_page(Search(Path("s"), INFO), ROWS, importances={"optim.lr": 0.75}, error=0.02)
    for told in ("+0.113", "0.613", "0.500", "trials/001/report/index.html", "0.0009", "75", "TRI405 &lt;b&gt;lost"):
        assert told in page, told
    assert "trials/002/report" not in page
    assert "<i>" not in page
    assert "flatters" in page


def test_a_page_of_nothing_yet_says_so() -> None:
    assert "No trial is finished yet" in search_page(Search(Path("s"), INFO), ROWS[3:], importances={})


def test_policies_are_told_by_their_operations() -> None:
    def policy(*names: str) -> dict[str, str]:
        return {POLICY: json.dumps([[[[name, 0.5, 0.5], ["invert", 0, 1]] for name in names]])}

    rows = [ROWS[0], Row(1, "finished", 0.7, policy("rotate", "blur")), Row(2, "finished", 0.5, policy("rotate"))]
    info = INFO.model_copy(update={"plan": SearchPlan(has_policies=True)})
    assert changes_words(rows[1]) == "augment.policy=blur rotate"
    page = search_page(Search(Path("s"), info), rows, importances={})
    table = page[page.index("By operation") :]
    assert "invert" not in table
    assert table.index("blur") < table.index("0.700") < table.index("rotate") < table.index("0.600")
