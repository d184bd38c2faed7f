"""Runs side by side: what is the same cancels out, what differs is named."""

from __future__ import annotations

from pathlib import Path

import pytest

import trifacet
from tests.flow.command import TINY, done
from tests.flow.command import trifacet as command
from tests.flow.photos import write_world
from trifacet.report.compare import Compared, gain_rows, paired, recipe_differences


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("compare")
    world = write_world(root / "photos", n_train=12, n_eval=0)
    done("ingest", world.train_dir, "--out", root / "all.parquet")
    made = []
    for name, seed, sets in (("a", 0, ()), ("b", 0, ("optim.lr=0.01", "train.epochs=3")), ("c", 1, ())):
        folds = ("--folds", 3) if name == "c" else ()
        done("split", root / "all.parquet", "--out", root / f"{seed}.parquet", "--test", 0.3, "--seed", seed, *folds)
        words = [word for setting in sets for word in ("--set", setting)]
        done("train", "--data", root / f"{seed}.parquet", "--out", root / name, *TINY, *words)
        made.append(root / name)
    return made


def test_the_table_and_the_page_tell_scores_differences_and_recipes(runs: list[Path], tmp_path: Path) -> None:
    said = done("compare", *runs, "--out", tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    for word in ("Scores", "Compared with a", "optim.lr", "0.01", "train.epochs", "data (sha256)"):
        assert word in said.out
        assert word in page
    assert "optim.momentum" not in said.out  # the same in all
    for column in ("macro F1", "machine", "minutes", "MB", "folds"):
        assert column in said.out
        assert f">{column}</th>" in page


def test_a_run_beside_itself_gains_exactly_nothing(runs: list[Path]) -> None:
    one, again = trifacet.compare([runs[0], runs[0]])
    found = paired(one.evaluation, again.evaluation)
    assert found is not None
    assert found.gain == (0.0, 0.0, 0.0)
    assert (found.n_photos, found.n_people) == (one.evaluation.n_photos, one.evaluation.n_people)
    assert recipe_differences([one.info, again.info]) == []
    assert one.name == str(runs[0])  # two of one name are told apart by their places


def test_runs_on_other_people_are_compared_on_those_they_share(runs: list[Path]) -> None:
    a, _, c = trifacet.compare(runs, on="test")
    assert (a.n_folds, c.n_folds) == (0, 3)
    shared = set(a.evaluation.photos["photo_id"]) & set(c.evaluation.photos["photo_id"])
    found = paired(a.evaluation, c.evaluation)
    assert (found.n_photos if found else 0) == len(shared)
    # The val and the test photos of one run are never the same.
    nobody = Compared("d", a.info, trifacet.compare(runs, on="val")[0].evaluation, 1)
    assert gain_rows([a, nobody])[0][-1] == "no photo in common"


def test_one_run_and_a_split_that_is_not_there_are_refused(runs: list[Path]) -> None:
    said = command("compare", runs[0])
    assert (said.status, said.err) == (3, "TRI104 two runs or more are needed, got 1. See --help.\n")
    said = command("compare", *runs, "--on", "oof")
    assert said.err == f"TRI104 --on: {runs[0]} has no predictions on 'oof'. See --help.\n"
