"""Networks for parts of the task, by commands: trained, asked, combined into the 18 classes, scored and submitted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import trifacet
from tests.flow.command import TINY, done
from tests.flow.command import trifacet as command
from tests.flow.photos import World, write_world
from trifacet.core.files import read_json
from trifacet.core.predictions import decide, read_predictions
from trifacet.core.run import open_run

# Each part with other settings of the network, so that all of them go the whole way.
PARTS = {
    "pair": ("model.tasks=[gender, mask]", "model.head=joint", "model.pooling=attention", "train.keep_epochs=2"),
    "mask": ("model.tasks=[mask]", "model.classifier=cosine", "model.pooling=gem", "model.dropout_samples=3"),
    "gender": ("model.tasks=[gender]", "model.trained_stages=1", "loss.terms={focal: 1, macro_f1: 0.5}"),
    "age": ("model.tasks=[age]", "model.age=corn", "train.unfreeze_epochs=1", "optim.layer_decay=0.5",
            "loss.balance=uncertainty"),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("parts") / "photos", n_train=30, n_eval=8, n_unread=1)


@pytest.fixture(scope="module")
def root(world: World) -> Path:
    """The parts' runs, and their answers about the photos of other people."""
    root = world.train_dir.parent.parent
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    done("split", root / "all.parquet", "--out", root / "split.parquet", "--val", 0.4)
    for name, sets in PARTS.items():
        more = [f"loss.teachers=[{root / 'pair'}]"] if name == "mask" else []
        more += ["train.epochs=2"] if name in ("pair", "age") else []
        more += ["report.pictures=true"] if name == "age" else []
        words = [word for one in (*sets, *more) for word in ("--set", one)]
        said = done("train", "--data", root / "split.parquet", "--out", root / name, *TINY, *words)
        (root / f"{name}.txt").write_text(said.out, encoding="utf-8")
        done("predict", root / name, world.eval_dir, "--out", root / f"{name}.parquet")
    return root


def scored(predictions: Path, truth: Path, *words: object) -> dict[str, Any]:
    return json.loads(done("evaluate", predictions, "--truth", truth, "--subset", "--json", *words).out)


@pytest.mark.parametrize(
    ("name", "names", "sizes"),
    [("mask", ["mask"], 3), ("gender", ["gender"], 2), ("age", ["age"], 3), ("pair", ["mask", "gender"], 6)],
)
def test_a_run_for_a_part_answers_and_is_scored_on_that_part_alone(
    root: Path, world: World, name: str, names: list[str], sizes: int
) -> None:
    run, told = open_run(root / name), read_predictions(root / f"{name}.parquet")
    assert [*run.info.label_schema.names] == [*told.schema.names] == [*run.info.priors] == names
    assert told.probs.shape == (56, sizes)
    assert (told.age_probs is not None) == (name == "age")
    others = {"mask", "gender", "age"} - set(names)
    for score in (read_json(run.scores_path)["val"], scored(root / f"{name}.parquet", world.truth_path)):
        assert [n for n in names if score[n]["macro_f1"]["value"] >= 0] == names
        assert not others & score.keys()
        assert len(score["per_class"]) == sizes
    if len(names) == 1:
        assert score["macro_f1"] == score[names[0]]["macro_f1"]


def test_what_a_part_prints_names_its_attributes(root: Path) -> None:
    said = (root / "pair.txt").read_text(encoding="utf-8")
    lines = [" ".join(line.split()[:4]) for line in said.splitlines()]
    assert any(line.startswith("val mask x gender") for line in lines)
    assert {"mask", "gender"} <= {line.split()[1] for line in lines if line.startswith("val")}
    assert "trifacet combine" in said


@pytest.mark.parametrize(
    "parts", [("age", "mask", "gender"), ("age", "pair")], ids=["three runs of one", "two and one"]
)
def test_parts_are_combined_scored_and_submitted_as_the_whole_task(
    root: Path, world: World, tmp_path: Path, parts: tuple[str, ...]
) -> None:
    whole, report = tmp_path / "whole.parquet", tmp_path / "report.html"
    done("combine", *(root / f"{name}.parquet" for name in parts), "--out", whole)
    made, tables = read_predictions(whole), [read_predictions(root / f"{name}.parquet") for name in parts]
    assert made.schema == trifacet.DEFAULT_SCHEMA
    assert made.is_read.sum() == 55
    own = {name: t.marginals[name] for t in tables for name in t.schema.names}
    for name, probs in own.items():
        np.testing.assert_allclose(made.marginals[name], probs, atol=1e-5)
    score = scored(whole, world.truth_path)
    assert len(score["per_class"]) == 18
    for name in parts:
        alone = scored(root / f"{name}.parquet", world.truth_path)
        for attribute in read_predictions(root / f"{name}.parquet").schema.names:
            assert score[attribute]["macro_f1"] == pytest.approx(alone[attribute]["macro_f1"])
    done("evaluate", whole, "--truth", world.truth_path, "--report", report)
    assert "60 plus" in report.read_text(encoding="utf-8")
    said = done("submit", whole, "--info", world.eval_dir / "info.csv", "--out", tmp_path / "output.csv", "--fill")
    assert "not the usual 18" not in said.err
    answers = dict(pl.read_csv(tmp_path / "output.csv").rows())
    classes = {}
    for table in tables:
        rows = table.schema.decode(decide(table, table.decision))
        classes |= {name: dict(zip(table.ids, rows[:, i], strict=True)) for i, name in enumerate(table.schema.names)}
    read = [one for one, is_read in zip(made.ids, made.is_read, strict=True) if is_read]
    assert {one: answers[one] for one in read} == {
        one: trifacet.encode_multi_class(*(int(classes[n][one]) for n in ("mask", "gender", "age"))) for one in read
    }


def test_what_parts_said_of_val_is_scored_together_on_val(root: Path, tmp_path: Path) -> None:
    told = [root / name / "predictions" / "val.parquet" for name in ("mask", "gender", "age")]
    done("combine", *told, "--out", tmp_path / "val.parquet")
    score = scored(tmp_path / "val.parquet", root / "split.parquet")
    assert (len(score["per_class"]), score["n_people"]) == (18, 12)


def test_a_part_alone_is_submitted_with_a_warning(root: Path, world: World, tmp_path: Path) -> None:
    out = tmp_path / "output.csv"
    said = done("submit", root / "mask.parquet", "--info", world.eval_dir / "info.csv", "--out", out, "--fill")
    assert "ans counts the 3 classes of mask, not the usual 18" in said.err


def test_parts_that_answer_the_same_twice_are_refused(root: Path, tmp_path: Path) -> None:
    said = command("combine", root / "pair.parquet", root / "mask.parquet", "--out", tmp_path / "never.parquet")
    assert said.status == 5
    assert said.err.startswith(f"TRI341 {root}/mask.parquet: 'mask' is answered by two parts")


def test_a_teacher_of_more_teaches_a_part(root: Path) -> None:
    told = read_predictions(root / "mask" / "predictions" / "teachers.parquet")
    assert told.schema.names == ("mask",)
    done("predict", root / "pair", root / "split.parquet", "--split", "train", "--out", root / "told.parquet")
    np.testing.assert_allclose(told.probs, read_predictions(root / "told.parquet").marginals["mask"], atol=1e-5)


def test_a_teacher_of_less_is_refused(root: Path, tmp_path: Path) -> None:
    sets = ("--set", f"loss.teachers=[{root / 'mask'}]", "--set", "model.tasks=[mask, age]")
    said = command("train", "--data", root / "split.parquet", "--out", tmp_path / "never", *TINY, *sets)
    assert said.status == 5
    assert said.err.startswith(f"TRI301 {root}/mask: another label schema: attributes mask, age instead of mask")


def test_a_part_is_averaged_and_seen_from_several_sides(root: Path, world: World, tmp_path: Path) -> None:
    done("average", root / "pair", "--out", tmp_path / "mean")
    assert open_run(tmp_path / "mean").info.label_schema.names == ("mask", "gender")
    done("predict", tmp_path / "mean", world.eval_dir, "--tta", "crops", "--out", tmp_path / "p.parquet")
    assert read_predictions(tmp_path / "p.parquet").schema.names == ("mask", "gender")
    done("ensemble", root / "pair", tmp_path / "mean", "--out", tmp_path / "both")
    done("decide", tmp_path / "both", "--out", tmp_path / "rule.json")


def test_a_part_starts_from_a_run_of_another_part(root: Path, tmp_path: Path) -> None:
    sets = ("--set", "model.tasks=[gender]", "--set", "model.pooling=attention")
    data = ("--data", root / "split.parquet")
    done("train", *data, "--out", tmp_path / "r", *TINY, *sets, "--init", root / "pair")
    assert open_run(tmp_path / "r").info.label_schema.names == ("gender",)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        pytest.param("[mask, gendr]", "TRI100 model.tasks: no attribute 'gendr'. Did you mean 'gender'?\n", id="typo"),
        pytest.param(
            "[mask, mask]",
            "TRI101 1 mistake in the recipe:\n  model (--set): model.tasks names an attribute twice: mask, mask, got "
            "{'tasks': ['mask', 'mask']}.\nCorrect each line.\n",
            id="twice",
        ),
    ],
)
def test_tasks_that_cannot_be_are_told_in_one_message(root: Path, tmp_path: Path, tasks: str, message: str) -> None:
    said = command("train", "--data", root / "split.parquet", "--out", tmp_path / "r", "--set", f"model.tasks={tasks}")
    assert (said.status, said.err, (tmp_path / "r").exists()) == (3, message, False)


def test_folds_of_a_part_are_trained_and_combined_out_of_folds(root: Path, tmp_path: Path) -> None:
    done("split", root / "all.parquet", "--out", tmp_path / "folds.parquet", "--val", 0, "--folds", 2)
    told = []
    for name, tasks in (("age", "[age]"), ("rest", "[mask, gender]")):
        sets = ("--set", f"model.tasks={tasks}", "--set", "train.unfreeze_epochs=1")
        folds = tmp_path / name
        said = done("train", "--data", tmp_path / "folds.parquet", "--folds", 2, "--out", folds, *TINY, *sets)
        told.append(folds / "predictions" / "oof.parquet")
    assert "oof mask x gender" in said.out
    done("combine", *told, "--out", tmp_path / "oof.parquet")
    score = scored(tmp_path / "oof.parquet", tmp_path / "folds.parquet")
    assert (len(score["per_class"]), score["n_people"]) == (18, 30)
