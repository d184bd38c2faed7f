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

from tests.flow.command import PICTURED, TINY, done, trifacet
from trifacet import load_model
from trifacet.core.findings import read_findings
from trifacet.core.manifest import CROP_COLUMNS, FACE_COLUMNS, read_manifest
from trifacet.core.predictions import Predictions, read_predictions, write_predictions
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
    own = after.table.drop(*CROP_COLUMNS, *FACE_COLUMNS, "n_faces")
    assert before.table.drop(*CROP_COLUMNS, "n_faces").equals(own)
    found = after.table.filter(pl.col("n_faces") > 0)
    assert len(found) >= 66
    assert found.select(CROP_COLUMNS + FACE_COLUMNS).null_count().sum_horizontal().item() == 0
    none = after.table.filter(n_faces=0)
    assert none.select(pl.all_horizontal(pl.col(CROP_COLUMNS).is_null())).to_series().all()
    assert any(photo_id.endswith("/normal.jpg") for photo_id in none["photo_id"])
    assert [crop is None for crop in after.crops] == (after.table["n_faces"] == 0).to_list()
    assert [name for name in after.inputs or {} if name.startswith("finder ")] == ["finder blazeface"]


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
        done("train", "--data", world.faces, "--out", tmp_path / name, *PICTURED, "--set", "data.crop=face", *sets)
    plain, masked = (np.asarray(Image.open(tmp_path / n / "pictures/inputs.png")) for n in ("plain", "masked"))
    assert plain.shape == masked.shape
    assert (plain != masked).any()


def test_findings_lie_beside_and_the_page_shows_them(world: World, tmp_path: Path) -> None:
    beside = read_findings(world.faces.with_suffix(".findings.parquet"), photo_ids=read_manifest(world.faces).photo_ids)
    none = read_manifest(world.faces).table.filter(n_faces=0)["photo_id"].to_list()
    assert beside.table.filter(kind="no_face")["photo_id"].to_list() == sorted(none)
    out = ("--out", tmp_path / "m.parquet", "--findings", tmp_path / "other.parquet", "--page", tmp_path / "p.html")
    done("faces", world.plain, *out)
    assert read_findings(tmp_path / "other.parquet").table.equals(beside.table)
    assert not (tmp_path / "m.findings.parquet").exists()
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "faces found by blazeface" in page
    assert page.count("data:image/webp") >= len(none)
    assert all(photo in page for photo in none)
    audited = done("audit", world.faces, "--out", tmp_path / "audit", "--no-pictures")
    assert "no face" in audited.out
    of_audit = read_findings(tmp_path / "audit" / "findings.parquet").table
    assert of_audit.filter(pl.col("kind").str.contains("face")).equals(beside.table)  # one code path


def test_scores_are_sliced_by_what_a_face_is_like(world: World, tmp_path: Path) -> None:
    manifest = read_manifest(world.faces)
    probs = np.full((len(manifest), 18), 1 / 18, dtype=np.float32)
    years = np.full((len(manifest), len(manifest.schema.year_grid)), 1 / len(manifest.schema.year_grid), np.float32)
    told = Predictions(manifest.photo_ids, probs, years, [None] * len(manifest), manifest.schema)
    write_predictions(tmp_path / "p.parquet", told)
    done("evaluate", tmp_path / "p.parquet", "--truth", world.faces, "--report", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    for name in FACE_COLUMNS:
        assert name.removeprefix("x_").replace("_", " ") in page


HALF = """
def find(image):
    height, width = image.shape[:2]
    if image.mean() < 20:
        return [[float("nan")] * 4], None, [1]
    if width > height:  # two people side by side
        boxes = [[0, 0, width / 2, height], [width / 2, 0, width, height]]
        return boxes, None, [0.9, 0.8]
    return [[width / 4, height / 4, 3 * width / 4, 3 * height / 4]], None, [0.7]
"""


def test_a_finder_of_ones_own_on_a_folder_without_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_finder.py").write_text(HALF, encoding="utf-8")
    photos = tmp_path / "photos"
    photos.mkdir()
    sizes = {"one": ((60, 80), 120), "two": ((90, 60), 120), "dark": ((60, 80), 3)}
    for name, (size, light) in sizes.items():
        Image.new("RGB", size, (light,) * 3).save(photos / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    said = done("faces", photos, "--finder", "half_finder:find", "--out", "f.parquet", "--page", "f.html")
    note = (
        "half_finder:find gave no usable answer about 1 photo, which counts as without a face: dark.png (a box that is "
        "no number)"
    )
    assert note in " ".join(said.err.split())
    assert note[1:] in (tmp_path / "f.html").read_text(encoding="utf-8")  # with a capital letter there
    done("faces", photos, "--finder", "half_finder:find", "--out", "f.parquet", "--page", "g.html", "--no-pictures")
    pictured = {name: "data:image" in (tmp_path / name).read_text(encoding="utf-8") for name in ("f.html", "g.html")}
    assert pictured == {"f.html": True, "g.html": False}
    found = read_manifest(tmp_path / "f.parquet")
    assert dict(found.table.select("photo_id", "n_faces").iter_rows()) == {"one.png": 1, "two.png": 2, "dark.png": 0}
    assert "finder half_finder:find" in (found.inputs or {})
    assert found.table["x_face_turn_deg"].is_null().all()  # without points nobody knows
    kinds = read_findings(tmp_path / "f.findings.parquet").table.select("photo_id", "kind", "detail").rows()
    assert ("dark.png", "no_face", "a box that is no number") in kinds
    assert ("two.png", "several_faces", "2 faces") in kinds


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("--out", "m.parquet", "--findings", "m.parquet"),
            "TRI104 --findings: the findings would replace the manifest, got 'm.parquet'. See --help.",
            id="both in one place",
        ),
        pytest.param(
            ("--out", "m.parquet", "--page", "page.txt"),
            "TRI104 --out: a page must end in .html, got 'page.txt'. Call it page.html, say.",
            id="a page that is none",
        ),
        pytest.param(
            ("--out", "m.parquet", "--findings", "theirs.parquet"),
            "TRI104 --out: findings would replace another thing, got a file that is none of trifacet's: "
            "'theirs.parquet'. Name another file, or delete that one first.",
            id="somebody's table",
        ),
        pytest.param(
            ("--finder", "blaze_face"),
            "TRI100 --finder: no finder of faces 'blaze_face'. Did you mean 'blazeface'? Or module:function.",
            id="a finder's name",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_looked_at(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "theirs.parquet")
    said = trifacet("faces", world.plain, *words)
    assert said.status == 3
    assert message in " ".join(said.err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["theirs.parquet"]
