"""Runs that learn from others, by commands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.flow.command import TINY, done, trifacet
from tests.flow.photos import write_world
from trifacet.core.files import sha256_file
from trifacet.core.manifest import read_manifest
from trifacet.core.predictions import read_predictions
from trifacet.core.run import Run, open_run


class World(NamedTuple):
    """A split of people, two runs trained on it, and a student of both."""

    data: Path
    teachers: list[Path]
    student: Run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("teachers")
    photos, data = write_world(root / "photos", n_train=16, n_eval=0), root / "split.parquet"
    done("ingest", photos.train_dir, "--out", root / "all.parquet")
    done("split", root / "all.parquet", "--out", data, "--val", "0.25", "--test", "0.25")
    teachers = [root / "one", root / "two"]
    for teacher, size in zip(teachers, ("[32,32]", "[40,24]"), strict=True):
        done("train", "--data", data, "--out", teacher, *TINY, "--set", f"data.image_size={size}")
    named = f"loss.teachers=[{teachers[0]}, {teachers[1]}]"
    done("train", "--data", data, "--out", root / "student", *TINY, "--set", named)
    return World(data, teachers, open_run(root / "student"))


def test_the_teachers_are_asked_about_training_photos_alone(world: World) -> None:
    told = read_predictions(world.student.predictions_path("teachers"))
    train = read_manifest(world.data).split("train")
    assert told.ids == train.photo_ids
    alone = []
    for i, teacher in enumerate(world.teachers):
        assert world.student.info.inputs[f"teacher_{i}_weights"] == sha256_file(open_run(teacher).weights_path())
        done("predict", teacher, world.data, "--split", "train", "--out", world.data.parent / f"{i}.parquet")
        alone.append(read_predictions(world.data.parent / f"{i}.parquet"))
    assert np.allclose(told.probs, (alone[0].probs + alone[1].probs) / 2, atol=1e-4)
    assert np.allclose(told.age_probs, (alone[0].age_probs + alone[1].age_probs) / 2, atol=1e-4)


def test_what_teachers_say_changes_what_is_learned(world: World) -> None:
    assert world.student.info.status == "finished"
    without = open_run(world.teachers[0])
    assert world.student.weights_path("last").read_bytes() != without.weights_path("last").read_bytes()
    silent = world.data.parent / "silent"
    named = f"loss.teachers=[{world.teachers[0]}]"
    done("train", "--data", world.data, "--out", silent, *TINY, "--set", named, "--set", "loss.teachers_share=0")
    weights = [open_run(path).weights_path("last") for path in (silent, world.teachers[0])]
    assert sha256_file(weights[0]) == sha256_file(weights[1])  # a share of nothing is nothing


def test_a_teacher_that_has_seen_val_is_refused_before_anything_is_written(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    done("split", world.data, "--out", other, "--val", "0.25", "--test", "0.25", "--seed", "5")
    words = (
        "train",
        "--data",
        other,
        "--out",
        tmp_path / "run",
        *TINY,
        "--set",
        f"loss.teachers=[{world.teachers[0]}]",
    )
    said = trifacet(*words)
    seen = set(read_manifest(world.data).split("train").photo_ids)
    held_back = read_manifest(other).split("val", "test").photo_ids
    n = sum(photo_id in seen for photo_id in held_back)
    assert n > 0
    assert said.status == 6
    assert said.err == (
        f"TRI409 {world.teachers[0]}: this teacher was trained on photos of val or test, got {n} of {len(held_back)} "
        "photos. Take a teacher of the same split: train it on the same manifest, folds with `--folds 5 --keep-val`.\n"
    )
    assert not (tmp_path / "run").exists()


def test_folds_teach_what_each_says_of_people_it_never_saw(world: World, tmp_path: Path) -> None:
    train, folds = read_manifest(world.data).split("train"), tmp_path / "folds"
    named = ("--set", f"loss.teachers=[{folds}]")
    done("train", "--data", world.data, "--folds", 2, "--out", folds, *TINY)
    said = trifacet("train", "--data", world.data, "--out", tmp_path / "run", *TINY, *named)
    assert said.err.startswith(f"TRI409 {folds}: this teacher was trained on photos of val or test, got ")
    twin = shutil.copytree(folds, tmp_path / "twin")
    done("ensemble", folds, twin, "--out", tmp_path / "both")  # of an ensemble each member counts
    both = ("--set", f"loss.teachers=[{tmp_path / 'both'}]")
    said = trifacet("train", "--data", world.data, "--out", tmp_path / "run", *TINY, *both)
    assert said.err.startswith(f"TRI409 {folds}: this teacher was trained on photos of val or test, got ")
    shutil.rmtree(folds)
    done("train", "--data", world.data, "--folds", 2, "--keep-val", "--out", folds, *TINY)
    done("train", "--data", world.data, "--out", tmp_path / "run", *TINY, *named)
    told = read_predictions(tmp_path / "run/predictions/teachers.parquet")
    oof = read_predictions(folds / "predictions/oof.parquet")
    assert told.ids == train.photo_ids
    assert sorted(oof.ids) == sorted(train.photo_ids)
    place = {one: i for i, one in enumerate(oof.ids)}
    assert np.array_equal(told.probs, oof.probs[[place[one] for one in told.ids]])
    ensemble = tmp_path / "ensemble"
    done("ensemble", world.teachers[0], world.teachers[1], "--out", ensemble)
    said = trifacet(
        "train", "--data", world.data, "--out", tmp_path / "no", *TINY, "--set", f"loss.teachers=[{ensemble}]"
    )
    assert said.err.startswith(f"TRI409 {ensemble}: no answers out of folds about these photos, got ")
