"""Faces by commands: found, written into a manifest, and cut alike in training and in prediction."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.flow.command import TINY, done, trifacet
from trifacet import load_model
from trifacet.core.manifest import CROP_COLUMNS, read_manifest
from trifacet.core.predictions import read_predictions
from trifacet.core.run import open_run
from trifacet.data.drawn import draw_dataset
from trifacet.data.drawn.write import DrawnDataset

pytest.importorskip("openvino", reason="the extra [faces] is not installed")


class World(NamedTuple):
    """Drawn people, one of whose photos shows nobody, and their manifest with and without faces."""

    drawn: DrawnDataset
    plain: Path
    faces: Path
    told: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("faces")
    drawn = draw_dataset(root / "photos", n_train_people=10, n_eval_people=2, seed=0)
    blank = sorted((drawn.train_dir / "images").glob("*/normal.jpg"))[3]
    Image.fromarray(np.full((240, 180, 3), 128, np.uint8)).save(blank)
    done("ingest", drawn.train_dir, "--out", root / "plain.parquet")
    done("split", root / "plain.parquet", "--out", root / "split.parquet", "--val", "0.3")
    said = done("faces", root / "split.parquet", "--out", root / "faces.parquet")
    return World(drawn, root / "split.parquet", root / "faces.parquet", said.out + said.err)


def test_every_row_says_how_many_faces_and_where(world: World) -> None:
    before, after = read_manifest(world.plain), read_manifest(world.faces)
    assert after.photo_ids == before.photo_ids
    assert before.table.drop(*CROP_COLUMNS, "n_faces").equals(after.table.drop(*CROP_COLUMNS, "n_faces"))
    found = after.table.filter(pl.col("n_faces") > 0)
    assert len(found) >= 66
    assert found.select(CROP_COLUMNS).null_count().sum_horizontal().item() == 0
    none = after.table.filter(n_faces=0)
    assert none.select(pl.all_horizontal(pl.col(CROP_COLUMNS).is_null())).to_series().all()
    assert any(photo_id.endswith("/normal.jpg") for photo_id in none["photo_id"])
    assert [crop is None for crop in after.crops] == (after.table["n_faces"] == 0).to_list()


def test_the_command_tells_faces_by_class_and_photos_without(world: World) -> None:
    assert re.search(r"photos +photos +one face +several +none", world.told)
    assert re.search(r"all +70 ", world.told)
    none = read_manifest(world.faces).table.filter(n_faces=0)["photo_id"].to_list()
    assert f"no face was found in {', '.join(none)}: of these the middle square is shown" in " ".join(
        world.told.split()
    )


def test_training_and_prediction_are_shown_the_same_squares(world: World, tmp_path: Path) -> None:
    crop = ("--set", "data.crop=face")
    done("train", "--data", world.plain, "--out", tmp_path / "looks", *TINY, *crop)
    done("train", "--data", world.faces, "--out", tmp_path / "knows", *TINY, *crop)
    looks, knows = open_run(tmp_path / "looks"), open_run(tmp_path / "knows")
    assert (looks.weights_path("last")).read_bytes() == (knows.weights_path("last")).read_bytes()
    n_blank = int((read_manifest(world.faces).table["n_faces"] == 0).sum())
    stamp = f"no face was found in {n_blank} of 70 photos: the middle square was shown instead"
    assert stamp in looks.info.stamps
    assert stamp in knows.info.stamps
    of_run = read_predictions(looks.predictions_path("val"))
    for data in (world.plain, world.faces):
        done("predict", looks.path, data, "--split", "val", "--out", tmp_path / "val.parquet")
        again = read_predictions(tmp_path / "val.parquet")
        assert again.ids == of_run.ids
        assert np.allclose(again.probs, of_run.probs, atol=1e-5)
    blank = tmp_path / "blank"
    blank.mkdir()
    Image.fromarray(np.full((90, 90, 3), 7, np.uint8)).save(blank / "nobody.png")
    done("predict", looks.path, blank, "--out", tmp_path / "blank.parquet")
    told = "no face was found in 1 of 1 photos: the middle square was shown instead"
    assert told in read_predictions(tmp_path / "blank.parquet").stamps
    assert told in load_model(looks.path).predict([blank / "nobody.png"]).stamps


def test_a_member_that_cuts_faces_answers_beside_one_that_does_not(world: World, tmp_path: Path) -> None:
    for name, crop in {"face": "face", "square": "middle_square"}.items():
        done("train", "--data", world.faces, "--out", tmp_path / name, *TINY, "--set", f"data.crop={crop}")
    photos = tmp_path / "photos"
    shutil.copytree(world.drawn.eval_dir / "images", photos)
    Image.fromarray(np.full((90, 90, 3), 7, np.uint8)).save(photos / "nobody.png")
    said = {}
    for words in (("square",), ("face",), ("square", "face")):
        out = tmp_path / f"{len(said)}.parquet"
        done("predict", *(tmp_path / word for word in words), photos, "--out", out)
        said[words] = read_predictions(out)
    square, face, both = said.values()
    np.testing.assert_allclose(both.probs, (square.probs + face.probs) / 2, atol=1e-5)
    told = "no face was found in 1 of 15 photos: the middle square was shown instead"
    assert told in both.stamps
    assert told not in square.stamps


def test_a_photo_that_changed_is_named(world: World, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.zeros((30, 30, 3), np.uint8)).save(photos / "a.png")
    done("ingest", photos, "--out", tmp_path / "m.parquet", "--layout", "folders")
    (photos / "a.png").write_bytes(b"nothing")
    said = trifacet("faces", tmp_path / "m.parquet", "--out", tmp_path / "f.parquet")
    assert said.status == 4
    assert f"TRI204 photos changed since they were ingested, got {photos / 'a.png'} (wrong_type)" in " ".join(
        said.err.split()
    )
    assert not (tmp_path / "f.parquet").exists()


def test_the_picture_of_inputs_shows_what_is_drawn_on_them(world: World, tmp_path: Path) -> None:
    for name, sets in {"plain": (), "masked": ("--set", "augment.masks=1")}.items():
        done("train", "--data", world.faces, "--out", tmp_path / name, *TINY, "--set", "data.crop=face", *sets)
    plain, masked = (np.asarray(Image.open(tmp_path / n / "pictures/inputs.png")) for n in ("plain", "masked"))
    assert plain.shape == masked.shape
    assert (plain != masked).any()
