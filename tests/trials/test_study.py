"""Trials in the journal: the same after a kill, judged by the median, and read past a half-written line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from trifacet.core.errors import TrifacetError
from trifacet.trials.space import parse_axes
from trifacet.trials.study import (
    Row,
    best_row,
    draw,
    importances,
    is_hopeless,
    note_changes,
    open_study,
    require_optuna,
    rows_of,
    take_up,
    tell,
    was_hopeless,
)

AXES = parse_axes(["optim.lr=log:1e-5..1e-2", "train.epochs=2..8", "optim.name=sgd|adamw", "augment.mixup=0..1"])


def score(changes: Mapping[str, str]) -> float:
    """A score that the learning rate sets, and a little the optimiser."""
    return float(changes["optim.lr"]) * 50 + 0.1 * (changes["optim.name"] == "sgd")


def go_on(journal: Path, *, until: int, seed: int = 3, is_killed: bool = False) -> list[Row]:
    """Trials up to number `until` by a process of their own; one that is killed leaves one more under way."""
    study = open_study(journal)
    while len(rows_of(study)) < until:
        trial = take_up(study, first={})
        changes = draw(trial, AXES, seed=seed)
        note_changes(trial, changes)
        tell(trial, Row(trial.number, "finished", score(changes), changes, seconds=1.5))
    if is_killed:
        draw(take_up(study, first={}), AXES[:2], seed=seed)  # half drawn
    return rows_of(study)


def test_a_search_killed_between_and_within_trials_draws_the_same(tmp_path: Path) -> None:
    whole = go_on(tmp_path / "whole", until=16)
    for until in (3, 3, 11, 12):
        go_on(tmp_path / "killed", until=until, is_killed=True)
    study = open_study(tmp_path / "killed")
    assert rows_of(study)[-1].state == "running"
    trial = take_up(study, first={})
    assert trial.number == len(rows_of(study)) - 1
    changes = draw(trial, AXES, seed=3)
    note_changes(trial, changes)
    tell(trial, Row(trial.number, "finished", score(changes), changes, seconds=1.5))
    assert go_on(tmp_path / "killed", until=16) == whole
    assert go_on(tmp_path / "other", until=16, seed=4) != whole
    assert len({row.changes["optim.lr"] for row in whole}) == 16
    assert {type(json.loads(row.changes["train.epochs"])) for row in whole} == {int}


def test_a_half_written_line_and_a_lock_of_a_killed_process_are_passed_over(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    before = go_on(journal, until=3)
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    (tmp_path / "journal.lock").symlink_to(journal)
    assert rows_of(open_study(journal)) == before
    assert len(go_on(journal, until=5)) == 5
    journal.write_bytes(b'{"op_c')
    assert rows_of(open_study(journal)) == []


def test_the_first_trial_draws_what_the_recipe_has(tmp_path: Path) -> None:
    study, first = open_study(tmp_path / "journal"), {"optim.lr": 1e-4, "train.epochs": 4, "optim.name": "sgd"}
    assert draw(take_up(study, first={**first, "augment.mixup": 0.0}), AXES, seed=0) == {
        "optim.lr": "0.0001",
        "train.epochs": "4",
        "optim.name": "sgd",
        "augment.mixup": "0.0",
    }


def test_a_trial_below_the_median_of_the_others_is_hopeless_and_stays_so_after_a_kill(tmp_path: Path) -> None:
    study = open_study(tmp_path / "journal")
    for number in range(5):
        trial = take_up(study, first={})
        assert [is_hopeless(trial, (0.1 + number) / 10, epoch=epoch) for epoch in (1, 2, 3)] == [False] * 3
        tell(trial, Row(number, "finished", number / 10, {}))
    trial = take_up(study, first={})
    assert not is_hopeless(trial, 0.0, epoch=1)  # the first epoch tells little
    assert not is_hopeless(trial, 0.3, epoch=2)
    trial = take_up(open_study(tmp_path / "journal"), first={})
    assert not was_hopeless(trial, n_epochs=4)
    worse = take_up(study, first={})
    tell(worse, Row(5, "failed", None, {}, problem="stopped"))
    trial = take_up(study, first={})
    assert not is_hopeless(trial, 0.1, epoch=1)
    assert is_hopeless(trial, 0.1, epoch=2)
    again = take_up(open_study(tmp_path / "journal"), first={})
    assert again.number == trial.number == 6
    assert is_hopeless(again, 0.9, epoch=2), "an epoch gone through again is judged as it was"
    assert was_hopeless(again, n_epochs=4)
    assert not was_hopeless(again, n_epochs=2), "a trial that has ended is not stopped"
    tell(again, Row(6, "pruned", None, {}))
    rows = rows_of(open_study(tmp_path / "journal"))
    assert [row.state for row in rows] == ["finished"] * 5 + ["failed", "pruned"]
    assert (rows[5].problem, rows[6].score) == ("stopped", 0.1)


def test_without_optuna_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(TrifacetError) as told:
        require_optuna()
    assert str(told.value) == (
        "TRI600 this needs the extra [search], got no optuna. Install it with `pip install 'trifacet[search]'`."
    )


def test_the_best_is_the_earliest_of_the_highest_that_are_finished() -> None:
    rows = [
        Row(0, "finished", 0.2, {}),
        Row(1, "pruned", 0.9, {}),
        Row(2, "finished", 0.5, {}),
        Row(3, "failed", None, {}),
        Row(4, "finished", 0.5, {}),
    ]
    assert best_row(rows) == rows[2]
    assert best_row(rows[3:4]) is None


def test_what_sets_the_score_is_the_most_important(tmp_path: Path) -> None:
    go_on(tmp_path / "journal", until=9)
    assert importances(open_study(tmp_path / "journal"), AXES) == {}
    go_on(tmp_path / "journal", until=30)
    found = importances(open_study(tmp_path / "journal"), AXES)
    assert next(iter(found)) == "optim.lr"
    assert sum(found.values()) == pytest.approx(1)
    assert importances(open_study(tmp_path / "journal"), AXES[:1]) == {}
