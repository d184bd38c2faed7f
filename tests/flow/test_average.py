"""`trifacet average`: epochs of a run, and runs, to one run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.flow.command import TINY, done, trifacet
from tests.flow.photos import write_world
from trifacet.core.run import open_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("average")
    world = write_world(root / "photos", n_train=16, n_eval=0)
    done("ingest", world.train_dir, "--out", root / "m.parquet")
    done("split", root / "m.parquet", "--out", root / "s.parquet")
    for name, sets in {"a": ("train.keep_epochs=2", "train.epochs=3"), "b": ("train.seed=1",)}.items():
        more = [word for key in sets for word in ("--set", key)]
        done("train", "--data", root / "s.parquet", "--out", root / name, *TINY, *more)
    return root


def test_the_last_epochs_of_a_run_are_averaged_into_a_run_that_predicts(runs: Path, tmp_path: Path) -> None:
    kept = sorted((runs / "a/weights/epochs").iterdir())
    assert [path.stem for path in kept] == ["epoch_00002", "epoch_00003"]
    said = done("average", runs / "a", "--out", tmp_path / "mean")
    run = open_run(tmp_path / "mean")
    assert run.info.status == "finished"
    assert run.info.notes == (f"the mean of 2 of 2 weights: {kept[0].stem}, {kept[1].stem}",)
    assert f"report: {run.report_path}" in said.out
    found, parts = load_file(run.weights_path()), [load_file(path) for path in kept]
    name = next(k for k, v in found.items() if v.ndim > 1)
    assert torch.allclose(found[name], (parts[0][name] + parts[1][name]) / 2)
    done("predict", run.path, runs / "s.parquet", "--out", tmp_path / "p.parquet")


def test_each_of_several_runs_is_averaged_by_itself(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "a", tmp_path / "c")
    done("average", runs / "a", tmp_path / "c", "--apart", "--last", 2, "--out", tmp_path / "means")
    done("average", runs / "a", "--out", tmp_path / "mean")
    for name in ("a", "c"):
        one, alone = (open_run(path).weights_path() for path in (tmp_path / "means" / name, tmp_path / "mean"))
        assert all(torch.equal(t, load_file(alone)[k]) for k, t in load_file(one).items())
    said = trifacet("average", runs / "a", runs / "a", "--apart", "--out", tmp_path / "twice")
    assert said.err.startswith("TRI104 --apart: two runs of one name would be written to one place, got a, a")


def test_runs_are_averaged_as_far_as_they_do_no_harm(runs: Path, tmp_path: Path) -> None:
    done("average", runs / "a", runs / "b", "--out", tmp_path / "soup", "--greedy")
    (note,) = open_run(tmp_path / "soup").info.notes
    assert note.startswith(("the mean of 1 of 2 weights: ", "the mean of 2 of 2 weights: "))


def test_weights_that_do_not_fit_together_or_are_damaged_are_named(runs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs / "b", other)
    about = json.loads((other / "run.json").read_text())
    about["recipe"]["data"]["crop"] = "none"
    (other / "run.json").write_text(json.dumps(about))
    said = trifacet("average", runs / "a", other, "--out", tmp_path / "mean")
    assert said.err.startswith(f"TRI423 {other}: this run sees photos cut another way")
    about["recipe"]["data"]["crop"], about["seed"] = "middle_square", 0
    (other / "run.json").write_text(json.dumps(about))
    (other / "weights/best.safetensors").write_bytes(b"no tensors")
    said = trifacet("average", runs / "a", other, "--out", tmp_path / "mean")
    assert said.err.startswith(f"TRI403 {other}/weights/best.safetensors: these weights cannot be read, got ")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_cannot_be_averaged_is_told_and_leaves_nothing(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "none"
    for words, told in (
        ((runs / "b",), f"TRI423 {runs}/b: too few epochs were kept, got 0. Train with train.keep_epochs set"),
        ((runs / "a", "--last", "3"), f"TRI423 {runs}/a: too few epochs were kept, got 2."),
        ((runs / "a", runs / "b", "--last", "2"), "TRI104 --last: the last epochs of one run are averaged"),
        ((runs / "a", runs / "b"), f"TRI423 {runs}/b: this run began from other weights. Begin both by --init of one"),
    ):
        said = trifacet("average", *words, "--out", out)
        assert said.status != 0
        assert said.err.startswith(told)
        assert list(tmp_path.iterdir()) == []
