"""`trifacet pseudo`: photos that a model is sure of become training photos, by commands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.flow.command import TINY, done, trifacet
from tests.flow.photos import World, write_world
from tests.flow.test_import_weights import Old, write_old
from trifacet import labelling
from trifacet.core.errors import TrifacetError
from trifacet.core.manifest import read_manifest, with_schema
from trifacet.core.predictions import read_predictions
from trifacet.core.run import open_run
from trifacet.core.schema import with_age_edges


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("pseudo") / "photos", n_train=16, n_eval=3)


@pytest.fixture(scope="module")
def root(world: World) -> Path:
    root = world.train_dir.parent.parent
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    done("split", root / "all.parquet", "--out", root / "split.parquet", "--test", 0.2)
    done("ingest", world.eval_dir, "--out", root / "new.parquet", "--workers", 1)
    done("train", "--data", root / "split.parquet", "--out", root / "run", *TINY)
    return root


def test_a_run_labels_photos_and_another_learns_from_them(root: Path, tmp_path: Path) -> None:
    low = [word for name in ("mask", "gender", "age") for word in ("--at-least", f"{name}=1e-6")]
    words = ("pseudo", root / "run", root / "new.parquet", "--data", root / "split.parquet")
    said = done(*words, "--out", tmp_path / "p.parquet", "--weight", "0.5", *low)
    assert "21 photos taken, 0 left" in said.out
    made = read_manifest(tmp_path / "p.parquet")
    assert len(made) == len(read_manifest(root / "split.parquet")) + 21
    assert made.inputs is not None
    assert len(made.inputs["pseudo_labels_by"]) == 64
    done("predict", root / "run", root / "new.parquet", "--out", tmp_path / "a.parquet")
    done("pseudo", tmp_path / "a.parquet", *words[2:], "--out", tmp_path / "q.parquet", "--weight", "0.5", *low)
    assert read_manifest(tmp_path / "q.parquet").table.equals(made.table)
    done("train", "--data", tmp_path / "p.parquet", "--out", tmp_path / "second", *TINY)
    run = open_run(tmp_path / "second")
    assert run.info.n_photos["train"] == open_run(root / "run").info.n_photos["train"] + 21
    assert "21 training photos have labels by run" in run.info.stamps


def test_nobody_is_taken_whom_the_model_is_not_sure_of(root: Path, tmp_path: Path) -> None:
    words = ("pseudo", root / "run", root / "new.parquet", "--data", root / "split.parquet")
    said = done(*words, "--out", tmp_path / "p.parquet")
    assert "0 photos taken, 21 left" in said.out
    assert "not one photo was taken" in said.err
    assert trifacet(*words, "--at-least", "agee=0.5").err.startswith("TRI100 --at-least: no attribute 'agee'")


def test_a_model_that_knows_val_or_test_is_refused(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    done("split", root / "all.parquet", "--out", other, "--test", 0.2, "--seed", 4)
    said = trifacet("pseudo", root / "run", root / "new.parquet", "--data", other, "--out", tmp_path / "p.parquet")
    assert said.err.startswith(f"TRI409 {root / 'run'}: this teacher was trained on photos of val or test")
    assert not (tmp_path / "p.parquet").exists()


def test_folds_learn_from_them_and_answer_for_the_others(root: Path, tmp_path: Path) -> None:
    low = [word for name in ("mask", "gender", "age") for word in ("--at-least", f"{name}=1e-6")]
    words = ("pseudo", root / "run", root / "new.parquet", "--data", root / "split.parquet")
    done(*words, "--out", tmp_path / "p.parquet", *low)
    done("train", "--data", tmp_path / "p.parquet", "--folds", 2, "--out", tmp_path / "folds", *TINY)
    own = read_manifest(root / "split.parquet").split("train", "val")
    assert sorted(read_predictions(tmp_path / "folds/predictions/oof.parquet").ids) == sorted(own.photo_ids)
    assert all(open_run(tmp_path / f"folds/fold_{i}").info.n_photos["train"] > 21 for i in range(2))
    twin = shutil.copytree(tmp_path / "folds", tmp_path / "twin")
    done("ensemble", tmp_path / "folds", twin, "--out", tmp_path / "both")


@pytest.mark.parametrize(
    ("asked", "edges", "said"),
    [
        pytest.param({"weight": 0.0}, (30, 60), "TRI104 --weight: must be above 0 and at most 1, got 0", id="weight"),
        pytest.param({"least": {"agee": (0.5,)}}, (30, 60), "TRI100 --at-least: no attribute 'agee'", id="a name"),
        pytest.param({"least": {"mask": (0.5, 0.5)}}, (30, 60), "TRI104 --at-least: 'mask' takes one", id="a count"),
        pytest.param({}, (25, 60), "TRI301 .*: another label schema: age is under_30, 30_to_59", id="other labels"),
    ],
)
def test_what_cannot_be_is_told_before_a_photo_is_looked_at(
    root: Path, world: World, asked: dict[str, Any], edges: tuple[int, int], said: str
) -> None:
    labelled = read_manifest(root / "split.parquet")
    labelled, done = with_schema(labelled, with_age_edges(labelled.schema, edges)), []
    with pytest.raises(TrifacetError, match=said):
        labelling.pseudo(root / "run", world.eval_dir, data=labelled, progress=lambda *what: done.append(what), **asked)
    assert done == []


def test_an_imported_run_does_not_label_but_its_predictions_do(root: Path, tmp_path: Path) -> None:
    run, new, data = tmp_path / "run", root / "new.parquet", ("--data", root / "split.parquet")
    done("import-weights", write_old(tmp_path / "exp", Old()), "--out", run)
    said = trifacet("pseudo", run, new, *data, "--out", tmp_path / "p.parquet")
    assert said.status == 6
    assert said.err == (
        f"TRI409 {run}: nobody knows what these weights were trained on, photos of val or test maybe. Predict to a "
        f"file and label by that: trifacet predict {run} PHOTOS --out answers.parquet, then trifacet pseudo "
        "answers.parquet PHOTOS.\n"
    )
    done("predict", run, new, "--out", tmp_path / "answers.parquet")
    done("pseudo", tmp_path / "answers.parquet", new, *data, "--out", tmp_path / "p.parquet")
