"""`train --each`: a run for each value of a setting, all of them answering together."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

import trifacet as package
from tests.flow.command import TINY, done, trifacet
from tests.flow.photos import World, write_world
from tests.flow.test_folds import weights_of
from tests.flow.test_interrupted import stop_in_training
from trifacet.core.ensemble import open_ensemble
from trifacet.core.predictions import read_predictions
from trifacet.core.run import open_run
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.core.variants import open_variants

CUTS = "data.label_map.age_edges=[30, 58]|[30, 59]|[25, 58]"
CLASSES = ("--set", "model.age=bands")  # years have no cut; there are people of 28 and of 58


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("variants") / "photos", n_train=24, n_eval=3)


@pytest.fixture(scope="module")
def root(world: World) -> Path:
    root = world.train_dir.parent.parent
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    done("split", root / "all.parquet", "--out", root / "split.parquet", "--val", 0.3, "--test", 0.2)
    return root


@pytest.fixture(scope="module")
def cuts(root: Path) -> Path:
    said = done("train", "--data", root / "split.parquet", "--each", CUTS, "--out", root / "cuts", *TINY, *CLASSES)
    assert "data.label_map.age_edges=[25, 58]" in said.out
    assert said.out.splitlines()[-1] == f"next: trifacet predict {root / 'cuts'} PHOTOS --out answers.parquet"
    return root / "cuts"


def test_each_value_has_a_run_and_all_have_the_same_say(cuts: Path, world: World, tmp_path: Path) -> None:
    made = open_ensemble(cuts)
    assert [(m.name, m.path, round(m.weight, 6)) for m in made.info.members] == [
        (f"data.label_map.age_edges={cut}", f"variant_{i}", 0.333333)
        for i, cut in enumerate(("[30, 58]", "[30, 59]", "[25, 58]"))
    ]
    runs = [open_run(cuts / f"variant_{i}") for i in range(3)]
    assert [r.info.recipe.data.label_map.age_edges for r in runs] == [(30, 58), (30, 59), (25, 58)]
    assert {r.info.label_schema for r in runs} == {DEFAULT_SCHEMA}  # the task's own cut scores every one
    assert len({r.info.inputs["manifest"] for r in runs}) == 1
    for table in ("val", "test"):
        own = [read_predictions(r.predictions_path(table)).probs for r in runs]
        assert not any(np.allclose(own[i], own[i - 1]) for i in range(3)), "a cut that moves nothing was varied"
        assert np.allclose(read_predictions(made.predictions_path(table)).probs, np.mean(own, axis=0), atol=1e-6)
    done("predict", cuts, world.eval_dir, "--out", tmp_path / "answers.parquet")
    done("compare", cuts, cuts / "variant_0", "--out", tmp_path / "page.html")


def test_stopped_variants_are_gone_on_with_to_the_same_bytes(root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    long = (*TINY, "--set", "train.epochs=12", "--set", "train.batch_size=4", "--set", "report.pictures=false")
    words = ["train", "--data", str(root / "split.parquet"), "--each", "optim.lr=1e-3|1e-4", *long]
    done(*words, "--out", tmp_path / "whole")
    status, _, err = stop_in_training(run / "variant_1", signal.SIGTERM, [*words, "--out", str(run)], n_seen=2)
    assert (status, err.splitlines()[-1]) == (130, f"Go on with: trifacet train --resume {run}")
    refused = trifacet("predict", run, root / "split.parquet", "--out", tmp_path / "p.parquet")
    assert refused.err.startswith(f"TRI401 {run}: these are variants, and not all of them are trained. Go on with")
    done("train", "--resume", run)
    for i in range(2):
        name = f"variant_{i}/weights/last.safetensors"
        assert weights_of(run / name) == weights_of(tmp_path / "whole" / name)
    ours, theirs = (read_predictions(at / "predictions/val.parquet").probs for at in (run, tmp_path / "whole"))
    assert np.array_equal(ours, theirs)
    assert trifacet("train", "--resume", run).err.startswith(f"TRI407 {run}: these variants are all trained")


def test_a_drawn_seed_is_the_same_for_all(root: Path, tmp_path: Path) -> None:
    words = ("--each", "optim.lr=1e-3|1e-4", "--set", "train.seed=random", "--out", tmp_path / "run")
    done("train", "--data", root / "split.parquet", *TINY, *words)
    seeds = {open_run(tmp_path / f"run/variant_{i}").info.seed for i in range(2)}
    assert seeds == {open_variants(tmp_path / "run").info.seed}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--each", "optim.lr"), "TRI104 --each: must be a setting and two or more different values, KEY=A|B, got"),
        (("--each", "optim.lr=1|1"), "TRI104 --each: must be a setting and two or more different values, KEY=A|B"),
        (("--each", "optim.lr=1e-3|fast"), "TRI101 1 mistake in the recipe:\n  optim.lr (--set): must be a valid num"),
        (
            ("--each", "optim.lrr=1|2"),
            "TRI101 1 mistake in the recipe:\n  optim.lrr (--set): no such key. Did you mean",
        ),
        (("--each", "model.tasks=[age]|[mask]"), "TRI104 --each: the variants answer other labels, so they cannot an"),
        (
            ("--each", CUTS),
            "TRI101 1 mistake in the recipe:\n  data.label_map.age_edges: this network learns years, whic",
        ),
        (("--each", CUTS, *CLASSES, "--folds", "2"), "TRI104 --each: goes without --folds."),
        (("--each", CUTS, *CLASSES, "--profile"), "TRI104 --profile: is of one run: leave out --each."),
    ],
)
def test_what_cannot_be_varied_is_refused_before_anything_is_trained(
    root: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    said = trifacet("train", "--data", root / "split.parquet", *TINY, *words, "--out", tmp_path / "run")
    assert said.err.startswith(told)
    assert not (tmp_path / "run").exists()


def test_the_function_takes_a_setting_of_python(root: Path, tmp_path: Path) -> None:
    sets = [word for word in TINY if word != "--set"]
    made = package.train_variants(
        data=root / "split.parquet", each="optim.lr=1e-3|1e-4", out=tmp_path / "run", sets=sets
    )
    assert [m.name for m in made.info.members] == ["optim.lr=1e-3", "optim.lr=1e-4"]
