"""The three stages of the original task, given nothing but its environment variables."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.flow.command import TINY, done, trifacet
from tests.flow.photos import World, write_world
from trifacet.core.files import sha256_file
from trifacet.core.run import open_run


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = write_world(tmp_path / "data", n_train=8, n_eval=6)
    for variable, path in {
        "SM_CHANNEL_TRAIN": made.train_dir / "images",
        "SM_MODEL_DIR": tmp_path / "model",
        "SM_CHANNEL_EVAL": made.eval_dir,
        "SM_CHANNEL_MODEL": tmp_path / "model",
        "SM_OUTPUT_DATA_DIR": tmp_path / "output",
        "SM_GROUND_TRUTH_DIR": made.gt_path.parent,
    }.items():
        monkeypatch.setenv(variable, str(path))
    monkeypatch.chdir(tmp_path)
    return made


def test_three_stages_need_nothing_but_the_environment(world: World, tmp_path: Path) -> None:
    done("train")
    run = tmp_path / "model" / "exp"
    assert open_run(run).info.recipe.model.backbone == "face_resnet29"
    assert json.loads((run / "config.json").read_text())["model"]["backbone"] == "face_resnet29"
    for which in ("best", "last"):
        assert sha256_file(run / f"{which}.safetensors") == sha256_file(run / "weights" / f"{which}.safetensors")

    done("predict")
    done("submit")
    output = pl.read_csv(tmp_path / "output" / "output.csv")
    assert output.columns == ["ImageID", "ans"]
    assert output["ImageID"].to_list() == pl.read_csv(world.eval_dir / "info.csv")["ImageID"].to_list()

    told = json.loads(done("evaluate", "--official").out)
    mine = json.loads(done("evaluate", tmp_path / "output" / "output.csv", "--truth", world.truth_path, "--json").out)
    assert told == {
        "accuracy": {"value": f"{mine['accuracy']['value']:.2%}", "rank": False, "decs": True},
        "f1": {"value": f"{mine['macro_f1']['value']:.4f}", "rank": True, "decs": True},
    }


def test_runs_are_numbered_and_the_newest_finished_one_answers(world: World, tmp_path: Path) -> None:
    for _ in range(2):
        done("train", *TINY)
    (tmp_path / "model" / "exp3").mkdir()
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["exp", "exp2", "exp3"]
    done("predict", "--out", "p.parquet")
    assert (tmp_path / "p.parquet").exists()
    done("train", "--out", tmp_path / "mine", *TINY)  # what is given wins
    assert not (tmp_path / "mine" / "config.json").exists()


def test_what_neither_is_given_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SM_CHANNEL_TRAIN", "SM_CHANNEL_MODEL", "SM_CHANNEL_EVAL", "SM_OUTPUT_DATA_DIR"):
        monkeypatch.delenv(variable, raising=False)
    said = {
        "predict": "TRI104 RUN is needed, here or in the environment as SM_CHANNEL_MODEL. See --help.\n",
        "submit": "TRI104 PREDICTIONS is needed, here or in the environment as SM_OUTPUT_DATA_DIR. See --help.\n",
    }
    for command, message in said.items():
        told = trifacet(command)
        assert (told.status, told.err) == (3, message)
