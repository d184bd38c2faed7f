"""What the bench measures of near pairs: every planted pair counts, and a missed one is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import hamming as measure
from bench.__main__ import main
from bench.figures import read_history
from bench.hamming import by_comparing, hashes_with_pairs, share
from bench.memory import find_near
from bench.page import page


@pytest.mark.parametrize("radius", [0, 1, 6])
def test_planted_pairs_are_near_and_as_many_as_said(radius: int) -> None:
    hashes, planted = hashes_with_pairs(5000, radius=radius, seed=1)
    distance = np.bitwise_count(hashes[planted[:, 0]] ^ hashes[planted[:, 1]])
    assert len(planted) == 50
    assert set(distance.tolist()) == set(range(radius + 1))
    assert len(np.unique(planted)) == 100  # no hash is in two of them
    assert (planted[:, 0] < planted[:, 1]).all()


def test_comparing_all_or_some_rows_tells_the_same_pairs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hashes, planted = hashes_with_pairs(3000, radius=6, seed=2)
    rows, every = by_comparing(hashes, radius=6)
    assert len(rows) == 3000
    assert {tuple(pair) for pair in planted.tolist()} <= {tuple(pair) for pair in every.tolist()}
    monkeypatch.setattr(measure, "MOST_COMPARISONS", 0)
    some_rows, some = by_comparing(hashes, radius=6)
    assert len(some_rows) == measure.COMPARED
    assert some.tolist() == every[np.isin(every, some_rows).any(axis=1)].tolist()
    np.save(tmp_path / "hashes.npy", hashes)
    find_near(tmp_path, 6)
    assert np.load(tmp_path / "found.npy").tolist() == every.tolist()


def test_a_pair_that_is_missed_is_noticed() -> None:
    _, planted = hashes_with_pairs(2000, radius=3, seed=3)
    assert share(planted, planted) == 1
    assert share(planted, planted[1:]) == pytest.approx(0.95)
    assert share(planted, planted[:0]) == 0


def test_near_pairs_are_measured_kept_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "NUMBERS", (1000, 10_000))
    always = ["--history", str(tmp_path / "history.jsonl"), "--page", str(tmp_path / "page.html")]
    figures = main(["hamming", "--hashes", "10000", *always])
    assert all(f.is_met for f in figures if f.unit == "share")
    assert {(f.n, f.unit) for f in figures if f.must == measure.PEAK_MB} == {(1000, "MB"), (10_000, "MB")}
    shown = page(read_history(tmp_path / "history.jsonl"))
    for unit in ("s", "MB"):
        assert f'aria-label="near pairs within 6 bits: {unit} by the number of hashes"' in shown
    assert ">10k<" in shown
